#include "view/path.h"

#include <gtest/gtest.h>

#include <deque>

namespace glass {
namespace {

using Kind = TraceEvent::Kind;

// A trace written down as it happens: enter(), leave(), end().
class Script {
 public:
  Script& context(Context c) { return context_ = c, *this; }
  Script& at(Duration t) { return now_ = Instant(t), *this; }
  Script& enter(const char* function, uint32_t skb = 0) {
    functions_.push_back({function, "src/x.cc", 1});
    events_.push_back({now_, &functions_.back(), nullptr, skb, skb ? 66u : 0u, Kind::enter, context_, depth_++});
    return *this;
  }
  Script& leave(int n = 1) { return depth_ = static_cast<uint8_t>(depth_ - n), *this; }
  Script& end(Kind kind, uint32_t skb) {
    events_.push_back({now_, nullptr, nullptr, skb, 66, kind, context_, depth_});
    return *this;
  }
  const std::vector<TraceEvent>& events() const { return events_; }

 private:
  std::deque<FunctionInfo> functions_;
  std::vector<TraceEvent> events_;
  Instant now_{};
  Context context_ = Context::none;
  uint8_t depth_ = 0;
};

std::string names(const std::vector<TraceEvent>& events) {
  std::string out;
  for (const TraceEvent& e : events) {
    if (!out.empty()) out += ' ';
    out += e.kind == Kind::enter ? e.function->name : e.kind == Kind::queue ? "queue" : "end";
  }
  return out;
}

TEST(Path, ACallEndsWhereItReturns) {
  Script s;
  s.enter("poll")
      .leave()
      .enter("__sys_sendto")
      .enter("tcp_sendmsg")
      .enter("__dev_queue_xmit", 7)
      .leave(3)
      .enter("other");
  const auto call = find_call(s.events(), "__sys_sendto", 0);
  ASSERT_TRUE(call);
  EXPECT_EQ(call->begin, 1u);
  EXPECT_EQ(call->end, 4u);
  EXPECT_EQ(packet_entering(s.events(), *call, "__dev_queue_xmit"), 7u);
  EXPECT_EQ(packet_entering(s.events(), *call, "tcp_sendmsg"), 0u);
  EXPECT_FALSE(find_call(s.events(), "__sys_sendto", call->end));
}

TEST(Path, FindsTheCallThatSeesThePacket) {
  Script s;
  s.enter("recv").leave().enter("recv").end(Kind::consume, 3).leave().enter("recv").end(Kind::consume, 4).leave();
  const auto call = find_call_with(s.events(), "recv", 0, 4);
  ASSERT_TRUE(call);
  EXPECT_EQ(call->begin, 3u);
  EXPECT_FALSE(find_call_with(s.events(), "recv", 0, 5));
}

TEST(Path, CallPathLeavesOutOtherPackets) {
  Script s;
  s.enter("recv")
      .end(Kind::consume, 4)
      .enter("tcp_send_ack")
      .enter("ip_queue_xmit", 9)
      .enter("deeper")
      .leave(3)
      .enter("release_sock")
      .leave(2);
  const auto call = find_call(s.events(), "recv", 0);
  EXPECT_EQ(names(call_path(s.events(), *call, 4)), "recv end tcp_send_ack release_sock");
}

TEST(Path, PacketPathHasCallersAndCalleesAndNoStrangers) {
  Script s;
  s.context(Context::softirq_rx).enter("net_rx_action").enter("__napi_poll");
  s.enter("ip_rcv", 1).enter("tcp_ack").leave(2);  // another packet before
  s.enter("ip_rcv", 2).enter("tcp_rcv_established", 2).enter("tcp_ack").leave();
  s.enter("tcp_send_ack").enter("ip_queue_xmit", 5).enter("ip_output").leave(3);  // the answer to it
  s.end(Kind::queue, 2).leave(2);
  s.enter("ip_rcv", 3).leave(3);  // and after
  EXPECT_EQ(names(packet_path(s.events(), 0, 2)),
            "net_rx_action __napi_poll ip_rcv tcp_rcv_established tcp_ack tcp_send_ack queue");
}

TEST(Path, TheEndInsideAnotherPacketsWayShowsWhoEndedIt) {
  Script s;
  s.enter("tcp_ack", 8).enter("tcp_clean_rtx_queue").end(Kind::consume, 2).leave(2);
  EXPECT_EQ(names(packet_path(s.events(), 0, 2)), "tcp_ack tcp_clean_rtx_queue end");
}

TEST(Path, PrintsHeadingsWhereContextOrTimeChange) {
  Script s;
  s.at(10ms).context(Context::syscall).enter("__sys_sendto").enter("tcp_sendmsg").leave(2);
  s.at(30ms).context(Context::softirq_tx).enter("net_tx_action").end(Kind::queue, 1).leave();
  const std::string pad(56, ' ');
  const auto line = [&](std::string text) { return text + pad.substr(text.size()) + "src/x.cc:1\n"; };
  EXPECT_EQ(format_path(std::vector<PathPart>{{"server", s.events()}}, Instant(10ms)),
            "server, system call, at 0.000 ms\n" + line("  __sys_sendto") + line("    tcp_sendmsg") +
                "server, softirq transmit, at 20.000 ms\n" + line("  net_tx_action") + "    · queued\n");
}

}  // namespace
}  // namespace glass
