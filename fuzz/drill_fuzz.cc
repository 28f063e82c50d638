// Any text as a script: it parses or gives one error with a line of the text. Each packet that parses and is printed
// parses again and prints the same; each snippet runs to its end or to one error.
#include <algorithm>
#include <cstdlib>

#include "drill/code.h"
#include "drill/format.h"
#include "drill/parser.h"

namespace {

using namespace glass::drill;

void require(bool condition) {
  if (!condition) std::abort();
}

void print_and_parse(const PacketEvent& packet) {
  const std::string text = format_packet(packet);
  const auto again = parse_script("printed", "0 " + text);
  require(again && again->events.size() == 1);
  const auto* same = std::get_if<PacketEvent>(&again->events[0].what);
  require(same && format_packet(*same) == text);
}

void run(const CodeEvent& code, CodeVariables& variables) {
  const auto printed = run_code(code.text, variables);
  require(printed || (printed.error().line >= 1 && !printed.error().text.empty()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto script = parse_script("fuzz", text, {{"DEFINED", "7"}});
  if (!script) {
    require(script.error().line >= 1 && script.error().line <= 1 + std::count(text.begin(), text.end(), '\n'));
    require(script.error().column >= 1 && !script.error().text.empty());
    return 0;
  }
  CodeVariables variables{{"tcpi_snd_cwnd", 10u}, {"tcpi_pacing_rate", UINT64_MAX}, {"name", "cubic"}};
  for (const Event& event : script->events) {
    require(!event.text.empty() && event.line >= 1);
    if (const auto* packet = std::get_if<PacketEvent>(&event.what)) print_and_parse(*packet);
    if (const auto* code = std::get_if<CodeEvent>(&event.what)) run(*code, variables);
  }
  return 0;
}
