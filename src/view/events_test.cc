#include "view/events.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace glass {
namespace {

constexpr FunctionInfo kIpRcv{"ip_rcv", "/x/src/ip/ip_input.cc", 40};
const DropPlace* a_place() { return DROP(IP_CSUM); }

TraceEvent event(TraceEvent::Kind kind) {
  return {Instant(1500ms),     &kIpRcv, kind == TraceEvent::Kind::drop ? a_place() : nullptr, 12, 66, kind,
          Context::softirq_rx, 2};
}

TEST(Events, OneLineEach) {
  const int64_t start = 1'000'000'000;
  EXPECT_EQ(format_event(event_row(event(TraceEvent::Kind::enter)), start),
            "    0.500000 softirq receive      ip_rcv  [skb 12, 66 bytes]");
  EXPECT_EQ(format_event(event_row(event(TraceEvent::Kind::consume)), start),
            "    0.500000 softirq receive      ✓ consumed  [skb 12, 66 bytes]");
  const std::string drop = format_event(event_row(event(TraceEvent::Kind::drop)), start);
  EXPECT_NE(drop.find("✗ dropped: IP_CSUM at a_place (src/view/events_test.cc:"), std::string::npos) << drop;
}

TEST(Events, JsonRoundTrip) {
  for (auto kind : {TraceEvent::Kind::enter, TraceEvent::Kind::drop, TraceEvent::Kind::queue}) {
    const EventRow row = event_row(event(kind));
    EXPECT_EQ(event_from_json(to_json(row)), row);
  }
  EXPECT_EQ(event_from_json(Json::parse("[]")), EventRow());
}

TEST(Events, LiveDrop) {
  EventRow row = event_row(event(TraceEvent::Kind::drop));
  row.line = 9;
  EXPECT_EQ(format_live_drop(row, "IP 10.0.0.1 > 10.0.0.2", 0),
            "    1.500000 IP_CSUM at a_place (src/view/events_test.cc:9)  IP 10.0.0.1 > 10.0.0.2");
}

}  // namespace
}  // namespace glass
