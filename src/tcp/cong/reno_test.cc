#include <gtest/gtest.h>

#include "tcp/cong/cong_fixture.h"

namespace glass {
namespace {

TEST(RenoTest, SlowStartGrowsByWhatIsAcknowledged) {
  CongFixture f(tcp_reno);
  f.ack(3, 100ms);
  EXPECT_EQ(f.v->snd_cwnd, 13u);
  f.round(100ms);
  EXPECT_EQ(f.v->snd_cwnd, 26u);
}

TEST(RenoTest, SlowStartEndsExactlyAtTheThresholdAndTheRestCounts) {
  CongFixture f(tcp_reno);
  f.v->snd_ssthresh = 12;
  f.ack(9, 100ms);
  EXPECT_EQ(f.v->snd_cwnd, 12u);
  EXPECT_EQ(f.v->snd_cwnd_cnt, 7u);
}

TEST(RenoTest, AvoidanceAddsOneSegmentARoundTrip) {
  CongFixture f(tcp_reno);
  f.v->snd_ssthresh = 5;
  for (uint32_t expected : {11u, 12u, 13u}) {
    f.round(100ms);
    EXPECT_EQ(f.v->snd_cwnd, expected);
  }
}

TEST(RenoTest, AvoidanceWithStretchAcksIsNoFaster) {
  CongFixture f(tcp_reno);
  f.v->snd_ssthresh = 5;
  f.ack(25, 100ms);  // two and a half windows
  EXPECT_EQ(f.v->snd_cwnd, 12u);
  EXPECT_EQ(f.v->snd_cwnd_cnt, 5u);
}

TEST(RenoTest, LossHalvesAndUndoRestores) {
  CongFixture f(tcp_reno);
  f.v->snd_cwnd = 21;
  f.lose();
  EXPECT_EQ(f.v->snd_ssthresh, 10u);
  EXPECT_EQ(f.ops.undo_cwnd(f.v), 21u);
  f.v->snd_cwnd = 3;
  EXPECT_EQ(f.ops.ssthresh(f.v), 2u) << "never below two";
}

}  // namespace
}  // namespace glass
