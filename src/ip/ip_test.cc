#include "ip/ip.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "ip/ip_options.h"
#include "ip/test_host.h"

namespace glass {
namespace {

const IpAddress kUs = IpAddress::v4(10, 0, 0, 1), kPeer = IpAddress::v4(10, 0, 0, 2),
                kFar = IpAddress::v4(192, 0, 2, 1);
constexpr auto kIcmp = static_cast<uint8_t>(IpProto::ICMP);
constexpr uint8_t kTestProto = 253;

struct Taker {
  std::vector<Bytes> got;
  std::vector<std::pair<int, int>> errors;
  static void handler(void* ctx, Skb skb) {
    Bytes b(skb->len);
    skb_copy_bits(*skb, 0, b.data(), skb->len);
    static_cast<Taker*>(ctx)->got.push_back(b);
    consume_skb(std::move(skb));
  }
  static void error(void* ctx, const Skb&, uint8_t type, uint8_t code, uint32_t info) {
    static_cast<Taker*>(ctx)->errors.emplace_back(type << 8 | code, info);
  }
};

Ipv4Header header(const IpAddress& from, const IpAddress& to, uint8_t protocol) {
  Ipv4Header h;
  h.source = from;
  h.destination = to;
  h.protocol = protocol;
  return h;
}

Skb payload(TestHost& h, uint32_t size) {
  Skb skb = alloc_skb(h.pool, h.ns.trace, size);
  uint8_t* p = skb_put(skb, size);
  for (uint32_t i = 0; i < size; ++i) p[i] = static_cast<uint8_t>(i * 7);
  return skb;
}

Result<void> send(TestHost& h, const IpAddress& to, uint32_t size, bool dont_fragment) {
  const Result<dst_entry*> dst = h.ip.route_output(to);
  if (!dst) return Err(dst.error());
  return h.ip.ip_queue_xmit(payload(h, size), *dst, (*dst)->saddr, to, {0, 0, dont_fragment, kTestProto});
}

TEST(IpInput, EchoIsAnswered) {
  TestHost h;
  h.receive(ip_packet(header(kPeer, kUs, kIcmp), icmp_message(ICMP_ECHO, 0, 0x12340001, {1, 2, 3})));
  ASSERT_EQ(h.driver.sent.size(), 1u);
  const Ipv4Header r = h.reply();
  EXPECT_EQ(r.source, kUs);
  EXPECT_EQ(r.destination, kPeer);
  EXPECT_FALSE(r.dont_fragment);
  const Bytes body(h.driver.sent[0].begin() + 20, h.driver.sent[0].end());
  EXPECT_EQ(body, icmp_message(ICMP_ECHOREPLY, 0, 0x12340001, {1, 2, 3}));
  EXPECT_EQ(h.count(Mib::IcmpInEchos), 1u);
  EXPECT_EQ(h.count(Mib::IcmpOutEchoReps), 1u);
  EXPECT_EQ(h.count(Mib::IpInReceives), 1u);
  EXPECT_EQ(h.count(Mib::IpInDelivers), 1u);
  EXPECT_EQ(h.count(Mib::IpOutRequests), 1u);
  EXPECT_EQ(h.count(Mib::IpExtInOctets), 31u);
}

TEST(IpInput, TimestampIsAnswered) {
  TestHost h;
  h.ns.now = Instant(25h + 1s);
  h.receive(
      ip_packet(header(kPeer, kUs, kIcmp), icmp_message(ICMP_TIMESTAMP, 0, 1, {0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0})));
  ASSERT_EQ(h.driver.sent.size(), 1u);
  ASSERT_EQ(h.driver.sent[0].size(), 40u);
  EXPECT_EQ(load_be32(&h.driver.sent[0][28]), 9u);
  EXPECT_EQ(load_be32(&h.driver.sent[0][32]), 3601000u);
}

TEST(IpInput, RecordRouteComesBackFilledIn) {
  TestHost h;
  Ipv4Header q = header(kPeer, kUs, kIcmp);
  q.options_size = 12;
  q.options = {IPOPT_RR, 11, 4};
  h.receive(ip_packet(q, icmp_message(ICMP_ECHO, 0, 1, {})));
  ASSERT_EQ(h.driver.sent.size(), 1u);
  const Ipv4Header r = h.reply();
  ASSERT_EQ(r.options_size, 12);
  const Bytes want{IPOPT_RR, 11, 12, 10, 0, 0, 1, 10, 0, 0, 1, 0};
  EXPECT_TRUE(std::ranges::equal(r.option_bytes(), want));
}

TEST(IpInput, TruncatedPacket) {
  TestHost h;
  Bytes p = ip_packet(header(kPeer, kUs, kIcmp), Bytes(20));
  p.resize(30);
  h.receive(p);
  EXPECT_EQ(h.last_drop(), "PKT_TOO_SMALL ip_rcv_core");
  EXPECT_EQ(h.count(Mib::IpExtInTruncatedPkts), 1u);
}

TEST(IpInput, AddressesThatCannotBe) {
  const std::pair<Ipv4Header, const char*> cases[] = {
      {header(IpAddress::v4(255, 255, 255, 255), kUs, 6), "IP_INVALID_SOURCE ip_rcv_finish_core"},
      {header(kPeer, IpAddress::v4(0), 6), "IP_INVALID_DEST ip_rcv_finish_core"},
      {header(kPeer, IpAddress::v4(127, 0, 0, 1), 6), "IP_LOCALNET ip_rcv_finish_core"},
      {header(IpAddress::v4(127, 0, 0, 1), kUs, 6), "IP_LOCALNET ip_rcv_finish_core"},
      {header(kUs, kUs, 6), "IP_LOCAL_SOURCE ip_rcv_finish_core"},
      {header(kPeer, kFar, 6), "IP_INADDRERRORS ip_error"},
  };
  for (const auto& [packet, want] : cases) {
    TestHost h;
    h.receive(ip_packet(packet, Bytes(20)));
    EXPECT_EQ(h.last_drop(), want);
    EXPECT_TRUE(h.driver.sent.empty());
  }
}

TEST(IpInput, VerdictCacheForgetsWithTheAddress) {
  TestHost h;
  Taker t;
  h.ip.inet_add_protocol(kTestProto, {Taker::handler, nullptr, &t});
  const Bytes p = ip_packet(header(kPeer, kUs, kTestProto), Bytes(8));
  h.receive(p);
  h.receive(p);
  EXPECT_EQ(t.got.size(), 2u);
  h.ip.add_address(h.dev, {kPeer, 24});
  h.receive(p);
  EXPECT_EQ(t.got.size(), 2u);
  EXPECT_EQ(h.last_drop(), "IP_LOCAL_SOURCE ip_rcv_finish_core");
}

TEST(IpInput, ForwardsWhenAsked) {
  TestHost h;
  h.ns.sysctl.ip_forward = 1;
  h.receive(ip_packet(header(kPeer, kFar, kTestProto), Bytes(8)));
  ASSERT_EQ(h.driver.sent.size(), 1u);
  EXPECT_EQ(h.reply().ttl, 63);
  EXPECT_EQ(ip_fast_csum(reinterpret_cast<const iphdr*>(h.driver.sent[0].data())), 0);
  Ipv4Header dying = header(kPeer, kFar, kTestProto);
  dying.ttl = 1;
  h.receive(ip_packet(dying, Bytes(8)));
  EXPECT_EQ(h.last_drop(), "IP_INHDR ip_forward");
  EXPECT_EQ(h.driver.sent.back()[20], ICMP_TIME_EXCEEDED);
}

TEST(IpOutput, HeaderAndIdentification) {
  TestHost h;
  EXPECT_TRUE(send(h, kFar, 100, true));
  const Ipv4Header r = h.reply();
  EXPECT_EQ(r.id, 0);
  EXPECT_TRUE(r.dont_fragment);
  EXPECT_EQ(r.total_length, 120);
  EXPECT_EQ(r.ttl, 64);
  EXPECT_EQ(ip_fast_csum(reinterpret_cast<const iphdr*>(h.driver.sent[0].data())), 0);
  EXPECT_TRUE(send(h, kFar, 100, false));
  const uint16_t first = h.reply().id;
  EXPECT_TRUE(send(h, kFar, 100, false));
  EXPECT_EQ(h.reply().id, static_cast<uint16_t>(first + 1));
}

TEST(IpOutput, TooBigIsRefusedOrCut) {
  TestHost h;
  EXPECT_EQ(send(h, kFar, 3000, true).error(), EMSGSIZE);
  EXPECT_EQ(h.last_drop(), "PKT_TOO_BIG ip_fragment");
  EXPECT_TRUE(send(h, kFar, 3000, false));
  ASSERT_EQ(h.driver.sent.size(), 3u);
  EXPECT_EQ(h.count(Mib::IpFragCreates), 3u);
  EXPECT_EQ(h.count(Mib::IpFragOKs), 1u);
  Bytes whole;
  for (const Bytes& f : h.driver.sent) {
    const Ipv4Header r = *Ipv4Header::parse(f);
    EXPECT_LE(f.size(), 1500u);
    EXPECT_EQ(r.fragment_offset, whole.size());
    EXPECT_EQ(r.more_fragments, &f != &h.driver.sent.back());
    whole.insert(whole.end(), f.begin() + 20, f.end());
  }
  ASSERT_EQ(whole.size(), 3000u);
  EXPECT_EQ(whole[2999], static_cast<uint8_t>(2999 * 7));
}

TEST(IpOutput, PathMtuIsLearnedAndForgotten) {
  TestHost h;
  dst_entry* held = *h.ip.route_output(kFar);
  Ip::dst_hold(held);
  h.ip.update_pmtu(kFar, 1000);
  EXPECT_FALSE(h.ip.dst_check(held));
  h.ip.dst_release(held);
  EXPECT_EQ((*h.ip.route_output(kFar))->mtu, 1000u);
  EXPECT_EQ((*h.ip.route_output(kPeer))->mtu, 1500u);
  h.ip.update_pmtu(kFar, 10);
  EXPECT_EQ((*h.ip.route_output(kFar))->mtu, 552u);
  h.advance(601s);
  EXPECT_EQ((*h.ip.route_output(kFar))->mtu, 1500u);
}

TEST(IpOutput, RouteErrors) {
  TestHost h;
  EXPECT_EQ(h.ip.route_output(kFar, kPeer).error(), EINVAL);
  EXPECT_EQ(h.ip.route_output(*parse_ip("fd00::1")).error(), ENETUNREACH);
  EXPECT_EQ((*h.ip.route_output(kFar))->nexthop, IpAddress::v4(10, 0, 0, 254));
  EXPECT_TRUE((*h.ip.route_output(IpAddress::v4(10, 0, 0, 255)))->is_broadcast);
  EXPECT_EQ((*h.ip.route_output({}))->daddr, IpAddress::v4(127, 0, 0, 1));
  EXPECT_EQ(h.ip.ip_queue_xmit(payload(h, 10), nullptr, kUs, kFar, {}).error(), EHOSTUNREACH);
  EXPECT_EQ(h.last_drop(), "IP_OUTNOROUTES __ip_queue_xmit");
}

TEST(IpOutput, OwnAddressesGoThroughLoopback) {
  TestHost h;
  Taker t;
  h.ip.inet_add_protocol(kTestProto, {Taker::handler, nullptr, &t});
  for (const IpAddress& a : {kUs, IpAddress::v4(127, 0, 0, 1), IpAddress::v4(127, 9, 9, 9)})
    EXPECT_TRUE(send(h, a, 10, true));
  h.run();
  EXPECT_EQ(t.got.size(), 3u);
  EXPECT_TRUE(h.driver.sent.empty());
}

TEST(IpOutput, DstCacheIsBoundedAndHeldEntriesSurvive) {
  TestHost h;
  dst_entry* held = *h.ip.route_output(kFar);
  Ip::dst_hold(held);
  for (uint32_t i = 0; i < 10000; ++i) ASSERT_TRUE(h.ip.route_output(IpAddress::v4(0x0b000000 + i)));
  EXPECT_TRUE(h.ip.dst_check(held));
  h.ip.add_address(h.dev, *parse_prefix("10.9.0.1/16"));
  EXPECT_FALSE(h.ip.dst_check(held));
  EXPECT_EQ(held->daddr, kFar);
  h.ip.dst_release(held);
}

TEST(IpOutput, RemovedDevice) {
  TestHost h(true);
  dst_entry* held = *h.ip.route_output(kPeer);
  Ip::dst_hold(held);
  h.ip.remove_device(h.dev);
  EXPECT_FALSE(h.ip.dst_check(held));
  EXPECT_EQ(h.ip.ip_queue_xmit(payload(h, 10), held, kUs, kPeer, {}).error(), EHOSTUNREACH);
  h.ip.dst_release(held);
  EXPECT_EQ(h.ip.route_output(kPeer).error(), ENETUNREACH);
}

TEST(Icmp, ErrorReachesTheTransport) {
  TestHost h;
  Taker t;
  h.ip.inet_add_protocol(kTestProto, {Taker::handler, Taker::error, &t});
  Bytes quoted = ip_packet(header(kUs, kFar, kTestProto), Bytes(8));
  h.receive(ip_packet(header(kPeer, kUs, kIcmp), icmp_message(ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, 1400, quoted)));
  ASSERT_EQ(t.errors.size(), 1u);
  EXPECT_EQ(t.errors[0], std::pair(ICMP_DEST_UNREACH << 8 | ICMP_FRAG_NEEDED, 1400));
  quoted.pop_back();
  h.receive(ip_packet(header(kPeer, kUs, kIcmp), icmp_message(ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0, quoted)));
  EXPECT_EQ(t.errors.size(), 1u);
  EXPECT_EQ(h.count(Mib::IcmpInErrors), 1u);
}

TEST(Icmp, NoErrorAboutAnErrorOrToAGroup) {
  TestHost h;
  auto unreachable = [&](const Ipv4Header& about, const Bytes& body) {
    h.receive(ip_packet(about, body));
    return h.driver.sent.size();
  };
  EXPECT_EQ(unreachable(header(kPeer, kUs, 200), Bytes(8)), 1u);
  EXPECT_EQ(unreachable(header(kPeer, IpAddress::v4(10, 0, 0, 255), 200), Bytes(8)), 1u);
  EXPECT_EQ(unreachable(header(IpAddress::v4(10, 0, 0, 255), kUs, 200), Bytes(8)), 1u);
}

TEST(Icmp, QuoteStopsAt576Bytes) {
  TestHost h;
  h.receive(ip_packet(header(kPeer, kUs, 200), Bytes(1400)));
  ASSERT_EQ(h.driver.sent.size(), 1u);
  EXPECT_EQ(h.driver.sent[0].size(), 576u);
}

TEST(Icmp, ErrorsToOneHostAreLimited) {
  TestHost h;
  for (int i = 0; i < 20; ++i) h.receive(ip_packet(header(kPeer, kUs, 200), Bytes(8)));
  EXPECT_EQ(h.driver.sent.size(), 6u);
  EXPECT_EQ(h.count(Mib::IcmpOutRateLimitHost), 14u);
  h.ns.now += 1s;
  h.receive(ip_packet(header(kPeer, kUs, 200), Bytes(8)));
  EXPECT_EQ(h.driver.sent.size(), 7u);
}

TEST(Icmp, PingFindsItsReply) {
  TestHost h;
  int heard = 0;
  h.ip.ping_register(77, [&](const IpAddress& from, uint16_t sequence, uint8_t ttl, std::span<const uint8_t> data) {
    ++heard;
    EXPECT_EQ(from, IpAddress::v4(127, 0, 0, 1));
    EXPECT_EQ(sequence, 5);
    EXPECT_EQ(ttl, 64);
    EXPECT_EQ(data.size(), 3u);
    h.ip.ping_unregister(77);
  });
  const Bytes data{1, 2, 3};
  EXPECT_TRUE(h.ip.ping_send(IpAddress::v4(127, 0, 0, 1), 77, 5, data));
  h.run();
  EXPECT_EQ(heard, 1);
  EXPECT_TRUE(h.ip.ping_send(IpAddress::v4(127, 0, 0, 1), 77, 6, data));
  h.run();
  EXPECT_EQ(h.last_drop(), "NO_SOCKET icmp_rcv");
}

TEST(Icmp, IgnoredByPolicy) {
  TestHost h;
  h.ns.sysctl.icmp_echo_ignore_all = 1;
  h.receive(ip_packet(header(kPeer, kUs, kIcmp), icmp_message(ICMP_ECHO, 0, 1, {})));
  EXPECT_EQ(h.last_drop(), "ICMP_IGNORED icmp_rcv");
  h.receive(ip_packet(header(kPeer, kUs, kIcmp), icmp_message(99, 0, 1, {})));
  EXPECT_EQ(h.last_drop(), "UNHANDLED_PROTO icmp_rcv");
  EXPECT_TRUE(h.driver.sent.empty());
}

class FragmentTest : public testing::Test {
 protected:
  FragmentTest() { h.ip.inet_add_protocol(kTestProto, {Taker::handler, nullptr, &t}); }
  void fragment(uint16_t offset, uint16_t size, bool more, uint8_t tos = 0, uint8_t fill = 1) {
    Ipv4Header f = header(kPeer, kUs, kTestProto);
    f.id = 9;
    f.fragment_offset = offset;
    f.more_fragments = more;
    f.tos = tos;
    h.receive(ip_packet(f, Bytes(size, fill)));
  }
  TestHost h;
  Taker t;
};

TEST_F(FragmentTest, ReassembledInAnyOrder) {
  fragment(16, 8, true, 0, 3);
  fragment(24, 5, false, 0, 4);
  fragment(0, 8, true, 0, 1);
  EXPECT_TRUE(t.got.empty());
  fragment(8, 8, true, 0, 2);
  ASSERT_EQ(t.got.size(), 1u);
  Bytes want;
  for (uint8_t i = 1; i <= 4; ++i) want.insert(want.end(), i == 4 ? 5 : 8, i);
  EXPECT_EQ(t.got[0], want);
  EXPECT_EQ(h.count(Mib::IpReasmReqds), 4u);
  EXPECT_EQ(h.count(Mib::IpReasmOKs), 1u);
  EXPECT_EQ(h.last_drop(), "");
}

TEST_F(FragmentTest, DuplicateIsDroppedAlone) {
  fragment(0, 16, true);
  fragment(16, 16, true);
  fragment(8, 16, true);
  EXPECT_EQ(h.last_drop(), "DUP_FRAG ip_defrag");
  fragment(32, 8, false);
  EXPECT_EQ(t.got.size(), 1u);
}

TEST_F(FragmentTest, OverlapCondemnsAll) {
  fragment(0, 16, true);
  fragment(8, 16, true);
  EXPECT_EQ(h.last_drop(), "FRAG_OVERLAP ip_defrag");
  EXPECT_EQ(h.count(Mib::IpExtReasmOverlaps), 1u);
  EXPECT_EQ(h.ns.trace.drops_for(DropReason::FRAG_OVERLAP), 2u);
  fragment(16, 8, false);
  EXPECT_TRUE(t.got.empty());
}

TEST_F(FragmentTest, ContradictoryEnds) {
  fragment(16, 8, false);
  fragment(24, 8, true);
  EXPECT_EQ(h.last_drop(), "FRAG_INVALID ip_defrag");
}

TEST_F(FragmentTest, TooLargeInTheEnd) {
  for (uint32_t at = 0; at < 65520; at += 1360) fragment(static_cast<uint16_t>(at), 1360, true);
  fragment(65280, 250, false);
  EXPECT_TRUE(t.got.empty());
  EXPECT_EQ(h.last_drop(), "FRAG_INVALID ip_defrag");
}

TEST_F(FragmentTest, CongestionMarkSurvives) {
  fragment(0, 8, true, INET_ECN_ECT_0);
  fragment(8, 8, false, INET_ECN_CE);
  EXPECT_EQ(t.got.size(), 1u);
  fragment(0, 8, true, INET_ECN_NOT_ECT);
  fragment(8, 8, false, INET_ECN_CE);
  EXPECT_EQ(t.got.size(), 1u);
}

TEST_F(FragmentTest, TimeOutTellsTheSender) {
  fragment(0, 16, true);
  h.advance(31s);
  EXPECT_EQ(h.last_drop(), "FRAG_REASM_TIMEOUT ip_expire");
  ASSERT_EQ(h.driver.sent.size(), 1u);
  EXPECT_EQ(h.driver.sent[0][20], ICMP_TIME_EXCEEDED);
  EXPECT_EQ(h.driver.sent[0][21], ICMP_EXC_FRAGTIME);
  EXPECT_EQ(h.count(Mib::IpReasmTimeout), 1u);
  fragment(32, 16, true);
  h.advance(31s);
  EXPECT_EQ(h.driver.sent.size(), 1u);
}

TEST_F(FragmentTest, MemoryIsLimited) {
  h.ns.sysctl.ipfrag_high_thresh = 2000;
  for (uint16_t i = 0; i < 8; ++i) fragment(static_cast<uint16_t>(i * 16), 8, true);
  EXPECT_EQ(h.last_drop(), "FRAG_MEM ip_defrag");
}

}  // namespace
}  // namespace glass
