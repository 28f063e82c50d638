#include "drill/recorder.h"

#include <fmt/format.h>

#include "drill/format.h"

namespace glass::drill {

Recorder::Recorder(const Script& script) : script_(script) {}

size_t Recorder::line(int64_t at_us, std::string text) {
  lines_.push_back({at_us, std::move(text)});
  return lines_.size() - 1;
}

std::string Recorder::text() const {
  std::string out;
  for (const auto& [name, value] : script_.options)
    out += value.empty() ? fmt::format("--{}\n", name) : fmt::format("--{}={}\n", name, value);
  if (script_.init) out += fmt::format("`{}`\n\n", script_.init->text);
  std::optional<int64_t> before;
  for (const Line& line : lines_) {
    std::string time = before ? "+" + format_seconds(line.at_us - *before) : format_seconds(line.at_us);
    if (line.returned_us)
      time += "..." + (before ? "+" + format_seconds(*line.returned_us - *before) : format_seconds(*line.returned_us));
    std::string text = fmt::format("{:<9} {}", time, line.text);
    if (!line.note.empty()) text = fmt::format("{:<72} // {}", text, line.note);
    out += text + "\n";
    before = line.at_us;
  }
  if (script_.cleanup) out += fmt::format("\n`{}`\n", script_.cleanup->text);
  return out;
}

std::string text_without_time(const Event& event) {
  if (const auto* code = std::get_if<CodeEvent>(&event.what)) return "%{" + code->text + "}%";
  if (const auto* command = std::get_if<CommandEvent>(&event.what)) return "`" + command->text + "`";
  const size_t at = event.text.find_first_not_of("0123456789.+*~ \t");
  return at == std::string::npos ? event.text : event.text.substr(at);
}

std::string with_result(const std::string& call, const std::string& result) {
  const size_t at = call.rfind(") = ");
  const size_t end = at == std::string::npos ? call.find(") =") : at;
  return end == std::string::npos ? call : call.substr(0, end + 1) + " " + result;
}

}  // namespace glass::drill
