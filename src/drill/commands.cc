#include "drill/commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <regex>

namespace glass::drill {

namespace {

std::string_view basename(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == path.npos ? path : path.substr(slash + 1);
}

std::optional<double> number(const std::string& text) {
  double v = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(v) : std::nullopt;
}

std::string bytes_text(const std::vector<uint8_t>& b) { return {b.begin(), b.end()}; }

}  // namespace

const Commands::Program Commands::kPrograms[] = {
    {"sysctl", &Commands::sysctl},
    {"set_sysctls.py", &Commands::set_sysctls},
    {"defaults.sh", &Commands::defaults},
    {"tc", &Commands::tc},
    {"ethtool", &Commands::ethtool},
    {"ip", &Commands::ip},
    {"nstat", &Commands::nstat},
    {"echo", &Commands::echo},
    {"true", &Commands::true_},
    {":", &Commands::true_},
    {"chmod", &Commands::true_},
    {"sync", &Commands::true_},
    {"false", &Commands::false_},
    {"cat", &Commands::cat},
    {"grep", &Commands::grep},
    {"sleep", &Commands::sleep},
    {"rm", &Commands::rm},
    {"dd", &Commands::dd},
};

Commands::Commands(CommandHost host)
    : host_(std::move(host)),
      variables_{{"PPID", "1"}, {"PACKETDRILL_PID", "1"}, {"TUN_NAME", host_.device.name}},
      counted_(snapshot(host_.stack.trace())) {}

std::optional<std::string> Commands::run(const std::string& text) {
  complaint_.clear();
  const auto pipelines = parse_shell(text, variables_);
  if (!pipelines) return pipelines.error();
  int status = 0;
  using Join = ShellPipeline::Join;
  for (size_t i = 0; i < pipelines->size(); ++i) {
    const ShellPipeline& p = (*pipelines)[i];
    if (p.join != Join::always && (status == 0) != (p.join == Join::if_success)) continue;
    const bool caught = i + 1 < pipelines->size() && (*pipelines)[i + 1].join == Join::if_failure;
    const std::string before = complaint_;
    status = run_pipeline(p);
    if (caught && status != 127) complaint_ = before;
    if (status == 127) break;  // nobody knows what would come of it
  }
  if (!complaint_.empty()) return complaint_;
  if (status) return fmt::format("'{}' failed with status {}", text, status);
  return {};
}

int Commands::run_pipeline(const ShellPipeline& p) {
  std::string data;
  int status = 0;
  for (const ShellCommand& c : p.commands) {
    std::string output;
    status = run_command(c, std::move(data), output);
    if (status == 127) return status;
    data = std::move(output);
  }
  return status;
}

int Commands::run_command(const ShellCommand& c, std::string input, std::string& output) {
  ProgramRun r{{}, std::move(input), {}, {}};
  int status = 0;
  if (!c.words.empty()) {
    r.arguments.assign(c.words.begin() + 1, c.words.end());
    status = run_program(c.words[0], r);
  }
  if (!r.complaint.empty() && (!c.err_null || status == 127) && complaint_.empty())
    complaint_ = (c.words.empty() ? "" : c.words[0] + ": ") + r.complaint;
  if (c.out.empty())
    output = std::move(r.output);
  else if (const int failed = redirect(c, r))
    status = failed;
  return status;
}

int Commands::run_program(const std::string& path, ProgramRun& r) {
  const std::string_view name = basename(path);
  if (name.starts_with("sysctl_restore_") && name.ends_with(".sh")) return restore_sysctls(r);
  for (const Program& p : kPrograms)
    if (p.name == name) return (this->*p.run)(r);
  return r.fail("this command is not understood here", 127);
}

// Standard output into a file: a setting, or a plain one.
int Commands::redirect(const ShellCommand& c, ProgramRun& r) {
  if (c.out == "/dev/null") return 0;
  if (c.out.starts_with("/proc/sys/") || c.out.starts_with("/sys/module/")) {
    const std::string wrong = set_setting(c.out, r.output);
    if (!wrong.empty() && !c.err_null && complaint_.empty()) complaint_ = wrong;
    return wrong.empty() ? 0 : 1;
  }
  auto& content = host_.files[c.out];
  if (!content || !c.append) content = std::make_shared<std::vector<uint8_t>>();
  content->insert(content->end(), r.output.begin(), r.output.end());
  return 0;
}

std::optional<std::string> Commands::read_file(const std::string& path) const {
  if (path == "/proc/net/tcp") return format_proc_net_tcp(host_.stack.tcp().sockets());
  if (path == "/proc/net/tcp6") return std::string("  sl  local_address\n");
  if (path.starts_with("/proc/sys/") || path.starts_with("/sys/module/")) {
    std::optional<std::string> value = get_setting(path);
    if (value) *value += '\n';
    return value;
  }
  const auto at = host_.files.find(path);
  return at == host_.files.end() || !at->second ? std::nullopt : std::optional(bytes_text(*at->second));
}

int Commands::echo(ProgramRun& r) {
  const bool newline = r.arguments.empty() || r.arguments[0] != "-n";
  for (size_t i = newline ? 0 : 1; i < r.arguments.size(); ++i)
    r.output += (i > (newline ? 0u : 1u) ? " " : "") + r.arguments[i];
  if (newline) r.output += '\n';
  return 0;
}

int Commands::cat(ProgramRun& r) {
  if (r.arguments.empty()) r.output = r.input;
  for (const std::string& path : r.arguments) {
    const std::optional<std::string> content = read_file(path);
    if (!content) return r.fail(path + ": No such file or directory");
    r.output += *content;
  }
  return 0;
}

int Commands::grep(ProgramRun& r) {
  bool quiet = false, invert = false, count = false, ignore_case = false, extended = false;
  std::vector<std::string> rest;
  for (const std::string& a : r.arguments) {
    if (a.size() < 2 || a[0] != '-') {
      rest.push_back(a);
      continue;
    }
    for (const char flag : a.substr(1)) {
      bool* const known = flag == 'q'   ? &quiet
                          : flag == 'v' ? &invert
                          : flag == 'c' ? &count
                          : flag == 'i' ? &ignore_case
                          : flag == 'E' ? &extended
                                        : nullptr;
      if (!known) return r.fail(fmt::format("the option -{} is not understood", flag), 127);
      *known = true;
    }
  }
  if (rest.empty()) return r.fail("a pattern is missing", 2);
  std::string text = rest.size() == 1 ? r.input : "";
  for (size_t i = 1; i < rest.size(); ++i) text += read_file(rest[i]).value_or("");
  auto kind = extended ? std::regex::extended : std::regex::basic;
  if (ignore_case) kind |= std::regex::icase;
  const std::regex pattern(rest[0], kind);
  int found = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    if (std::regex_search(line, pattern) == invert) continue;
    ++found;
    if (!quiet && !count) r.output += line + '\n';
  }
  if (count) r.output = std::to_string(found) + '\n';
  return found ? 0 : 1;
}

