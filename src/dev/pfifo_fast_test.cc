#include <gtest/gtest.h>

#include "dev/qdisc.h"
#include "skb/test_packet.h"

namespace glass {
namespace {

using test::TestPacket;

class PfifoFastTest : public testing::Test {
 protected:
  ~PfifoFastTest() override {
    q.reset();
    EXPECT_EQ(pool.skbs_in_use(), 0u);
  }
  uint32_t put(const TestPacket& p) {
    Skb skb = p.build(pool, ns.trace, rng);
    const uint32_t id = skb->id;
    q->enqueue(std::move(skb), Instant{});
    return id;
  }
  std::vector<uint32_t> take_all() {
    std::vector<uint32_t> ids;
    while (Skb s = q->dequeue(Instant{})) {
      ids.push_back(s->id);
      consume_skb(std::move(s));
    }
    return ids;
  }

  SkbPool pool;
  net ns{pool, 1};
  Rng rng{1};
  std::unique_ptr<Qdisc> q = make_pfifo_fast(ns, 8);
};

TEST_F(PfifoFastTest, IsFirstInFirstOutWithinABand) {
  const uint32_t a = put({}), b = put({.tos = 0x01}), c = put({.v6 = true, .tos = 0x10});
  EXPECT_EQ(q->qlen(), 3u);
  EXPECT_LE(q->next_dequeue(), Instant{});
  EXPECT_EQ(take_all(), (std::vector{a, b, c})) << "ECN bits and IPv6's traffic class are no priority";
  EXPECT_EQ(q->next_dequeue(), kNever);
}

TEST_F(PfifoFastTest, BandsAreServedByTosPriority) {
  const uint32_t bulk = put({.tos = 0x08}), normal = put({}), urgent = put({.tos = 0x10}), both = put({.tos = 0x18});
  const uint32_t urgent2 = put({.tos = 0x12});
  EXPECT_EQ(take_all(), (std::vector{urgent, urgent2, normal, both, bulk}));
}

TEST_F(PfifoFastTest, LimitCountsAllBands) {
  for (int i = 0; i < 10; ++i) put({.tos = static_cast<uint8_t>(8 * (i % 4))});
  EXPECT_EQ(q->qlen(), 8u);
  EXPECT_EQ(ns.trace.drops_for(DropReason::QDISC_OVERLIMIT), 2u);
  EXPECT_EQ(take_all().size(), 8u);
}

TEST_F(PfifoFastTest, WhatIsLeftIsPurged) {
  put({});
  put({.tos = 0x08});
  q.reset();
  EXPECT_EQ(ns.trace.drops_for(DropReason::QUEUE_PURGE), 2u);
}

}  // namespace
}  // namespace glass
