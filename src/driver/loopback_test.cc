#include "driver/loopback.h"

#include <gtest/gtest.h>

#include "driver/test_host.h"

namespace glass {
namespace {

TEST(Loopback, OffersEveryOffload) {
  SkbPool pool;
  LoopbackDriver driver;
  TestHost host(pool, driver, "lo");
  EXPECT_EQ(host.dev.mtu, 65536u);
  EXPECT_EQ(host.dev.features, NETIF_F_HW_CSUM | NETIF_F_TSO | NETIF_F_RXCSUM | NETIF_F_LOOPBACK);
  EXPECT_FALSE(host.dev.has_link_header);
}

TEST(Loopback, BringsBackWhatIsSentUnchanged) {
  SkbPool pool;
  LoopbackDriver driver;
  TestHost host(pool, driver, "lo");
  Skb skb = host.packet(ipv4_packet(3000, 7));
  skb->ip_summed = IpSummed::partial;
  skb->csum_offset = 16;
  skb->gso_size = 1460;
  skb->gso_segs = 3;
  dev_queue_xmit(std::move(skb));
  EXPECT_TRUE(host.received.empty()) << "it has to wait in the backlog for the softirq";
  host.run();
  ASSERT_EQ(host.received.size(), 1u);
  EXPECT_EQ(host.received[0].data, ipv4_packet(3000, 7));
  EXPECT_EQ(host.received[0].ip_summed, IpSummed::unnecessary);
  EXPECT_EQ(host.received[0].gso_size, 1460);
  EXPECT_EQ(host.received[0].gso_segs, 3);
  EXPECT_EQ(pool.skbs_in_use(), 0u);
}

TEST(Loopback, TakesThePathLinuxTakes) {
  SkbPool pool;
  LoopbackDriver driver;
  TestHost host(pool, driver, "lo");
  host.ns.trace.start();
  host.send(ipv4_packet(40, 1));
  const std::string path = host.path();
  EXPECT_NE(path.find("dev_hard_start_xmit loopback_xmit __netif_rx netif_rx_internal enqueue_to_backlog"),
            std::string::npos)
      << path;
}

TEST(Loopback, SendersAccountEndsWhenThePacketComesBack) {
  SkbPool pool;
  LoopbackDriver driver;
  TestHost host(pool, driver, "lo");
  Skb skb = host.packet(ipv4_packet(40, 1));
  skb->destructor = [](sk_buff* s) { s->cb[0] = 42; };
  sk_buff* watched = skb.get();
  dev_queue_xmit(std::move(skb));
  EXPECT_EQ(watched->cb[0], 42);
  EXPECT_EQ(watched->destructor, nullptr);
  host.run();
}

TEST(Loopback, WithoutADeviceIsADropWithAReason) {
  SkbPool pool;
  LoopbackDriver driver;
  TestHost host(pool, driver, "lo");
  driver.detach();
  host.send(ipv4_packet(40, 1));
  EXPECT_EQ(host.ns.trace.drops_for(DropReason::DEV_READY), 1u);
  EXPECT_EQ(pool.skbs_in_use(), 0u);
}

}  // namespace
}  // namespace glass
