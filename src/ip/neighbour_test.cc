#include "ip/neighbour.h"

#include <gtest/gtest.h>

#include "ip/test_host.h"

namespace glass {
namespace {

const IpAddress kUs = IpAddress::v4(10, 0, 0, 1), kPeer = IpAddress::v4(10, 0, 0, 2);
const MacAddress kOurMac = *parse_mac("02:00:00:00:00:01"), kPeerMac = *parse_mac("02:00:00:00:00:02");
const MacAddress kNobody{}, kAll = *parse_mac("ff:ff:ff:ff:ff:ff");

class NeighbourTest : public testing::Test {
 protected:
  NeighbourTest() {
    h.ip.inet_add_protocol(253, {nullptr, error, this});
    h.ns.now = Instant(1000s);
  }
  static void error(void* ctx, const Skb& skb, uint8_t type, uint8_t code, uint32_t) {
    auto* self = static_cast<NeighbourTest*>(ctx);
    ++self->errors;
    EXPECT_EQ(type, ICMP_DEST_UNREACH);
    EXPECT_EQ(code, ICMP_HOST_UNREACH);
    EXPECT_EQ(header_at<iphdr>(ByteSpan(skb->data, skb->headlen()))->daddr, kPeer.v4_wire());
  }
  void send(uint32_t size = 100) {
    Skb skb = alloc_skb(h.pool, h.ns.trace, size);
    std::memset(skb_put(skb, size), 0, size);
    dst_entry* dst = *h.ip.route_output(kPeer);
    EXPECT_TRUE(h.ip.ip_queue_xmit(std::move(skb), dst, kUs, kPeer, {0, 0, true, 253}));
  }
  void arp(const ArpPacket& a, const MacAddress& to = kOurMac) {
    Bytes frame;
    append(EthernetHeader{to, a.sender_mac, ETH_P_ARP}, frame);
    append(a, frame);
    h.receive(frame);
  }
  void answer() { arp({ARPOP_REPLY, kPeerMac, kPeer, kOurMac, kUs}); }
  // The newest frame as ARP; nothing if it is something else.
  std::optional<ArpPacket> sent_arp() {
    const Bytes& f = h.driver.sent.back();
    if (EthernetHeader::parse(f)->ethertype != ETH_P_ARP) return std::nullopt;
    return ArpPacket::parse(ByteSpan(f).subspan(ETH_HLEN));
  }
  MacAddress sent_to() { return EthernetHeader::parse(h.driver.sent.back())->destination; }
  std::string state() {
    for (const auto& n : h.ip.neighbours())
      if (n.address == kPeer) return n.state;
    return "";
  }
  TestHost h{true};
  int errors = 0;
};

TEST_F(NeighbourTest, AsksThenSendsWhatWaited) {
  send();
  send();
  ASSERT_EQ(h.driver.sent.size(), 1u);
  EXPECT_EQ(sent_to(), kAll);
  EXPECT_EQ(*sent_arp(), (ArpPacket{ARPOP_REQUEST, kOurMac, kUs, kNobody, kPeer}));
  EXPECT_EQ(state(), "INCOMPLETE");
  answer();
  EXPECT_EQ(state(), "REACHABLE");
  ASSERT_EQ(h.driver.sent.size(), 3u);
  EXPECT_EQ(sent_to(), kPeerMac);
  EXPECT_EQ(EthernetHeader::parse(h.driver.sent.back())->ethertype, ETH_P_IP);
  send();
  EXPECT_EQ(h.driver.sent.size(), 4u);
}

TEST_F(NeighbourTest, FailureIsReportedToTheSender) {
  send();
  h.advance(2500ms);
  EXPECT_EQ(h.driver.sent.size(), 3u);
  EXPECT_EQ(errors, 0);
  h.advance(1s);
  EXPECT_EQ(h.driver.sent.size(), 3u);
  EXPECT_EQ(state(), "FAILED");
  EXPECT_EQ(errors, 1);
  EXPECT_EQ(h.last_drop(), "NEIGH_FAILED arp_error_report");
  send();
  EXPECT_EQ(state(), "INCOMPLETE");
}

TEST_F(NeighbourTest, FullQueueDropsTheOldest) {
  h.ns.sysctl.neigh_unres_qlen_bytes = 2000;
  for (int i = 0; i < 5; ++i) send();
  EXPECT_EQ(h.ns.trace.drops_for(DropReason::NEIGH_QUEUEFULL), 3u);
  answer();
  EXPECT_EQ(h.driver.sent.size(), 3u);
}

TEST_F(NeighbourTest, GrowsStaleAndIsProbedByUnicast) {
  send();
  answer();
  h.advance(60s);
  EXPECT_EQ(state(), "STALE");
  h.driver.sent.clear();
  send();
  EXPECT_EQ(state(), "DELAY");
  EXPECT_EQ(h.driver.sent.size(), 1u);
  h.advance(5500ms);
  EXPECT_EQ(state(), "PROBE");
  EXPECT_EQ(sent_to(), kPeerMac);
  EXPECT_EQ(sent_arp()->operation, ARPOP_REQUEST);
  answer();
  EXPECT_EQ(state(), "REACHABLE");
}

TEST_F(NeighbourTest, TransportConfirms) {
  send();
  answer();
  h.advance(60s);
  send();
  Ip::dst_confirm(*h.ip.route_output(kPeer));
  h.advance(5500ms);
  EXPECT_EQ(state(), "REACHABLE");
}

TEST_F(NeighbourTest, SilentNeighbourFailsAfterProbes) {
  send();
  answer();
  h.advance(60s);
  send();
  h.driver.sent.clear();
  h.advance(20s);
  EXPECT_EQ(h.driver.sent.size(), 3u);
  EXPECT_EQ(state(), "FAILED");
}

TEST_F(NeighbourTest, RequestIsAnsweredAndNoted) {
  arp({ARPOP_REQUEST, kPeerMac, kPeer, kNobody, kUs}, kAll);
  ASSERT_EQ(h.driver.sent.size(), 1u);
  EXPECT_EQ(*sent_arp(), (ArpPacket{ARPOP_REPLY, kOurMac, kUs, kPeerMac, kPeer}));
  EXPECT_EQ(sent_to(), kPeerMac);
  EXPECT_EQ(state(), "STALE");
  EXPECT_EQ(h.last_drop(), "");
}

TEST_F(NeighbourTest, AddressProbeIsAnsweredButNotLearned) {
  arp({ARPOP_REQUEST, kPeerMac, IpAddress::v4(0), kNobody, kUs}, kAll);
  EXPECT_EQ(h.driver.sent.size(), 1u);
  EXPECT_TRUE(h.ip.neighbours().empty());
}

TEST_F(NeighbourTest, OthersTrafficIsIgnored) {
  arp({ARPOP_REQUEST, kPeerMac, kPeer, kNobody, IpAddress::v4(10, 0, 0, 9)}, kAll);
  EXPECT_EQ(h.last_drop(), "ARP_IGNORED arp_process");
  answer();
  EXPECT_EQ(h.last_drop(), "ARP_IGNORED arp_process");
  arp({7, kPeerMac, kPeer, kNobody, kUs});
  EXPECT_EQ(h.last_drop(), "ARP_MALFORMED arp_process");
  Bytes cut;
  append(EthernetHeader{kOurMac, kPeerMac, ETH_P_ARP}, cut);
  cut.resize(30);
  h.receive(cut);
  EXPECT_EQ(h.last_drop(), "ARP_MALFORMED arp_rcv");
  EXPECT_TRUE(h.driver.sent.empty());
  EXPECT_TRUE(h.ip.neighbours().empty());
}

TEST_F(NeighbourTest, FirstAnswerHoldsForASecond) {
  const MacAddress other = *parse_mac("02:00:00:00:00:66");
  send();
  answer();
  arp({ARPOP_REPLY, other, kPeer, kOurMac, kUs});
  EXPECT_EQ(h.ip.neighbours()[0].mac, kPeerMac);
  h.advance(2s);
  arp({ARPOP_REPLY, other, kPeer, kOurMac, kUs});
  EXPECT_EQ(h.ip.neighbours()[0].mac, other);
}

TEST_F(NeighbourTest, PermanentIsNotTouched) {
  h.ip.add_neighbour(h.dev, kPeer, kPeerMac);
  send();
  EXPECT_EQ(h.driver.sent.size(), 1u);
  arp({ARPOP_REPLY, *parse_mac("02:00:00:00:00:66"), kPeer, kOurMac, kUs});
  h.advance(100s);
  EXPECT_EQ(state(), "PERMANENT");
  EXPECT_EQ(h.ip.neighbours()[0].mac, kPeerMac);
}

TEST_F(NeighbourTest, TableIsBounded) {
  for (uint32_t i = 0; i < 5000; ++i) {
    const IpAddress from = IpAddress::v4(0x0a000002 + i % 250 + (i / 250 << 16));
    arp({ARPOP_REQUEST, kPeerMac, from, kNobody, kUs}, kAll);
  }
  EXPECT_LE(h.ip.neighbours().size(), NeighbourTable::kMaxEntries);
}

TEST_F(NeighbourTest, BroadcastAndMulticastNeedNoNeighbour) {
  for (const auto& [to, mac] : {std::pair(IpAddress::v4(10, 0, 0, 255), kAll),
                                std::pair(IpAddress::v4(224, 1, 2, 3), *parse_mac("01:00:5e:01:02:03"))}) {
    Skb skb = alloc_skb(h.pool, h.ns.trace, 8);
    std::memset(skb_put(skb, 8), 0, 8);
    EXPECT_TRUE(h.ip.ip_queue_xmit(std::move(skb), *h.ip.route_output(to), kUs, to, {0, 0, false, 253}));
    EXPECT_EQ(sent_to(), mac);
  }
  h.run();  // the broadcast comes back to its sender, who has no handler for it
  EXPECT_EQ(h.last_drop(), "IP_NOPROTO ip_local_deliver_finish");
}

}  // namespace
}  // namespace glass
