#include "driver/pair.h"

#include <gtest/gtest.h>

#include "driver/test_host.h"

namespace glass {
namespace {

TEST(Pair, CarriesPacketsInOrderBothWays) {
  SkbPool pool;
  PairLink link;
  TestHost a(pool, link.a()), b(pool, link.b());
  for (uint8_t i = 0; i < 200; ++i) a.send(ipv4_packet(40 + i, i));
  b.send(ipv4_packet(60, 9));
  EXPECT_EQ(link.b().waiting(), 200u);
  b.run();
  a.run();
  ASSERT_EQ(b.received.size(), 200u) << "more than one NAPI weight: polled again";
  for (uint8_t i = 0; i < 200; ++i) EXPECT_EQ(b.received[i].data, ipv4_packet(40 + i, i));
  ASSERT_EQ(a.received.size(), 1u);
  EXPECT_EQ(a.received[0].data, ipv4_packet(60, 9));
  EXPECT_EQ(b.received[0].protocol, ETH_P_IP);
  EXPECT_EQ(pool.skbs_in_use(), 0u);
}

TEST(Pair, ScheduledOnceUntilPolled) {
  SkbPool pool;
  PairLink link;
  TestHost a(pool, link.a()), b(pool, link.b());
  a.send(ipv4_packet(40, 1));
  a.send(ipv4_packet(40, 2));
  EXPECT_EQ(b.sd.poll_list.size(), 1u);
  b.run();
  EXPECT_FALSE(b.sd.pending());
  a.send(ipv4_packet(40, 3));
  EXPECT_TRUE(b.sd.pending());
  b.run();
  EXPECT_EQ(b.received.size(), 3u);
}

TEST(Pair, FullRingDropsAtTheSender) {
  SkbPool pool;
  PairLink link({.ring = 5});  // rounded up to 8
  TestHost a(pool, link.a()), b(pool, link.b());
  for (uint8_t i = 0; i < 11; ++i) a.send(ipv4_packet(40, i));
  EXPECT_EQ(a.ns.trace.drops_for(DropReason::FULL_RING), 3u);
  EXPECT_EQ(b.ns.trace.drops(), 0u);
  b.run();
  ASSERT_EQ(b.received.size(), 8u);
  EXPECT_EQ(b.received[7].data, ipv4_packet(40, 7)) << "the newest are dropped, not the oldest";
  a.send(ipv4_packet(40, 20));
  b.run();
  EXPECT_EQ(b.received.size(), 9u);
}

TEST(Pair, RingWrapsAround) {
  SkbPool pool;
  PairLink link({.ring = 4});
  TestHost a(pool, link.a()), b(pool, link.b());
  for (uint8_t round = 0; round < 50; ++round) {
    const auto burst = static_cast<uint8_t>(1 + round % 3);
    for (uint8_t i = 0; i < burst; ++i) a.send(ipv4_packet(40, round));
    const int taken = link.b().poll(round % 2 ? 1 : 4);  // sometimes leaves packets behind
    EXPECT_GT(taken, 0);
  }
  b.run();
  EXPECT_EQ(b.received.size() + a.ns.trace.drops_for(DropReason::FULL_RING), 99u);
  for (size_t i = 1; i < b.received.size(); ++i) EXPECT_LE(b.received[i - 1].data[1], b.received[i].data[1]);
}

TEST(Pair, ChecksumsAreNotTrustedWithoutOffload) {
  SkbPool pool;
  PairLink link;
  TestHost a(pool, link.a()), b(pool, link.b());
  EXPECT_EQ(a.dev.features, 0u);
  Skb skb = a.packet(ipv4_packet(40, 1));
  skb->ip_summed = IpSummed::unnecessary;
  dev_queue_xmit(std::move(skb));
  b.run();
  EXPECT_EQ(b.received.at(0).ip_summed, IpSummed::none);
}

TEST(Pair, OffloadLetsPartialChecksumsAndLargePacketsCross) {
  SkbPool pool;
  PairLink link({.tso = true});
  TestHost a(pool, link.a()), b(pool, link.b());
  EXPECT_EQ(a.dev.features, NETIF_F_HW_CSUM | NETIF_F_RXCSUM | NETIF_F_TSO);
  Skb skb = a.packet(ipv4_packet(40 + 5000, 3));
  skb->ip_summed = IpSummed::partial;
  skb->gso_size = 1460;
  skb->gso_segs = 4;
  dev_queue_xmit(std::move(skb));
  b.run();
  ASSERT_EQ(b.received.size(), 1u);
  EXPECT_EQ(b.received[0].ip_summed, IpSummed::unnecessary);
  EXPECT_EQ(b.received[0].gso_segs, 4);
  EXPECT_EQ(b.received[0].data.size(), 5040u);
}

TEST(Pair, EthernetFramesCarryTheirMacAddresses) {
  SkbPool pool;
  PairLink link({.mtu = 9000, .ethernet = true});
  TestHost a(pool, link.a()), b(pool, link.b());
  EXPECT_EQ(a.dev.mtu, 9000u);
  EXPECT_EQ(a.dev.hard_header_len, 14);
  EXPECT_NE(a.dev.dev_addr, b.dev.dev_addr);
  Skb skb = a.packet(ipv4_packet(100, 5));
  eth_header(skb, a.dev, b.dev.dev_addr, ETH_P_IP);
  dev_queue_xmit(std::move(skb));
  b.run();
  ASSERT_EQ(b.received.size(), 1u);
  EXPECT_EQ(b.received[0].data, ipv4_packet(100, 5));
}

TEST(Pair, AStackMayDieBeforeItsPeer) {
  SkbPool pool;
  PairLink link;
  TestHost a(pool, link.a());
  {
    TestHost b(pool, link.b());
    a.send(ipv4_packet(40, 1));
    dev_shutdown(b.dev);
    EXPECT_EQ(b.ns.trace.drops_for(DropReason::QUEUE_PURGE), 1u);
  }
  EXPECT_EQ(pool.skbs_in_use(), 0u);
  a.send(ipv4_packet(40, 2));
  EXPECT_EQ(a.ns.trace.drops_for(DropReason::DEV_READY), 1u);
}

TEST(Pair, ADeviceThatIsDownTakesNothing) {
  SkbPool pool;
  PairLink link;
  TestHost a(pool, link.a()), b(pool, link.b());
  b.dev.up = false;
  a.send(ipv4_packet(40, 1));
  EXPECT_EQ(a.ns.trace.drops_for(DropReason::DEV_READY), 1u);
  EXPECT_EQ(link.b().waiting(), 0u);
}

TEST(Pair, PacketsChangeSidesWithTheirTraceAndWithoutTheSendersAccount) {
  SkbPool pool;
  PairLink link;
  TestHost a(pool, link.a()), b(pool, link.b());
  a.ns.trace.start();
  Skb skb = a.packet(ipv4_packet(40, 1));
  sk_buff* watched = skb.get();
  skb->destructor = [](sk_buff* s) { s->cb[0] = 42; };
  dev_queue_xmit(std::move(skb));
  EXPECT_EQ(watched->cb[0], 42);
  EXPECT_EQ(watched->trace, &b.ns.trace);
  EXPECT_EQ(watched->dev, &b.dev);
  EXPECT_TRUE(a.path().ends_with("dev_hard_start_xmit veth_xmit")) << a.path();
  b.run();
  EXPECT_EQ(b.ns.trace.consumed(), 1u);
}

}  // namespace
}  // namespace glass
