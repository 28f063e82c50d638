// Statistics here come from fixed seeds: they are the same in every run, and the bounds say what was asked for.
#include <gtest/gtest.h>

#include <cmath>

#include "dev/qdisc.h"
#include "skb/test_packet.h"

namespace glass {
namespace {

using test::Bytes;
using test::bytes_of;
using test::TestPacket;

struct Sent {
  uint32_t id;
  Instant when;
  Bytes bytes;
  bool operator==(const Sent&) const = default;
};

class NetemTest : public testing::Test {
 protected:
  ~NetemTest() override {
    EXPECT_EQ(pool.skbs_in_use(), 0u);
    EXPECT_EQ(pool.blocks_in_use(), 0u);
  }
  // Sends `count` packets, one every `spacing`, through a netem and returns what comes out when. Ids count from 0.
  std::vector<Sent> run(std::string_view words, int count, Duration spacing, uint64_t seed = 1,
                        const TestPacket& p = {}) {
    const auto config = parse_netem(words);
    EXPECT_TRUE(config) << config.error();
    const auto q = make_netem(ns, *config, seed);
    std::vector<Sent> out;
    Rng rng(42);
    for (int i = 0; i < count; ++i) {
      drain(*q, Instant(i * spacing), out);
      Skb skb = p.build(pool, ns.trace, rng);
      skb->id = static_cast<uint32_t>(i);
      q->enqueue(std::move(skb), Instant(i * spacing));
      drain(*q, Instant(i * spacing), out);
    }
    drain(*q, kNever - 1ns, out);
    EXPECT_EQ(q->qlen(), 0u);
    return out;
  }
  static void drain(Qdisc& q, Instant until, std::vector<Sent>& out) {
    while (q.next_dequeue() <= until) {
      const Instant t = q.next_dequeue();
      EXPECT_FALSE(q.dequeue(t - 1ns)) << "left too early";
      Skb s = q.dequeue(t);
      out.push_back({s->id, t, bytes_of(*s)});
      consume_skb(std::move(s));
    }
    EXPECT_FALSE(q.dequeue(until));
  }
  uint64_t drops(DropReason r) const { return ns.trace.drops_for(r); }

