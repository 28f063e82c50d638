#include "drill/schedule.h"

#include <fmt/format.h>

#include <algorithm>

#include "drill/format.h"

namespace glass::drill {

namespace {

bool relative(EventTime::Kind kind) {
  return kind == EventTime::Kind::relative || kind == EventTime::Kind::relative_range;
}

bool range(EventTime::Kind kind) {
  return kind == EventTime::Kind::absolute_range || kind == EventTime::Kind::relative_range;
}

// As the script writes it: relative times with a sign.
std::string scripted_text(const Schedule& s, int64_t us) {
  if (!relative(s.kind)) return format_seconds(us);
  return (us < s.base_us ? "-" : "+") + format_seconds(std::abs(us - s.base_us));
}

}  // namespace

Schedule plan(const EventTime& time, int64_t base_us) {
  Schedule s{.kind = time.kind, .base_us = base_us};
  if (time.kind == EventTime::Kind::any) {
    s.at_us = s.end_us = base_us;
    return s;
  }
  const int64_t base = relative(time.kind) ? base_us : 0;
  s.at_us = base + time.begin_us;
  s.end_us = range(time.kind) ? base + time.end_us : s.at_us;
  return s;
}

std::optional<std::string> off_schedule(const Schedule& s, int64_t happened_us, std::optional<int64_t> previous_us,
                                        const Tolerance& tolerance, const std::string& what) {
  if (s.any()) return std::nullopt;
  int64_t allowed = tolerance.us;
  if (previous_us) {
    const double share = static_cast<double>(s.at_us - *previous_us) * tolerance.percent / 100;
    allowed = std::max(allowed, static_cast<int64_t>(share));
  }
  if (happened_us >= s.at_us - allowed && happened_us <= s.end_us + allowed) return std::nullopt;
  std::string due = scripted_text(s, s.at_us);
  if (range(s.kind)) due += "~" + scripted_text(s, s.end_us);
  return fmt::format("{} at {} s instead of {} s (tolerance {} s)", what, scripted_text(s, happened_us), due,
                     format_seconds(allowed));
}

}  // namespace glass::drill
