// BBR against a path of values: a bandwidth, a round trip, and a queue that grows when more is sent than that.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tcp/cong/cong_fixture.h"

namespace glass {
namespace {

struct BbrFixture : CongFixture {
  BbrFixture() : CongFixture(tcp_bbr) {
    v->mss_cache = 1448;
    v->srtt_us = 40'000 << 3;
    v.min_rtt_us = 40'000;
    v->delivered = 1;
    ops.init(v);
  }
  tcp_bbr_info info() {
    tcp_cc_info i{};
    ops.get_info(v, i);
    return i.bbr;
  }
  double gain() { return info().bbr_pacing_gain / 256.0; }
  double mbits() { return (info().bbr_bw_lo | uint64_t{info().bbr_bw_hi} << 32) * 8 / 1e6; }

  // A round trip with ten ACKs over a link of `rate` segments a millisecond: what the pacing rate and the window let go
  // is in flight, and of that as much is delivered as the link carries.
  void round(double rate, Duration rtt = 40ms, uint32_t losses = 0, bool app_limited = false) {
    const double ms = std::chrono::duration<double, std::milli>(rtt).count();
    const double paced = static_cast<double>(v->sk_pacing_rate) / v->mss_cache * ms / 1000;
    const double in_flight = std::max(1.0, std::min<double>(v->snd_cwnd, paced + queue));
    const auto delivered = static_cast<uint32_t>(std::max(1.0, std::min(in_flight, rate * ms)));
    queue = in_flight - delivered;
    constexpr uint32_t kAcks = 10;
    const uint32_t prior = v->delivered;
    const Instant begin = v.now;
    for (uint32_t i = 1; i <= kAcks; ++i) {
      v.now = begin + rtt * i / kAcks;
      rate_sample rs;
      rs.prior_delivered = last_delivered + (prior - last_delivered) * i / kAcks;  // a round trip ago
      rs.acked_sacked = prior + delivered * i / kAcks - v->delivered;
      v->delivered += rs.acked_sacked;
      v->delivered_mstamp = v.now;
      v->packets_out = static_cast<uint32_t>(in_flight);
      rs.delivered = static_cast<int32_t>(v->delivered - rs.prior_delivered);
      rs.interval_us = to_usecs(rtt);
      rs.rtt_us = to_usecs(rtt);
      rs.prior_in_flight = v->packets_out;
      rs.losses = i == kAcks ? losses : 0;
      rs.is_app_limited = app_limited;
      v->lost += rs.losses;
      ops.cong_control(v, rs);
      seen.insert(gain());
    }
    last_delivered = prior;
  }
  double queue = 0;
  std::set<double> seen;  // gains
  uint32_t last_delivered = 1;
};

TEST(BbrTest, BeginsWithTheInitialWindowOverTheHandshakesRoundTrip) {
  BbrFixture f;
  EXPECT_TRUE(f.v->sk_pacing_needed);
  // 10 segments of 1448 bytes in 40 ms, times 2.89, less one percent
  EXPECT_NEAR(f.v->sk_pacing_rate, 10 * 1448 / 0.040 * 2.887 * 0.99, 1000);
  EXPECT_EQ(f.v->snd_ssthresh, 0x7fffffffu);
}

TEST(BbrTest, StartupGrowsUntilTheBandwidthDoesNotThenDrains) {
  BbrFixture f;
  int rounds = 0;
  while (f.gain() == 0 || f.gain() > 2) {
    f.round(8.3);  // 100 Mbit/s
    ASSERT_LT(++rounds, 30);
  }
  EXPECT_GT(rounds, 5);
  EXPECT_NEAR(f.mbits(), 96, 5);
  EXPECT_LT(f.v->snd_ssthresh, 0x7fffffffu);
}

TEST(BbrTest, ProbesUpAndDownAroundTheBandwidth) {
  BbrFixture f;
  for (int i = 0; i < 40; ++i) f.round(8.3);
  f.seen.clear();
  for (int i = 0; i < 20; ++i) {
    f.round(8.3);
    EXPECT_LE(f.v->snd_cwnd, 2 * 332 + 150u) << "about twice what the path holds, and room for large packets";
  }
  EXPECT_EQ(f.seen, (std::set<double>{0.75, 1.0, 1.25}));
}

TEST(BbrTest, EveryTenSecondsTheWindowFallsToFourFor200Milliseconds) {
  BbrFixture f;
  for (int i = 0; i < 40; ++i) f.round(8.3);
  const uint32_t usual = f.v->snd_cwnd;
  const Instant begin = f.v.now;
  while (f.v->snd_cwnd > 4) {
    f.round(8.3, 41ms);  // never again as short as the shortest
    ASSERT_LT(f.v.now - begin, Duration(12s));
  }
  EXPECT_EQ(f.gain(), 1.0);
  const Instant low = f.v.now;
  while (f.v->snd_cwnd == 4) {
    f.round(0.1, 41ms);
    ASSERT_LT(f.v.now - low, Duration(1s));
  }
  EXPECT_GE(f.v.now - low, Duration(200ms));
  EXPECT_GE(f.v->snd_cwnd, usual / 2) << "what was before comes back";
}

TEST(BbrTest, RatesTheApplicationLimitedDoNotLowerTheEstimate) {
  BbrFixture f;
  for (int i = 0; i < 30; ++i) f.round(8.3);
  const double known = f.mbits();
  for (int i = 0; i < 30; ++i) f.round(1, 40ms, 0, true);
  EXPECT_NEAR(f.mbits(), known, 1);
}

TEST(BbrTest, AnIdleConnectionGoesOnAtItsRateWithoutABurst) {
  BbrFixture f;
  for (int i = 0; i < 40; ++i) f.round(8.3);
  f.v->app_limited = 1;
  f.v.now += 5s;
  f.ops.cwnd_event(f.v, CaEvent::TX_START);
  EXPECT_NEAR(f.v->sk_pacing_rate * 8 / 1e6, f.mbits() * 0.99, 2);
}

TEST(BbrTest, SingleSegmentsBelow1200KilobitsASecond) {
  BbrFixture f;
  f.v->sk_pacing_rate = 1'200'000 / 8 - 1;
  EXPECT_EQ(f.ops.min_tso_segs(f.v), 1u);
  f.v->sk_pacing_rate = 1'200'000 / 8;
  EXPECT_EQ(f.ops.min_tso_segs(f.v), 2u);
}

TEST(BbrTest, InTheFirstRoundOfARecoveryOnlyWhatArrivedIsReplaced) {
  BbrFixture f;
  for (int i = 0; i < 40; ++i) f.round(8.3);
  f.v->snd_ssthresh = f.ops.ssthresh(f.v);
  const uint32_t usual = f.v->snd_cwnd;
  f.v->icsk_ca_state = CaState::Recovery;
  f.v->packets_out = 50;
  rate_sample rs;
  rs.prior_delivered = f.last_delivered;
  rs.delivered = 100;
  rs.interval_us = 40'000;
  rs.acked_sacked = 3;
  rs.losses = 10;
  f.v->delivered += 3;
  f.ops.cong_control(f.v, rs);
  EXPECT_EQ(f.v->snd_cwnd, 53u);
  f.v->icsk_ca_state = CaState::Open;
  rs.losses = 0;
  f.v->delivered += 3;
  f.ops.cong_control(f.v, rs);
  EXPECT_GE(f.v->snd_cwnd, usual * 9 / 10);
}

}  // namespace
}  // namespace glass
