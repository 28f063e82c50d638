#include "skb/gso.h"

#include <gtest/gtest.h>

#include "skb/test_packet.h"

namespace glass {
namespace {

using test::Bytes;
using test::bytes_of;
using test::TestPacket;

class GsoTest : public testing::Test {
 protected:
  ~GsoTest() override {
    EXPECT_EQ(pool.skbs_in_use(), 0u);
    EXPECT_EQ(pool.blocks_in_use(), 0u);
  }
  // Cuts the packet and checks every segment; returns how many there were.
  unsigned cut_and_check(const TestPacket& p, uint64_t seed);
  void check_segment(const TestPacket& p, const Skb& seg, const Bytes& payload, unsigned index, unsigned count);
  void check_ip(const TestPacket& p, const Skb& seg, uint32_t expected_payload, unsigned index);

  SkbPool pool;
  Trace trace;
};

void GsoTest::check_ip(const TestPacket& p, const Skb& seg, uint32_t expected_payload, unsigned index) {
  const uint32_t transport_size = p.tcp_size() + expected_payload;
  if (p.v6) {
    const auto* ip6 = reinterpret_cast<const ipv6hdr*>(seg->network());
    EXPECT_EQ(ntohs(ip6->payload_len), transport_size);
    EXPECT_EQ(ip6->destination(), p.destination());
    return;
  }
  const auto* iph = reinterpret_cast<const iphdr*>(seg->network());
  EXPECT_EQ(ip_fast_csum(iph), 0) << "IP header checksum";
  EXPECT_EQ(ntohs(iph->tot_len), p.ip_size() + transport_size);
  EXPECT_EQ(ntohs(iph->id), static_cast<uint16_t>(p.ip_id + index));
  EXPECT_TRUE(iph->dont_fragment());
}

void GsoTest::check_segment(const TestPacket& p, const Skb& seg, const Bytes& payload, unsigned index, unsigned count) {
  const uint32_t offset = index * p.gso_size;
  const uint32_t size = std::min<uint32_t>(p.gso_size, p.payload - offset);
  ASSERT_EQ(seg->len, p.header_size() + size);
  EXPECT_EQ(seg->data, seg->mac());
  EXPECT_EQ(seg->network(), seg->data + p.link_size());
  EXPECT_EQ(seg->transport(), seg->network() + p.ip_size());
  EXPECT_GE(skb_headroom(*seg), 32u);
  EXPECT_FALSE(seg->is_gso());
  EXPECT_GE(seg->truesize, seg->len);
  check_ip(p, seg, size, index);
  const auto* th = reinterpret_cast<const tcphdr*>(seg->transport());
  EXPECT_EQ(ntohl(th->seq), p.seq + offset);
  uint8_t flags = p.flags;
  if (index) flags &= static_cast<uint8_t>(~TCPHDR_CWR);
  if (index + 1 < count) flags &= static_cast<uint8_t>(~(TCPHDR_FIN | TCPHDR_PSH));
  EXPECT_EQ(th->flags, flags);
  EXPECT_EQ(seg->ip_summed, p.partial ? IpSummed::partial : IpSummed::none);
  EXPECT_TRUE(skb_checksum_help(seg));
  EXPECT_TRUE(test::tcp_checksum_is_right(*seg));
  const Bytes b = bytes_of(*seg);
  EXPECT_TRUE(std::equal(b.begin() + p.header_size(), b.end(), payload.begin() + offset))
      << "payload of segment " << index;
}

unsigned GsoTest::cut_and_check(const TestPacket& p, uint64_t seed) {
  SCOPED_TRACE(testing::Message() << "repeat with seed " << seed << ": payload " << p.payload << " gso_size "
                                  << p.gso_size << " frags " << p.frags << " linear_payload " << p.linear_payload
                                  << " v6 " << p.v6);
  Rng rng(seed);
  Skb skb = p.build(pool, trace, rng);
  const uint32_t id = skb->id;
  const Bytes whole = bytes_of(*skb);
  const Bytes payload(whole.begin() + p.header_size(), whole.end());
  sk_buff_head out;
  skb_segment(std::move(skb), out);
  const unsigned count = out.qlen();
  EXPECT_EQ(count, (p.payload + p.gso_size - 1) / p.gso_size);
  for (unsigned i = 0; Skb seg = out.pop_front(); ++i) {
    EXPECT_EQ(seg->id, id);
    check_segment(p, seg, payload, i, count);
    consume_skb(std::move(seg));
  }
  return count;
}

TEST_F(GsoTest, CutsA64KPacket) { EXPECT_EQ(cut_and_check({.payload = 65000, .gso_size = 1448, .frags = 17}, 1), 45u); }

TEST_F(GsoTest, ExactMultipleHasNoShortSegment) {
  EXPECT_EQ(cut_and_check({.payload = 3000, .gso_size = 1000}, 1), 3u);
}

TEST_F(GsoTest, OneSegmentStaysThePacketItIs) { EXPECT_EQ(cut_and_check({.payload = 1000, .gso_size = 1000}, 1), 1u); }

TEST_F(GsoTest, FinPushAndCwrStayWhereTheyBelong) {
  EXPECT_EQ(
      cut_and_check(
          {.payload = 2500, .gso_size = 1000, .flags = TCPHDR_ACK | TCPHDR_FIN | TCPHDR_PSH | TCPHDR_CWR | TCPHDR_ECE},
          1),
      3u);
}

TEST_F(GsoTest, SequenceNumberAndIpIdWrap) {
  EXPECT_EQ(cut_and_check({.payload = 5000, .gso_size = 1000, .seq = 0xfffff800u, .ip_id = 0xfffe}, 1), 5u);
}

// A linear piece before as many fragments as there may be: sharing it would make one too many.
TEST_F(GsoTest, LinearPayloadBeforeAFullTableOfFragments) {
  EXPECT_EQ(cut_and_check({.payload = 2000, .gso_size = 1999, .frags = 17, .linear_payload = 700}, 1), 2u);
}

TEST_F(GsoTest, RandomPackets) {
  for (uint64_t seed = 1; seed <= 400 && !HasFailure(); ++seed) {
    Rng rng(seed);
    TestPacket p{.payload = 1 + rng.below(20000), .gso_size = static_cast<uint16_t>(1 + rng.below(3000))};
    p.v6 = rng.below(2);
    p.link_header = rng.below(2);
    p.partial = rng.below(3);
    p.flags = static_cast<uint8_t>(rng.below(256) & ~(TCPHDR_SYN | TCPHDR_RST));
    p.seq = rng.next_u32();
    p.ip_id = static_cast<uint16_t>(rng.next());
    p.ip_options = p.v6 ? 0 : 4 * rng.below(11);
    p.tcp_options = 4 * rng.below(11);
    p.frags = rng.below(18);
    p.linear_payload = rng.below(2) ? rng.below(3000) : 0;
    if (p.payload / p.gso_size < 2000) cut_and_check(p, seed);
  }
}

TEST_F(GsoTest, SharesThePayload) {
  Rng rng(1);
  Skb skb = TestPacket{.payload = 60000, .gso_size = 1448, .frags = 4}.build(pool, trace, rng);
  const size_t blocks = pool.blocks_in_use();
  sk_buff_head out;
  skb_segment(std::move(skb), out);
  EXPECT_LE(pool.blocks_in_use(), blocks) << "payload was copied";
  while (Skb s = out.pop_front()) consume_skb(std::move(s));
}

void expect_refused(SkbPool& pool, Trace& trace, const char* what, void (*spoil)(const Skb&)) {
  SCOPED_TRACE(what);
  Rng rng(1);
  const uint64_t before = trace.drops_for(DropReason::SKB_GSO_SEG);
  Skb skb = TestPacket{.payload = 5000, .gso_size = 1000, .link_header = true}.build(pool, trace, rng);
  spoil(skb);
  sk_buff_head out;
  skb_segment(std::move(skb), out);
  EXPECT_TRUE(out.empty());
  EXPECT_EQ(trace.drops_for(DropReason::SKB_GSO_SEG), before + 1);
}

TEST_F(GsoTest, RefusesWhatItCannotCut) {
  expect_refused(pool, trace, "no segment size", [](const Skb& s) { s->gso_size = 0; });
  expect_refused(pool, trace, "UDP", [](const Skb& s) { s->network()[9] = 17; });
  expect_refused(pool, trace, "a fragment", [](const Skb& s) { s->network()[7] = 1; });
  expect_refused(pool, trace, "version 5", [](const Skb& s) { s->network()[0] = 0x55; });
  expect_refused(pool, trace, "version 6, not TCP", [](const Skb& s) { s->network()[0] = 0x65; });
  expect_refused(pool, trace, "short IP header", [](const Skb& s) { s->network()[0] = 0x44; });
  expect_refused(pool, trace, "short TCP header", [](const Skb& s) { s->transport()[12] = 0x40; });
  expect_refused(pool, trace, "network header behind the data", [](const Skb& s) { skb_pull(s, 30); });
  expect_refused(pool, trace, "cut short", [](const Skb& s) { pskb_trim(s, 60); });
}

}  // namespace
}  // namespace glass
