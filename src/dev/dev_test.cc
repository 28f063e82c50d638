#include <gtest/gtest.h>

#include <deque>

#include "dev/netdevice.h"
#include "skb/test_packet.h"

namespace glass {
namespace {

using test::Bytes;
using test::bytes_of;
using test::TestPacket;

// Keeps what it is given to send, and hands over what a test puts into its ring.
struct RingDriver : Driver {
  void attach(net_device& d) override { dev = &d; }
  void ndo_start_xmit(Skb skb) override { sent.push_back(std::move(skb)); }
  int poll(int budget) override {
    ++polls;
    int n = 0;
    for (; n < budget && !ring.empty(); ++n) napi_gro_receive(*dev, ring.pop_front());
    return n;
  }
  net_device* dev = nullptr;
  sk_buff_head sent, ring;
  int polls = 0;
};

// A protocol's handler that notes what comes up.
struct Received {
  uint32_t id, len;
  uint16_t protocol;
  PacketType type;
  Context context;
  Bytes bytes;
};

class DevTest : public testing::Test {
 protected:
  DevTest() : ns(pool, 1), sd(ns), dev(ns, sd, "eth0") {
    driver.attach(dev);
    dev.driver = &driver;
    dev.dev_addr = {{2, 0, 0, 0, 0, 2}};
    for (const uint16_t protocol : {ETH_P_IP, ETH_P_ARP, ETH_P_IPV6, uint16_t{0x88cc}})
      dev_add_pack(sd, protocol, {take, this});
  }
  ~DevTest() override {
    dev_shutdown(dev);
    driver.sent.purge(nullptr);
    driver.ring.purge(nullptr);
    EXPECT_EQ(pool.skbs_in_use(), 0u);
    EXPECT_EQ(pool.blocks_in_use(), 0u);
  }
  static void take(void* ctx, Skb skb) {
    auto& self = *static_cast<DevTest*>(ctx);
    EXPECT_EQ(skb->network(), skb->data);
    self.received.push_back({skb->id, skb->len, skb->protocol, skb->pkt_type, self.ns.trace.context(), bytes_of(*skb)});
    if (self.on_receive) self.on_receive();
    consume_skb(std::move(skb));
  }
  void use_ethernet() {
    dev.has_link_header = true;
    dev.hard_header_len = ETH_HLEN;
  }
  Skb frame(TestPacket p = {}) {
    p.link_header = dev.has_link_header;
    Skb skb = p.build(pool, elsewhere, rng);
    skb->dev = &dev;
    return skb;
  }
  Skb frame_for(const MacAddress& to, uint16_t protocol) {
    Skb skb = frame();
    reinterpret_cast<ethhdr*>(skb->data)->set_dest(to);
    reinterpret_cast<ethhdr*>(skb->data)->h_proto = htons(protocol);
    return skb;
  }
  void impair_ingress(std::string_view words) { dev.ingress = std::move(make_qdisc(ns, words, 1).value()); }
  void impair_egress(std::string_view words) { dev.qdisc = std::move(make_qdisc(ns, words, 1).value()); }
  void run_until(Instant t) {
    while (ns.timers.next_expiry() <= t) {
      ns.now = std::max(ns.now, ns.timers.next_expiry());
      ns.timers.advance(ns.now);
      net_tx_action(sd);
      while (net_rx_action(sd)) {
      }
    }
    ns.now = t;
  }

