#include "drill/offered.h"

#include <gtest/gtest.h>

namespace glass::drill {

namespace {

constexpr uint32_t kIsn = 0xffffff00;  // so that numbers wrap

TcpSpec ack(uint32_t number, uint16_t window) {
  return {.flags = TCPHDR_ACK, .ack = number, .has_ack = true, .window = window};
}

SeenPacket data(uint32_t seq, uint32_t length) {
  SeenPacket seen;
  seen.flags = TCPHDR_ACK;
  seen.seq = kIsn + seq;
  seen.payload = length;
  return seen;
}

SeenPacket syn(bool scaled) {
  SeenPacket seen;
  seen.flags = TCPHDR_SYN;
  if (scaled) seen.option_bytes = {1, 3, 3, 7};
  return seen;
}

}  // namespace

TEST(OfferedWindow, NothingIsBeyondBeforeAnythingWasOffered) {
  EXPECT_EQ(OfferedWindow().overrun(data(1, 1000), kIsn), 0u);
}

TEST(OfferedWindow, CountsWhatLiesBeyondTheEdge) {
  OfferedWindow offered;
  offered.injected(ack(1, 1000));
  EXPECT_EQ(offered.overrun(data(1, 1000), kIsn), 0u);
  EXPECT_EQ(offered.overrun(data(1, 1001), kIsn), 1u);
  offered.injected(ack(501, 1000));
  EXPECT_EQ(offered.overrun(data(1001, 600), kIsn), 100u);
}

TEST(OfferedWindow, TheEdgeNeverGoesBack) {
  OfferedWindow offered;
  offered.injected(ack(1, 1000));
  offered.injected(ack(1, 10));
  EXPECT_EQ(offered.overrun(data(1, 1000), kIsn), 0u);
}

TEST(OfferedWindow, ScalesIfBothSynsAskForIt) {
  TcpSpec remote_syn{.flags = TCPHDR_SYN, .window = 100};
  remote_syn.options = {{.kind = TcpOptionSpec::Kind::wscale, .value = 2}};
  OfferedWindow both, one;
  for (OfferedWindow* offered : {&both, &one}) offered->injected(remote_syn);
  both.seen_syn(syn(true));
  one.seen_syn(syn(false));
  EXPECT_EQ(both.overrun(data(1, 101), kIsn), 1u);  // a SYN's own window is not scaled
  for (OfferedWindow* offered : {&both, &one}) offered->injected(ack(1, 100));
  EXPECT_EQ(both.overrun(data(1, 401), kIsn), 1u);
  EXPECT_EQ(one.overrun(data(1, 401), kIsn), 301u);
}

}  // namespace glass::drill
