#include <gtest/gtest.h>

#include "dev/qdisc.h"
#include "skb/test_packet.h"
#include "wire/ipv4.h"

namespace glass {
namespace {

using test::TestPacket;

struct LinkQueueTest : testing::Test {
  SkbPool pool;
  net ns{pool, 1};
  Rng rng{1};
  std::unique_ptr<Qdisc> make(std::string_view words) {
    auto q = make_qdisc(ns, words, 1);
    EXPECT_TRUE(q) << q.error();
    return std::move(*q);
  }
  Skb packet() { return TestPacket{}.build(pool, ns.trace, rng); }
};

TEST_F(LinkQueueTest, APacketIsThroughWhenItsLastBitIs) {
  auto q = make("link rate 1mbit");
  Skb p = packet();
  const auto wire_time = std::chrono::microseconds(p->len * 8);
  q->enqueue(std::move(p), Instant(1s));
  q->enqueue(packet(), Instant(1s));
  EXPECT_EQ(q->next_dequeue(), Instant(1s) + wire_time);
  EXPECT_FALSE(q->dequeue(Instant(1s) + wire_time - 1ns));
  consume_skb(q->dequeue(Instant(1s) + wire_time));
  EXPECT_EQ(q->next_dequeue(), Instant(1s) + 2 * wire_time);
  consume_skb(q->dequeue(Instant(10s)));
  EXPECT_EQ(q->next_dequeue(), kNever);
  q->enqueue(packet(), Instant(20s));
  EXPECT_EQ(q->next_dequeue(), Instant(20s) + wire_time) << "an idle link saves nothing up";
}

TEST_F(LinkQueueTest, DropsWhatFindsItFull) {
  auto q = make("link rate 1mbit limit 3");
  for (int i = 0; i < 5; ++i) q->enqueue(packet(), Instant(1s));
  EXPECT_EQ(q->qlen(), 3u);
  EXPECT_EQ(ns.trace.drops_for(DropReason::QDISC_OVERLIMIT), 2u);
}

TEST_F(LinkQueueTest, MarksCapablePacketsBehindALongQueue) {
  auto q = make("link rate 1mbit limit 100 ecn 2");
  for (int i = 0; i < 4; ++i) {
    Skb p = packet();
    p->protocol = 0x0800;
    auto* iph = reinterpret_cast<iphdr*>(p->network());
    iph->tos = i == 3 ? INET_ECN_NOT_ECT : INET_ECN_ECT_0;
    q->enqueue(std::move(p), Instant(1s));
  }
  for (const uint8_t expected : {INET_ECN_ECT_0, INET_ECN_ECT_0, INET_ECN_CE, INET_ECN_NOT_ECT}) {
    Skb p = q->dequeue(q->next_dequeue());
    ASSERT_TRUE(p);
    EXPECT_EQ(reinterpret_cast<const iphdr*>(p->network())->ecn(), expected);
    consume_skb(std::move(p));
  }
}

TEST_F(LinkQueueTest, WhatWaitsIsNoLongerItsSendersConcern) {
  auto q = make("link rate 1mbit");
  Skb p = packet();
  static int released;
  released = 0;
  p->destructor = [](sk_buff*) { ++released; };
  q->enqueue(std::move(p), Instant(1s));
  EXPECT_EQ(q->qlen(), 1u);
  EXPECT_EQ(released, 1);
}

TEST_F(LinkQueueTest, SaysWhatItDoesNotUnderstand) {
  for (const char* bad : {"link", "link limit 3", "link rate 1mbit delay 3ms", "link rate 1mbit ecn x"})
    EXPECT_FALSE(make_qdisc(ns, bad, 1)) << bad;
  EXPECT_EQ(make("link rate 100mbit limit 333 ecn 65")->describe(), "link limit 333 rate 100mbit ecn 65");
}

}  // namespace
}  // namespace glass