int Commands::sleep(ProgramRun& r) {
  const std::optional<double> seconds = r.arguments.size() == 1 ? number(r.arguments[0]) : std::nullopt;
  if (!seconds || *seconds < 0) return r.fail("a number of seconds is missing", 127);
  host_.pass(std::chrono::microseconds(static_cast<int64_t>(*seconds * 1e6)));
  return 0;
}

int Commands::rm(ProgramRun& r) {
  for (const std::string& a : r.arguments)
    if (!a.starts_with('-')) host_.files.erase(a);
  return 0;
}

// dd of zeros into a plain file, as scripts make their test data.
int Commands::dd(ProgramRun& r) {
  size_t bs = 512, count = 0;
  std::string in, out;
  for (const std::string& a : r.arguments) {
    const size_t eq = a.find('=');
    const std::string key = a.substr(0, eq), value = eq == a.npos ? "" : a.substr(eq + 1);
    const std::optional<double> n = number(value);
    if (key == "bs" && n)
      bs = static_cast<size_t>(*n);
    else if (key == "count" && n)
      count = static_cast<size_t>(*n);
    else if (key == "if")
      in = value;
    else if (key == "of")
      out = value;
    else if (key != "status")
      return r.fail("'" + a + "' is not understood", 127);
  }
  if (in != "/dev/zero" || out.empty() || bs * count > (64u << 20))
    return r.fail("only if=/dev/zero of=FILE of at most 64 MiB is understood", 127);
  if (out != "/dev/null") host_.files[out] = std::make_shared<std::vector<uint8_t>>(bs * count);
  return 0;
}

namespace {

// As ss names states, with their numbers.
constexpr std::pair<std::string_view, int> kStates[] = {
    {"ESTAB", 1},  {"SYN-SENT", 2}, {"SYN-RECV", 3},   {"FIN-WAIT-1", 4}, {"FIN-WAIT-2", 5}, {"TIME-WAIT", 6},
    {"UNCONN", 7}, {"CLOSE", 7},    {"CLOSE-WAIT", 8}, {"LAST-ACK", 9},   {"LISTEN", 10},    {"CLOSING", 11}};

std::string hex_address(const SocketAddress& a) {
  return fmt::format("{:08X}:{:04X}", a.address.is_v4() ? a.address.v4_wire() : 0, a.port);
}

}  // namespace

std::string format_proc_net_tcp(const std::vector<TcpSocketRow>& rows) {
  std::string out = "  sl  local_address rem_address   st tx_queue:rx_queue\n";
  size_t slot = 0;
  for (const TcpSocketRow& r : rows) {
    const auto* state = std::ranges::find(kStates, r.state, &std::pair<std::string_view, int>::first);
    out += fmt::format("{:4}: {} {} {:02X} {:08X}:{:08X}\n", slot++, hex_address(r.local), hex_address(r.remote),
                       state == std::end(kStates) ? 0 : state->second, r.send_q, r.recv_q);
  }
  return out;
}

}  // namespace glass::drill
