// The events of a trace, one a line: function entries indented by their depth, queues, drops and ends.
//
//   for (const TraceEvent& e : trace.events()) fmt::print("{}\n", format_event(event_row(e), style));
#pragma once
#include <string>

#include "trace/trace.h"
#include "view/drops.h"
#include "view/json.h"
#include "view/text.h"

namespace glass {

// A TraceEvent without pointers, so that it can travel as JSON.
struct EventRow {
  int64_t when_ns = 0;         // on the stack's time line
  std::string kind;            // enter, drop, consume, queue
  std::string context;         // "softirq receive"
  std::string function, file;  // entered; else the innermost function at the time
  int line = 0;
  uint32_t depth = 0, skb = 0, len = 0;
  std::string reason;  // drops: function, file and line are then the drop's place
  bool operator==(const EventRow&) const = default;
};

EventRow event_row(const TraceEvent&);
std::string_view kind_name(TraceEvent::Kind);

// "  1.250318 softirq receive   ip_rcv  [skb 12, 66 bytes]"; seconds since `start_ns`.
std::string format_event(const EventRow&, int64_t start_ns = 0, const Style& = {});
// A live drop: time, reason, place, packet.
std::string format_live_drop(const EventRow&, std::string_view packet, int64_t start_ns = 0, const Style& = {});

Json to_json(const EventRow&);
EventRow event_from_json(const Json&);

}  // namespace glass
