#include "drill/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "drill/run.h"

namespace glass::drill {

namespace {

struct Word {
  size_t at;
  std::string_view text;
};

std::vector<Word> words(std::string_view line) {
  std::vector<Word> found;
  for (size_t at = 0; at < line.size();) {
    const size_t end = std::min(line.find_first_of(" ,<>", at), line.size());
    if (end > at) found.push_back({at, line.substr(at, end - at)});
    at = end + 1;
  }
  return found;
}

std::string indented(std::string_view text, std::string_view indent) {
  std::string out;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    out += fmt::format("{}{}\n", indent, text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::string packets(const Failure& failure) {
  if (failure.expected.empty() && failure.got.empty()) return {};
  if (failure.got.find('\n') != std::string::npos)
    return "  expected  " + failure.expected + "\n  got\n" + indented(failure.got, "    ");
  std::string text;
  if (!failure.expected.empty()) text += "  expected  " + failure.expected + "\n";
  if (!failure.got.empty()) text += "  got       " + failure.got + "\n";
  const std::string marks = mark_differences(failure.expected, failure.got);
  if (!failure.expected.empty() && !failure.got.empty() && !marks.empty()) text += "            " + marks + "\n";
  return text;
}

}  // namespace

std::string mark_differences(std::string_view expected, std::string_view got) {
  const auto want = words(expected), have = words(got);
  std::string marks;
  for (size_t i = 0; i < have.size(); ++i) {
    if (i < want.size() && want[i].text == have[i].text) continue;
    marks.resize(have[i].at, ' ');
    marks.append(have[i].text.size(), '^');
  }
  return marks;
}

std::string format_failure(const Script& script, const RunResult& result) {
  if (!result.failure) return {};
  const Failure& failure = *result.failure;
  std::string text = fmt::format("{}:{}: {}\n", script.path, failure.line, failure.what);
  if (!failure.event.empty()) text += indented(failure.event, "  ");
  text += packets(failure);
  if (!failure.socket.empty()) text += "  socket\n" + indented(failure.socket, "    ");
  if (!failure.trace.empty()) text += "  the last packets\n" + indented(failure.trace, "    ");
  return text;
}

}  // namespace glass::drill
