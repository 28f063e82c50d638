#include <gtest/gtest.h>

#include "tcp/cong/cong_fixture.h"

namespace glass {
namespace {

TEST(CubicTest, LossLeavesSevenTenths) {
  CongFixture f(tcp_cubic);
  f.v->snd_cwnd = 100;
  EXPECT_EQ(f.ops.ssthresh(f.v), 70u);
  f.v->snd_cwnd = 2;
  EXPECT_EQ(f.ops.ssthresh(f.v), 2u) << "never below two";
}

// K = cbrt(Wmax (1 - beta) / C): 1000 segments, beta 0.7, C 0.4: 9.1 s until the old maximum, flat around it.
TEST(CubicTest, TheCurveComesBackToTheOldMaximumAfterK) {
  CongFixture f(tcp_cubic);
  f.v->snd_cwnd = 1000;
  f.lose();
  ASSERT_EQ(f.v->snd_cwnd, 700u);
  const Instant begin = f.v.now;
  while (f.v->snd_cwnd < 990) f.round(100ms);
  const double to_plateau = std::chrono::duration<double>(f.v.now - begin).count();
  EXPECT_GT(to_plateau, 5.5);
  EXPECT_LT(to_plateau, 8.0);
  while (f.v.now - begin < 9s) f.round(100ms);
  EXPECT_NEAR(f.v->snd_cwnd, 1000, 5);
  f.v.now += 0s;
  while (f.v.now - begin < 15s) f.round(100ms);
  EXPECT_NEAR(f.v->snd_cwnd, 1000 + 0.4 * 6 * 6 * 6, 25) << "and on beyond it, ever faster";
}

// RFC 9438 section 4.3: with short round trips and small windows Reno would be faster.
TEST(CubicTest, IsNeverSlowerThanRenoWithTheSameReduction) {
  CongFixture f(tcp_cubic);
  f.v->snd_cwnd = 20;
  f.lose();
  ASSERT_EQ(f.v->snd_cwnd, 14u);
  for (int i = 0; i < 20; ++i) f.round(10ms);
  // 3 (1 - beta) / (1 + beta) = 0.53 segments a round trip; the estimate is renewed every 31 ms only
  EXPECT_NEAR(f.v->snd_cwnd, 14 + 20 * 0.53, 3);
}

TEST(CubicTest, AWindowThatDidNotReachTheOldMaximumMakesRoom) {
  CongFixture f(tcp_cubic);
  f.v->snd_cwnd = 1000;
  f.lose();
  f.v->snd_cwnd = 800;
  f.lose();  // the flat part is now at 800 * (1 + 0.7) / 2 = 680, not at 800, and 6.7 s away
  const Instant begin = f.v.now;
  while (f.v.now - begin < 7s) f.round(100ms);
  EXPECT_NEAR(f.v->snd_cwnd, 680, 4);
}

TEST(CubicTest, AtMostHalfAWindowMoreARoundTrip) {
  CongFixture f(tcp_cubic);
  f.v->snd_cwnd = 100;
  f.v->snd_ssthresh = 50;
  f.lose();
  f.v.now += 100s;  // the curve is far above
  const uint32_t before_it = f.v->snd_cwnd;
  f.round(100ms);
  f.round(100ms);
  const uint32_t mid = f.v->snd_cwnd;
  f.round(100ms);
  EXPECT_LE(mid, before_it * 9 / 4 + 2);
  EXPECT_LE(f.v->snd_cwnd, mid * 3 / 2 + 2);
}

TEST(CubicTest, IdleTimeIsNoTimeOfTheCurve) {
  CongFixture busy(tcp_cubic), idle(tcp_cubic);
  for (CongFixture* f : {&busy, &idle}) {
    f->v->snd_cwnd = 1000;
    f->lose();
    f->round(100ms);
  }
  idle.v->lsndtime = idle.v.now;
  idle.v.now += 30s;
  idle.ops.cwnd_event(idle.v, CaEvent::TX_START);
  for (int i = 0; i < 20; ++i) {
    busy.round(100ms);
    idle.round(100ms);
  }
  EXPECT_EQ(idle.v->snd_cwnd, busy.v->snd_cwnd);
}

TEST(CubicTest, ATimeoutForgetsTheCurve) {
  CongFixture f(tcp_cubic);
  f.v->snd_cwnd = 1000;
  f.lose();
  f.v->snd_ssthresh = 20;
  f.ops.set_state(f.v, CaState::Loss);
  f.v->snd_cwnd = 20;
  for (int i = 0; i < 10; ++i) f.round(100ms);
  EXPECT_LT(f.v->snd_cwnd, 60u) << "no pull towards 1000";
}

// --- HyStart

TEST(HystartTest, ARisingRoundTripEndsSlowStart) {
  CongFixture f(tcp_cubic);
  f.v->snd_cwnd = 16;
  f.ack(16, 100ms);
  EXPECT_EQ(f.v->snd_cwnd, 32u);
  for (int i = 0; i < 8; ++i) {
    f.v.now += 5ms;
    f.ack(1, 120ms);
    EXPECT_EQ(f.v->snd_ssthresh, 0x7fffffffu) << "eight samples first";
  }
  f.v.now += 5ms;
  f.ack(1, 120ms);
  EXPECT_EQ(f.v->snd_ssthresh, 40u);
  EXPECT_EQ(f.trace.value(Mib::TcpExtTCPHystartDelayDetect), 1u);
  EXPECT_EQ(f.trace.value(Mib::TcpExtTCPHystartDelayCwnd), 40u);
}

TEST(HystartTest, ARiseBelowAnEighthDoesNot) {
  CongFixture f(tcp_cubic);
  f.v->snd_cwnd = 16;
  f.ack(16, 100ms);
  for (int i = 0; i < 20; ++i) {
    f.v.now += 5ms;
    f.ack(1, 112ms);
  }
  EXPECT_EQ(f.v->snd_ssthresh, 0x7fffffffu);
}

TEST(HystartTest, OnShortPathsFourMillisecondsAreAllowed) {
  for (const auto& [rtt, ends] : {std::pair<Duration, bool>{13900us, false}, {14100us, true}}) {
    CongFixture f(tcp_cubic);
    f.v->snd_cwnd = 16;
    f.ack(16, 10ms);
    for (int i = 0; i < 12; ++i) {
      f.v.now += 3ms;
      f.ack(1, rtt);
    }
    EXPECT_EQ(f.v->snd_ssthresh < 0x7fffffffu, ends) << to_usecs(rtt);
  }
}

TEST(HystartTest, AnAckTrainOfHalfARoundTripEndsSlowStart) {
  CongFixture f(tcp_cubic);
  f.v->snd_cwnd = 64;
  f.v->sk_pacing_rate = 1'000'000'000;  // no allowance for large packets
  f.ack(64, 100ms);
  f.v.now += 50ms;
  f.ack(1, 100ms);  // the round's first
  uint32_t at = 0;
  for (int ms = 1; ms <= 60 && !at; ++ms) {
    f.v.now += 1ms;
    f.ack(1, 100ms);
    if (f.v->snd_ssthresh < 0x7fffffff) at = static_cast<uint32_t>(ms);
  }
  EXPECT_EQ(at, 51u);
  EXPECT_EQ(f.trace.value(Mib::TcpExtTCPHystartTrainDetect), 1u);
}

TEST(HystartTest, BelowSixteenSegmentsItSleeps) {
  CongFixture f(tcp_cubic);
  f.v->snd_cwnd = 4;
  for (int i = 0; i < 11; ++i) {
    f.v.now += 5ms;
    f.ack(1, i ? 500ms : 100ms);
  }
  EXPECT_EQ(f.v->snd_ssthresh, 0x7fffffffu);
}

}  // namespace
}  // namespace glass