  SkbPool pool;
  net ns{pool, 1};
};

bool in_order(const std::vector<Sent>& s) {
  return std::is_sorted(s.begin(), s.end(), [](const Sent& a, const Sent& b) { return a.id < b.id; });
}

// Delays of packets that were sent one every `spacing`.
struct Statistics {
  double mean, deviation, smallest, largest;
};
Statistics delays_in_ms(const std::vector<Sent>& sent, Duration spacing) {
  double sum = 0, squares = 0, smallest = 1e9, largest = -1e9;
  for (const Sent& s : sent) {
    const double ms = static_cast<double>((s.when - Instant(s.id * spacing)).count()) / 1e6;
    sum += ms;
    squares += ms * ms;
    smallest = std::min(smallest, ms);
    largest = std::max(largest, ms);
  }
  const double n = static_cast<double>(sent.size()), mean = sum / n;
  return {mean, std::sqrt(squares / n - mean * mean), smallest, largest};
}

TEST_F(NetemTest, WithoutOptionsPacketsPass) {
  const auto out = run("", 10, 1ms);
  ASSERT_EQ(out.size(), 10u);
  for (const Sent& s : out) EXPECT_EQ(s.when, Instant(s.id * 1ms));
}

TEST_F(NetemTest, ConstantDelayKeepsTheOrder) {
  const auto out = run("delay 20ms", 500, 1ms);
  ASSERT_EQ(out.size(), 500u);
  EXPECT_TRUE(in_order(out));
  for (const Sent& s : out) EXPECT_EQ(s.when, Instant(20ms + s.id * 1ms));
}

TEST_F(NetemTest, PacketsOfOneInstantKeepTheirOrder) {
  const auto out = run("delay 20ms", 500, 0ms);
  ASSERT_EQ(out.size(), 500u);
  EXPECT_TRUE(in_order(out));
}

TEST_F(NetemTest, UniformJitterFillsItsRangeAndReorders) {
  const auto out = run("delay 50ms 10ms limit 100000", 20000, 1ms);
  const Statistics s = delays_in_ms(out, 1ms);
  EXPECT_NEAR(s.mean, 50, 0.2);
  EXPECT_NEAR(s.deviation, 10 / std::sqrt(3.0), 0.2);
  EXPECT_GE(s.smallest, 40);
  EXPECT_LT(s.smallest, 40.1);
  EXPECT_LE(s.largest, 60);
  EXPECT_GT(s.largest, 59.9);
  EXPECT_FALSE(in_order(out));
}

TEST_F(NetemTest, NormalJitterHasItsDeviation) {
  for (const char* words : {"delay 100ms 10ms distribution normal", "delay 100ms 10ms 50% distribution normal"}) {
    const auto out = run(words, 20000, 10ms);
    const Statistics s = delays_in_ms(out, 10ms);
    EXPECT_NEAR(s.mean, 100, 0.5) << words;
    EXPECT_NEAR(s.deviation, 10, 0.3) << words;
    EXPECT_GT(s.largest, 130) << words;
  }
}

TEST_F(NetemTest, JitterLargerThanTheDelayNeverSendsIntoThePast) {
  const auto out = run("delay 1ms 10ms", 5000, 5ms);
  EXPECT_EQ(delays_in_ms(out, 5ms).smallest, 0);
}

// The mean change from one delay to the next is what correlation makes small.
TEST_F(NetemTest, CorrelationMakesNeighboursAlike) {
  const auto mean_change = [](const std::vector<Sent>& out) {
    double sum = 0;
    for (size_t i = 1; i < out.size(); ++i)
      sum += std::abs(static_cast<double>(
          ((out[i].when - out[i - 1].when) - (out[i].id - out[i - 1].id) * Duration(100ms)).count()));
    return sum / static_cast<double>(out.size() - 1) / 1e6;
  };
  const double free = mean_change(run("delay 50ms 10ms", 5000, 100ms));
  const double bound = mean_change(run("delay 50ms 10ms 90%", 5000, 100ms));
  EXPECT_NEAR(free, 20.0 / 3, 0.3);
  EXPECT_LT(bound, free / 5);
}

TEST_F(NetemTest, LossIsAsOftenAsAsked) {
  const auto out = run("loss 2%", 50000, 1ms);
  EXPECT_NEAR(static_cast<double>(50000 - out.size()) / 50000, 0.02, 0.002);
  EXPECT_EQ(drops(DropReason::QDISC_DROP), 50000 - out.size());
  EXPECT_TRUE(run("loss 100%", 100, 1ms).empty());
  EXPECT_EQ(run("loss 0%", 100, 1ms).size(), 100u);
}

TEST_F(NetemTest, CorrelatedLossComesInBursts) {
  const auto bursts_per_loss = [](const std::vector<Sent>& out, size_t sent) {
    size_t bursts = 0;
    uint32_t expected = 0;
    for (const Sent& s : out) {
      bursts += s.id != expected;
      expected = s.id + 1;
    }
    return static_cast<double>(bursts) / static_cast<double>(sent - out.size());
  };
  EXPECT_NEAR(bursts_per_loss(run("loss 30%", 20000, 1ms), 20000), 0.7, 0.02);
  const auto correlated = run("loss 30% 75%", 20000, 1ms);
  const double passed = static_cast<double>(correlated.size()) / 20000;
  EXPECT_LT(bursts_per_loss(correlated, 20000), 0.7 * passed) << "independent losses would give " << passed;
}

TEST_F(NetemTest, DuplicatesAreTheSamePacketOnceMore) {
  const auto out = run("delay 5ms duplicate 10%", 10000, 1ms);
  EXPECT_NEAR(static_cast<double>(out.size() - 10000) / 10000, 0.1, 0.01);
  const auto all = run("duplicate 100%", 100, 1ms);
  ASSERT_EQ(all.size(), 200u) << "a duplicate is not duplicated again";
  for (size_t i = 0; i < 200; i += 2) EXPECT_EQ(all[i], all[i + 1]);
}

TEST_F(NetemTest, LossAndDuplicationTogetherMakeOnePacket) {
  EXPECT_EQ(run("loss 100% duplicate 100%", 100, 1ms).size(), 100u);
  EXPECT_EQ(drops(DropReason::QDISC_DROP), 0u);
}

int different_bits(const Bytes& a, const Bytes& b) {
  int n = 0;
  for (size_t i = 0; i < a.size(); ++i) n += std::popcount(static_cast<unsigned>(a[i] ^ b[i]));
  return n;
}

TEST_F(NetemTest, CorruptionFlipsOneBitOfACompleteChecksum) {
  const auto clean = run("", 300, 1ms, 1, {.partial = false});
  const auto out = run("corrupt 100%", 300, 1ms, 1, {.partial = true});
  ASSERT_EQ(out.size(), 300u);
  size_t places = 0;
  for (size_t i = 0; i < 300; ++i) {
    EXPECT_EQ(different_bits(clean[i].bytes, out[i].bytes), 1) << "packet " << i;
    places += i && out[i].bytes != out[i - 1].bytes;
  }
  EXPECT_GT(places, 250u);
  const auto some = run("corrupt 5%", 10000, 1ms, 1, {.partial = false});
  const auto none = run("", 10000, 1ms, 1, {.partial = false});
  size_t corrupted = 0;
  for (size_t i = 0; i < some.size(); ++i) corrupted += some[i].bytes != none[i].bytes;
  EXPECT_NEAR(static_cast<double>(corrupted) / 10000, 0.05, 0.01);
}

TEST_F(NetemTest, CorruptionLeavesOtherHoldersOfTheDataAlone) {
  Rng rng(1);
  const auto q = make_netem(ns, {.corrupt = 1}, 1);
  for (const uint32_t linear : {0u, 1000u}) {
    Skb kept =
        TestPacket{.payload = 3000, .frags = linear ? 0u : 3u, .linear_payload = linear}.build(pool, ns.trace, rng);
    const Bytes before = bytes_of(*kept);
    q->enqueue(skb_clone(*kept), Instant{});
    EXPECT_EQ(bytes_of(*kept), before);
    Skb damaged = q->dequeue(Instant{});
    EXPECT_NE(bytes_of(*damaged), before);
    EXPECT_EQ(damaged->ip_summed, IpSummed::none);
    consume_skb(std::move(kept));
    consume_skb(std::move(damaged));
  }
}

TEST_F(NetemTest, CorruptionOfAnImpossibleChecksumDropsThePacket) {
  Rng rng(1);
  const auto q = make_netem(ns, {.corrupt = 1}, 1);
  Skb skb = TestPacket{}.build(pool, ns.trace, rng);
  skb->csum_offset = 9999;
  q->enqueue(std::move(skb), Instant{});
  EXPECT_EQ(drops(DropReason::SKB_CSUM), 1u);
}

TEST_F(NetemTest, ReorderedPacketsSkipTheDelay) {
  const auto out = run("delay 10ms reorder 25%", 20000, 1ms);
  size_t early = 0;
  for (const Sent& s : out) {
    const Duration d = s.when - Instant(s.id * 1ms);
    EXPECT_TRUE(d == 10ms || d == 0ms);
    early += d == 0ms;
  }
  EXPECT_NEAR(static_cast<double>(early) / 20000, 0.25, 0.01);
  EXPECT_FALSE(in_order(out));
}

TEST_F(NetemTest, GapLetsEveryNthPacketOvertake) {
  for (const Sent& s : run("delay 10ms reorder 100% gap 5", 1000, 1ms)) {
    const bool early = s.when == Instant(s.id * 1ms);
    EXPECT_EQ(early, s.id % 5 == 4) << s.id;
  }
}

TEST_F(NetemTest, RateSerialisesByLength) {
  const TestPacket p{.payload = 1000 - TestPacket{}.header_size()};
  const auto out = run("rate 1mbit delay 3ms", 50, 1ms, 1, p);  // 8 ms a packet
  ASSERT_EQ(out.size(), 50u);
  for (size_t i = 0; i < 50; ++i) EXPECT_EQ(out[i].when, Instant(3ms + (i + 1) * 8ms));
  const auto idle = run("rate 1mbit", 5, 100ms, 1, p);
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(idle[i].when, Instant(i * 100ms + 8ms)) << "an idle link owes nothing";
}

TEST_F(NetemTest, FastRatesDoNotRoundToZero) {
  const auto out = run("rate 10gbit", 3, 0ms, 1, {.payload = 1000 - TestPacket{}.header_size()});
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(out[i].when, Instant((i + 1) * 800ns));
}

TEST_F(NetemTest, LimitCountsHeldPackets) {
  EXPECT_EQ(run("delay 1s limit 10", 15, 1ms).size(), 10u);
  EXPECT_EQ(drops(DropReason::QDISC_OVERLIMIT), 5u);
  EXPECT_EQ(run("delay 5ms limit 10", 15, 1ms).size(), 15u);
}

TEST_F(NetemTest, LargePacketsAreTreatedSegmentBySegment) {
  const TestPacket p{.payload = 44800, .gso_size = 1448, .frags = 10};
  const auto out = run("loss 10%", 300, 1ms, 1, p);
  const double segments = 300 * 31;
  EXPECT_NEAR((segments - static_cast<double>(out.size())) / segments, 0.1, 0.02);
  for (const Sent& s : out) EXPECT_LE(s.bytes.size(), p.header_size() + 1448);
}

TEST_F(NetemTest, SameSeedSameFate) {
  const char* words =
      "delay 20ms 5ms 25% distribution normal loss 5% 10% duplicate 5% corrupt 5% reorder 10% gap 3 rate 10mbit limit "
      "50";
  const auto a = run(words, 3000, 1ms, 7), b = run(words, 3000, 1ms, 7), c = run(words, 3000, 1ms, 8);
  EXPECT_EQ(a, b);
  EXPECT_NE(a, c);
}

TEST_F(NetemTest, SteadyStateTakesNoMemory) {
  Rng rng(1);
  const auto q = make_netem(ns, {.delay = 10ms}, 1);
  size_t after_start = 0;
  for (int i = 0; i < 2000; ++i) {
    if (i == 100) after_start = pool.bytes_reserved();
    q->enqueue(TestPacket{}.build(pool, ns.trace, rng), Instant(i * 1ms));
    if (Skb s = q->dequeue(Instant(i * 1ms))) consume_skb(std::move(s));
  }
  EXPECT_EQ(pool.bytes_reserved(), after_start);
  while (Skb s = q->dequeue(kNever)) consume_skb(std::move(s));
}

TEST_F(NetemTest, WhatIsLeftIsPurged) {
  Rng rng(1);
  auto q = make_netem(ns, {.delay = 10ms}, 1);
  q->enqueue(TestPacket{}.build(pool, ns.trace, rng), Instant{});
  EXPECT_EQ(q->describe(), "netem limit 1000 delay 10ms");
  q.reset();
  EXPECT_EQ(drops(DropReason::QUEUE_PURGE), 1u);
}

}  // namespace
}  // namespace glass
