#include "cli/packetdrill/invocation.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>

#include "drill/parser.h"
#include "drill/run.h"

namespace glass::packetdrill {

namespace {

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct Options {
  std::map<std::string, std::string> defines{};
  drill::RunOptions run{};
};

// --name=value, --name value, -D NAME=value; names may be cut short for packetdrill, but nobody does.
Options options_of(const std::vector<std::string>& line) {
  const std::set<std::string> kAddresses = {"local_ip",  "remote_ip",    "gateway_ip", "netmask_ip",
                                            "bind_port", "connect_port", "mtu"};
  Options out;
  for (size_t i = 1; i < line.size(); ++i) {
    std::string name = line[i] == "-D" ? "define" : line[i].substr(line[i].starts_with("--") ? 2 : 0);
    const size_t equals = name.find('=');
    const bool apart = equals == name.npos && i + 1 < line.size();
    const std::string value = equals != name.npos ? name.substr(equals + 1) : apart ? line[i + 1] : "";
    name = name.substr(0, equals);
    if (name == "define") {
      const size_t at = value.find('=');
      if (at != value.npos) out.defines.emplace(value.substr(0, at), value.substr(at + 1));
    } else if (kAddresses.contains(name)) {
      out.run.overrides.emplace_back(name, value);
    }
  }
  return out;
}

}  // namespace

std::vector<std::string> own_command_line() {
  std::vector<std::string> out;
  const std::string all = read_file("/proc/self/cmdline");
  for (size_t begin = 0; begin < all.size();) {
    const size_t end = std::min(all.find('\0', begin), all.size());
    out.push_back(all.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

Invocation understand(const std::vector<std::string>& command_line) {
  Invocation out;
  const auto last = std::find_if(command_line.rbegin(), command_line.rend(),
                                 [](const std::string& argument) { return !argument.starts_with("-"); });
  if (last == command_line.rend()) return out;
  const Options options = options_of(command_line);
  const std::string& path = *last;
  const auto script = drill::parse_script(path, read_file(path), options.defines);
  if (!script) return out;
  out.addresses = drill::addresses_of(*script, options.run);
  if (script->init) out.commands.insert(script->init->text);
  if (script->cleanup) out.commands.insert(script->cleanup->text);
  for (const drill::Event& event : script->events) {
    if (const auto* command = std::get_if<drill::CommandEvent>(&event.what)) out.commands.insert(command->text);
  }
  return out;
}

}  // namespace glass::packetdrill