  SkbPool pool;
  Trace elsewhere;  // of the stack a packet comes from
  Rng rng{1};
  net ns;
  softnet_data sd;
  net_device dev;
  RingDriver driver;
  std::vector<Received> received;
  std::function<void()> on_receive;
};

// --- receive

TEST_F(DevTest, NetifRxQueuesAndSoftirqDelivers) {
  ns.now = Instant(3s);
  Skb skb = frame();
  const uint32_t id = skb->id;
  const Bytes bytes = bytes_of(*skb);
  netif_rx(std::move(skb));
  EXPECT_TRUE(received.empty());
  EXPECT_TRUE(sd.pending());
  EXPECT_FALSE(net_rx_action(sd));
  EXPECT_FALSE(sd.pending());
  ASSERT_EQ(received.size(), 1u);
  EXPECT_EQ(received[0].id, id);
  EXPECT_EQ(received[0].protocol, ETH_P_IP);
  EXPECT_EQ(received[0].context, Context::softirq_rx);
  EXPECT_EQ(received[0].bytes, bytes);
  EXPECT_EQ(dev.stats.rx_packets, 1u);
  EXPECT_EQ(dev.stats.rx_bytes, bytes.size());
  EXPECT_EQ(sd.processed, 1u);
  EXPECT_EQ(ns.trace.consumed(), 1u) << "the end is counted by the stack that received it";
  EXPECT_EQ(elsewhere.consumed(), 0u);
}

std::vector<std::string> entered(const Trace& t) {
  std::vector<std::string> out;
  for (const TraceEvent& e : t.events())
    if (e.kind == TraceEvent::Kind::enter) out.emplace_back(e.function->name);
  return out;
}

TEST_F(DevTest, PathOfThePacketIsLinuxs) {
  ns.trace.start();
  netif_rx(frame());
  net_rx_action(sd);
  EXPECT_EQ(entered(ns.trace), (std::vector<std::string>{"__netif_rx", "netif_rx_internal", "enqueue_to_backlog",
                                                         "net_rx_action", "__napi_poll", "process_backlog",
                                                         "__netif_receive_skb", "__netif_receive_skb_one_core"}));
  ns.trace.start();
  use_ethernet();
  driver.ring.push_back(frame());
  napi_schedule(dev);
  net_rx_action(sd);
  EXPECT_EQ(entered(ns.trace),
            (std::vector<std::string>{"net_rx_action", "__napi_poll", "eth_type_trans", "napi_gro_receive",
                                      "netif_receive_skb", "__netif_receive_skb", "__netif_receive_skb_one_core"}));
  ns.trace.start();
  dev_queue_xmit(frame());
  EXPECT_EQ(entered(ns.trace), (std::vector<std::string>{"__dev_queue_xmit", "dev_hard_start_xmit"}));
}

TEST_F(DevTest, EthernetDestinationDecidesThePacketType) {
  use_ethernet();
  netif_rx(frame_for(dev.dev_addr, ETH_P_IP));
  netif_rx(frame_for({{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}, ETH_P_ARP));
  netif_rx(frame_for({{1, 0, 0x5e, 0, 0, 1}}, ETH_P_IPV6));
  netif_rx(frame_for({{2, 0, 0, 0, 0, 9}}, 0x88cc));
  net_rx_action(sd);
  ASSERT_EQ(received.size(), 4u);
  const PacketType types[] = {PacketType::host, PacketType::broadcast, PacketType::multicast, PacketType::otherhost};
  const uint16_t protocols[] = {ETH_P_IP, ETH_P_ARP, ETH_P_IPV6, 0x88cc};
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(received[i].type, types[i]) << i;
    EXPECT_EQ(received[i].protocol, protocols[i]) << i;
  }
  EXPECT_EQ(dev.stats.rx_bytes, 4 * (TestPacket{.link_header = true}.header_size() + 100)) << "the link header counts";
}

TEST_F(DevTest, WithoutLinkHeaderTheIpVersionIsTheProtocol) {
  Skb other_type = frame({.v6 = true});
  other_type->pkt_type = PacketType::outgoing;
  netif_rx(std::move(other_type));
  net_rx_action(sd);
  ASSERT_EQ(received.size(), 1u);
  EXPECT_EQ(received[0].protocol, ETH_P_IPV6);
  EXPECT_EQ(received[0].type, PacketType::host);
}

TEST_F(DevTest, UnknownProtocolIsDroppedAsUnhandled) {
  use_ethernet();
  netif_rx(frame_for(dev.dev_addr, 0x1234));
  dev_add_pack(sd, ETH_P_ARP, {});
  netif_rx(frame_for(dev.dev_addr, ETH_P_ARP));
  net_rx_action(sd);
  EXPECT_EQ(ns.trace.drops_for(DropReason::UNHANDLED_PROTO), 2u);
  EXPECT_EQ(dev.stats.rx_dropped, 2u);
}

TEST_F(DevTest, FrameShorterThanTheLinkHeaderIsTruncated) {
  netif_rx([&] {
    Skb s = frame();
    pskb_trim(s, 0);
    return s;
  }());
  use_ethernet();
  Skb s = frame();
  pskb_trim(s, 13);
  netif_rx(std::move(s));
  s = frame();
  pskb_trim(s, 13);
  napi_gro_receive(dev, std::move(s));
  EXPECT_EQ(ns.trace.drops_for(DropReason::HDR_TRUNC), 3u);
  EXPECT_EQ(dev.stats.rx_packets, 0u);
  s = frame();
  pskb_trim(s, 14);
  netif_rx(std::move(s));
  net_rx_action(sd);
  EXPECT_EQ(received.size(), 1u);
}

TEST_F(DevTest, DeviceThatIsDownTakesNothing) {
  dev.up = false;
  netif_rx(frame());
  dev_queue_xmit(frame());
  EXPECT_EQ(ns.trace.drops_for(DropReason::DEV_READY), 1u);
  EXPECT_EQ(elsewhere.drops_for(DropReason::DEV_READY), 1u);
  EXPECT_EQ(dev.stats.rx_dropped, 1u);
  EXPECT_EQ(dev.stats.tx_dropped, 1u);
}

TEST_F(DevTest, BacklogHasALimit) {
  ns.sysctl.netdev_max_backlog = 10;
  for (int i = 0; i < 13; ++i) netif_rx(frame());
  EXPECT_EQ(ns.trace.drops_for(DropReason::CPU_BACKLOG), 3u);
  EXPECT_EQ(sd.dropped, 3u);
  net_rx_action(sd);
  EXPECT_EQ(received.size(), 10u);
}

TEST_F(DevTest, ReceivedPacketBelongsToNoSocketOfTheSender) {
  static int runs;
  runs = 0;
  Skb skb = frame();
  skb->destructor = [](sk_buff*) { ++runs; };
  netif_rx(std::move(skb));
  EXPECT_EQ(runs, 1);
  net_rx_action(sd);
  EXPECT_EQ(runs, 1);
}

TEST_F(DevTest, BudgetEndsTheSoftirqAndCountsASqueeze) {
  ns.sysctl.netdev_budget = 100;
  for (int i = 0; i < 250; ++i) driver.ring.push_back(frame());
  napi_schedule(dev);
  napi_schedule(dev);
  EXPECT_EQ(sd.poll_list.size(), 1u);
  EXPECT_TRUE(net_rx_action(sd));
  EXPECT_EQ(received.size(), 128u) << "two polls of weight 64";
  EXPECT_EQ(sd.time_squeeze, 1u);
  EXPECT_FALSE(net_rx_action(sd));
  EXPECT_EQ(received.size(), 250u);
  EXPECT_EQ(sd.time_squeeze, 1u) << "the second run left nothing";
  EXPECT_FALSE(sd.pending());
}

TEST_F(DevTest, DevicesAndBacklogTakeTurns) {
  ns.sysctl.dev_weight = 4;
  net_device second(ns, sd, "eth1");
  RingDriver other;
  other.attach(second);
  second.driver = &other;
  for (int i = 0; i < 8; ++i) {
    driver.ring.push_back(frame({.payload = 100}));
    other.ring.push_back(frame({.payload = 200}));
    netif_rx(frame({.payload = 300}));
  }
  napi_schedule(dev);
  napi_schedule(second);
  net_rx_action(sd);
  ASSERT_EQ(received.size(), 24u);
  const uint32_t header = TestPacket{}.header_size();
  const uint32_t order[] = {300, 100, 200, 300, 100, 200};
  for (int i = 0; i < 24; ++i) EXPECT_EQ(received[i].len, order[i / 4] + header) << i;
  dev_shutdown(second);
}

TEST_F(DevTest, InterruptDuringThePollIsNotLost) {
  driver.ring.push_back(frame());
  napi_schedule(dev);
  bool once = true;
  on_receive = [&] {
    if (std::exchange(once, false)) napi_schedule(dev);
  };
  net_rx_action(sd);
  EXPECT_EQ(driver.polls, 2);
  EXPECT_FALSE(sd.pending());
}

TEST_F(DevTest, PacketsThatComeWhileTheBacklogIsEmptiedAreTaken) {
  int more = 200;
  on_receive = [&] {
    if (more-- > 0) netif_rx(frame());
  };
  netif_rx(frame());
  EXPECT_FALSE(net_rx_action(sd));
  EXPECT_EQ(received.size(), 201u);
}

// --- taps

struct Tapped {
  bool outgoing;
  Bytes bytes;
};

TEST_F(DevTest, TapsSeeWholeFramesBothWays) {
  use_ethernet();
  std::vector<Tapped> seen;
  sd.taps.push_back([&](const net_device& d, const sk_buff& s, bool outgoing) {
    EXPECT_EQ(&d, &dev);
    seen.push_back({outgoing, bytes_of(s)});
  });
  Skb in = frame({.partial = false});
  const Bytes bytes = bytes_of(*in);
  netif_rx(std::move(in));
  net_rx_action(sd);
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_FALSE(seen[0].outgoing);
  EXPECT_EQ(seen[0].bytes, bytes);
  EXPECT_EQ(received[0].len, bytes.size() - ETH_HLEN) << "the tap left the packet as it was";
  dev_queue_xmit(frame({.payload = 2500, .gso_size = 1000}));
  ASSERT_EQ(seen.size(), 4u) << "three segments as the driver gets them";
  EXPECT_TRUE(seen[3].outgoing);
  EXPECT_EQ(seen[3].bytes, bytes_of(*driver.sent.back()));
}

// --- send

TEST_F(DevTest, ChecksumIsCompletedForADeviceThatCannot) {
  dev_queue_xmit(frame());
  dev.features = NETIF_F_HW_CSUM;
  dev_queue_xmit(frame());
  Skb first = driver.sent.pop_front(), second = driver.sent.pop_front();
  EXPECT_EQ(first->ip_summed, IpSummed::none);
  EXPECT_TRUE(test::tcp_checksum_is_right(*first));
  EXPECT_EQ(second->ip_summed, IpSummed::partial);
  EXPECT_EQ(dev.stats.tx_packets, 2u);
  consume_skb(std::move(first));
  consume_skb(std::move(second));
}

TEST_F(DevTest, ChecksumOutsideThePacketIsDropped) {
  Skb skb = frame();
  skb->csum_offset = 5000;
  dev_queue_xmit(std::move(skb));
  EXPECT_EQ(elsewhere.drops_for(DropReason::SKB_CSUM), 1u);
  EXPECT_EQ(dev.stats.tx_dropped, 1u);
}

TEST_F(DevTest, LargePacketsAreCutForADeviceThatCannot) {
  dev_queue_xmit(frame({.payload = 5000, .gso_size = 1448}));
  EXPECT_EQ(driver.sent.qlen(), 4u);
  EXPECT_EQ(dev.stats.tx_packets, 4u);
  for (sk_buff* s = driver.sent.front(); s; s = s->next) {
    EXPECT_TRUE(test::tcp_checksum_is_right(*s));
    EXPECT_EQ(s->dev, &dev);
  }
  driver.sent.purge(nullptr);
  dev.features = NETIF_F_TSO | NETIF_F_HW_CSUM;
  dev_queue_xmit(frame({.payload = 5000, .gso_size = 1448}));
  EXPECT_EQ(driver.sent.qlen(), 1u);
  EXPECT_EQ(dev.stats.tx_packets, 8u) << "counted as the segments it stands for";
}

TEST_F(DevTest, PacketThatCannotBeCutIsDropped) {
  Skb skb = frame({.payload = 5000, .gso_size = 1448});
  skb->network()[9] = 17;
  dev_queue_xmit(std::move(skb));
  EXPECT_EQ(elsewhere.drops_for(DropReason::SKB_GSO_SEG), 1u);
  EXPECT_EQ(dev.stats.tx_dropped, 1u);
}

TEST_F(DevTest, LinkHeaderIsPushed) {
  Skb skb = frame();
  const uint32_t len = skb->len;
  eth_header(skb, dev, {{2, 0, 0, 0, 0, 9}}, ETH_P_IP);
  EXPECT_EQ(skb->len, len) << "no link header on this device";
  use_ethernet();
  eth_header(skb, dev, {{2, 0, 0, 0, 0, 9}}, ETH_P_ARP);
  const auto eth = EthernetHeader::parse(bytes_of(*skb));
  EXPECT_EQ(eth->destination, (MacAddress{{2, 0, 0, 0, 0, 9}}));
  EXPECT_EQ(eth->source, dev.dev_addr);
  EXPECT_EQ(eth->ethertype, ETH_P_ARP);
  consume_skb(std::move(skb));
}

TEST_F(DevTest, QdiscRunsAtOnceAndInTheContextOfTheSender) {
  impair_egress("pfifo_fast");
  ns.trace.start();
  dev_queue_xmit(frame());
  EXPECT_EQ(driver.sent.qlen(), 1u);
  EXPECT_EQ(entered(ns.trace), (std::vector<std::string>{"__dev_queue_xmit", "pfifo_fast_enqueue", "__qdisc_run",
                                                         "sch_direct_xmit", "dev_hard_start_xmit"}));
}

TEST_F(DevTest, HeldBackPacketsGoWhenTheirTimeHasCome) {
  impair_egress("netem delay 20ms");
  dev_queue_xmit(frame());
  ns.now = Instant(5ms);
  dev_queue_xmit(frame());
  EXPECT_EQ(driver.sent.qlen(), 0u);
  run_until(Instant(20ms) - 1ns);
  EXPECT_EQ(driver.sent.qlen(), 0u);
  run_until(Instant(20ms));
  EXPECT_EQ(driver.sent.qlen(), 1u);
  run_until(Instant(25ms));
  EXPECT_EQ(driver.sent.qlen(), 2u);
  EXPECT_EQ(ns.timers.armed(), 0u);
  EXPECT_FALSE(sd.pending());
}

TEST_F(DevTest, RunOfAQdiscHasAQuotaAndGoesOnInNetTxAction) {
  impair_egress("netem delay 1ms");
  for (int i = 0; i < 150; ++i) dev_queue_xmit(frame());
  ns.now = Instant(1ms);
  ns.timers.advance(ns.now);
  EXPECT_TRUE(sd.pending());
  net_tx_action(sd);
  EXPECT_EQ(driver.sent.qlen(), 64u);
  EXPECT_TRUE(sd.pending());
  net_tx_action(sd);
  EXPECT_EQ(driver.sent.qlen(), 128u);
  net_tx_action(sd);
  EXPECT_EQ(driver.sent.qlen(), 150u);
  EXPECT_FALSE(sd.pending());
}

// --- ingress impairment

TEST_F(DevTest, IngressDelaysWhatArrivesEitherWay) {
  use_ethernet();
  impair_ingress("netem delay 10ms");
  netif_rx(frame());
  driver.ring.push_back(frame());
  napi_schedule(dev);
  net_rx_action(sd);
  run_until(Instant(10ms) - 1ns);
  EXPECT_TRUE(received.empty());
  run_until(Instant(10ms));
  ASSERT_EQ(received.size(), 2u);
  EXPECT_EQ(received[0].context, Context::softirq_rx);
  EXPECT_EQ(received[0].protocol, ETH_P_IP);
  EXPECT_FALSE(sd.pending());
}

TEST_F(DevTest, IngressWatchdogIsArmedAnewForWhatIsLeft) {
  impair_ingress("netem delay 10ms");
  netif_rx(frame());
  ns.now = Instant(4ms);
  netif_rx(frame());
  run_until(Instant(10ms));
  EXPECT_EQ(received.size(), 1u);
  run_until(Instant(14ms));
  EXPECT_EQ(received.size(), 2u);
}

TEST_F(DevTest, IngressWithoutDelayDeliversInTheSameSoftirqAndWithinItsWeight) {
  impair_ingress("netem limit 1000");
  for (int i = 0; i < 200; ++i) netif_rx(frame());
  EXPECT_FALSE(net_rx_action(sd));
  EXPECT_EQ(received.size(), 200u);
}

TEST_F(DevTest, IngressCutsLargePacketsAndDropsByItsOwnReason) {
  impair_ingress("netem loss 100%");
  netif_rx(frame({.payload = 5000, .gso_size = 1000}));
  EXPECT_EQ(ns.trace.drops_for(DropReason::QDISC_DROP), 5u);
  EXPECT_FALSE(net_rx_action(sd));
  EXPECT_TRUE(received.empty());
}

// --- going away

TEST_F(DevTest, ShutdownPurgesQueuesTimersAndLists) {
  impair_egress("netem delay 1ms");
  impair_ingress("netem delay 1ms");
  net_device second(ns, sd, "eth1");
  RingDriver other;
  other.attach(second);
  second.driver = &other;
  Skb stays = frame();
  stays->dev = &second;
  netif_rx(std::move(stays));
  dev_queue_xmit(frame());
  netif_rx(frame());
  dev.ingress.reset();  // its packet ends here
  netif_rx(frame());
  napi_schedule(dev);
  dev_shutdown(dev);
  EXPECT_EQ(ns.trace.drops_for(DropReason::QUEUE_PURGE) + elsewhere.drops_for(DropReason::QUEUE_PURGE), 3u);
  EXPECT_EQ(ns.timers.armed(), 0u);
  EXPECT_FALSE(net_rx_action(sd));
  EXPECT_EQ(driver.polls, 0);
  EXPECT_EQ(received.size(), 1u) << "the other device's packet stays";
  dev_shutdown(second);
}

TEST_F(DevTest, ShutdownTakesTheDeviceOffTheOutputQueue) {
  impair_egress("netem delay 1ms");
  for (int i = 0; i < 100; ++i) dev_queue_xmit(frame());
  ns.now = Instant(1ms);
  ns.timers.advance(ns.now);
  ASSERT_EQ(sd.output_queue.size(), 1u);
  dev_shutdown(dev);
  EXPECT_EQ(sd.output_queue[0], nullptr);
  net_tx_action(sd);
  EXPECT_FALSE(sd.pending());
  EXPECT_EQ(driver.sent.qlen(), 0u);
}

TEST_F(DevTest, ShutdownFromInsideAPoll) {
  driver.ring.push_back(frame());
  impair_egress("netem delay 1ms");
  on_receive = [&] { dev_shutdown(dev); };
  napi_schedule(dev);
  net_rx_action(sd);
  EXPECT_FALSE(sd.pending());
}

}  // namespace
}  // namespace glass
