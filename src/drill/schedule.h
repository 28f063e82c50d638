// When an event is due, and whether something happened then.
//
//   Schedule s = plan(event.time, base_us);        // base: what relative times count from
//   if (auto late = off_schedule(s, happened_us, previous, tolerance)) say(*late);
//
// The tolerance is the larger of a fixed time and a share of the gap to the event before, as packetdrill's is.
#pragma once
#include <optional>
#include <string>

#include "drill/script.h"

namespace glass::drill {

struct Schedule {
  EventTime::Kind kind = EventTime::Kind::absolute;
  int64_t base_us = 0;            // of relative times
  int64_t at_us = 0, end_us = 0;  // end_us: of a range, else as at_us
  bool any() const { return kind == EventTime::Kind::any; }
};

struct Tolerance {
  int64_t us = 4000;
  double percent = 12.5;
};

Schedule plan(const EventTime&, int64_t base_us);

// One sentence, or nothing if `happened_us` is within the tolerance. `previous_us`: when the event before was due.
std::optional<std::string> off_schedule(const Schedule&, int64_t happened_us, std::optional<int64_t> previous_us,
                                        const Tolerance&, const std::string& what);

}  // namespace glass::drill
