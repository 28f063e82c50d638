// The way of one packet: the functions it passed, in order, under the execution contexts they ran in.
//
//   std::vector<TraceEvent> events = server.trace().events();
//   auto call = find_call(events, "__sys_sendto", 0);                 // the system call that sends it
//   auto way = packet_path(events, call->begin, last_packet(*call));  // and what became of it
//   fmt::print("{}", format_path({{"server", way}}));
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "trace/trace.h"
#include "view/text.h"

namespace glass {

// The events between the entry of a function and its return.
struct CallScope {
  size_t begin = 0, end = 0;  // places in the events, end exclusive
};
std::optional<CallScope> find_call(std::span<const TraceEvent>, std::string_view function, size_t from);
// The first call of that name at or after `from` inside which packet `skb` is seen.
std::optional<CallScope> find_call_with(std::span<const TraceEvent>, std::string_view function, size_t from,
                                        uint32_t skb);
// The packet that entered the function named last in the scope; 0 if none did.
uint32_t packet_entering(std::span<const TraceEvent>, const CallScope&, std::string_view function);

// A whole call, without what was done in it to packets other than `skb`.
std::vector<TraceEvent> call_path(std::span<const TraceEvent>, const CallScope&, uint32_t skb);
// Everything from `from` on that was done to the packet: the functions it entered, what these called, and what called
// them; not what was done to other packets on the way.
std::vector<TraceEvent> packet_path(std::span<const TraceEvent>, size_t from, uint32_t skb);

struct PathPart {
  std::string host;
  std::vector<TraceEvent> events;
};
// Function names indented by depth with their source lines, a heading wherever host, context or instant change.
std::string format_path(std::span<const PathPart>, Instant start, const Style& = {});

}  // namespace glass
