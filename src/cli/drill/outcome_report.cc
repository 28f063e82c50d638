#include "cli/drill/outcome_report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace glass {

namespace {

const char* verdict(const ScriptOutcome& outcome) {
  if (outcome.result.skipped) return "skipped";
  return outcome.result.passed ? "passed" : "failed";
}

void put(Json& json, const char* key, const std::string& text) {
  if (!text.empty()) json[key] = text;
}

// XML 1.0 knows no other control characters than these three.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' && c != '\r' ? '?' : c;
    }
  }
  return out;
}

std::string junit_case(const ScriptOutcome& outcome) {
  std::string text = fmt::format("  <testcase classname=\"drill\" name=\"{}\" time=\"{:.6f}\"", escaped(outcome.path),
                                 static_cast<double>(outcome.result.script_us) / 1e6);
  if (outcome.result.skipped) {
    text += fmt::format(">\n    <skipped message=\"{}\"/>\n  </testcase>\n", escaped(outcome.result.skip_reason));
  } else if (!outcome.result.passed) {
    const std::string what = outcome.result.failure ? outcome.result.failure->what : "";
    text += fmt::format(">\n    <failure message=\"{}\">{}</failure>\n  </testcase>\n", escaped(what),
                        escaped(outcome.report));
  } else {
    text += "/>\n";
  }
  return text;
}

}  // namespace

OutcomeCount count_outcomes(const std::vector<ScriptOutcome>& outcomes) {
  OutcomeCount count;
  for (const ScriptOutcome& outcome : outcomes) {
    if (outcome.result.skipped) {
      ++count.skipped;
    } else {
      ++(outcome.result.passed ? count.passed : count.failed);
    }
  }
  return count;
}

std::string summary_line(const OutcomeCount& count) {
  return fmt::format("{} passed, {} failed, {} skipped", count.passed, count.failed, count.skipped);
}

Json outcome_json(const ScriptOutcome& outcome) {
  Json json{{"script", outcome.path}, {"verdict", verdict(outcome)}};
  json["seconds"] = static_cast<double>(outcome.result.script_us) / 1e6;  // on the target's clock
  put(json, "skip_reason", outcome.result.skip_reason);
  if (!outcome.result.failure) return json;
  const drill::Failure& failure = *outcome.result.failure;
  json["line"] = failure.line;
  put(json, "event", failure.event);
  put(json, "what", failure.what);
  put(json, "expected", failure.expected);
  put(json, "got", failure.got);
  put(json, "socket", failure.socket);
  put(json, "trace", failure.trace);
  return json;
}

std::string junit_xml(const std::vector<ScriptOutcome>& outcomes) {
  const OutcomeCount count = count_outcomes(outcomes);
  std::string text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  text += fmt::format("<testsuite name=\"glass drill\" tests=\"{}\" failures=\"{}\" skipped=\"{}\">\n", outcomes.size(),
                      count.failed, count.skipped);
  for (const ScriptOutcome& outcome : outcomes) text += junit_case(outcome);
  return text + "</testsuite>\n";
}

}  // namespace glass
