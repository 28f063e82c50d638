// What is emitted parses back to the same fields, for random fields of every protocol.
#include <gtest/gtest.h>

#include "wire/arp.h"
#include "wire/ethernet.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp.h"
#include "wire/test_packets.h"
#include "wire/udp.h"

namespace glass {
namespace {

using wire_test::random_bytes;

constexpr uint64_t kSeeds = 2000;

uint16_t random16(Rng& rng) { return static_cast<uint16_t>(rng.next()); }
uint8_t random8(Rng& rng) { return static_cast<uint8_t>(rng.next()); }
IpAddress random_v4(Rng& rng) { return IpAddress::v4(rng.next_u32()); }

IpAddress random_v6(Rng& rng) {
  IpAddress a;
  for (uint8_t& b : a.bytes) b = random8(rng);
  return a;
}

MacAddress random_mac(Rng& rng) {
  MacAddress a;
  for (uint8_t& b : a.bytes) b = random8(rng);
  return a;
}

// Emits, checks the size, parses, compares; and that one byte less is not enough room.
template <class Fields>
void expect_round_trip(const Fields& fields, uint64_t seed) {
  SCOPED_TRACE(testing::Message() << "repeat with Rng(" << seed << ")");
  std::vector<uint8_t> bytes = {0xaa, 0xbb};
  ASSERT_TRUE(append(fields, bytes));
  ASSERT_EQ(bytes.size(), 2 + fields.size());
  EXPECT_EQ(bytes[0], 0xaa);
  EXPECT_EQ(bytes[1], 0xbb);
  auto parsed = Fields::parse(ByteSpan(bytes).subspan(2));
  ASSERT_TRUE(parsed.has_value());
  EXPECT_TRUE(*parsed == fields);
  std::vector<uint8_t> small(fields.size() - 1);
  EXPECT_FALSE(fields.emit(small));
}

TEST(RoundTrip, Ethernet) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    Rng rng(seed);
    expect_round_trip(
        EthernetHeader{.destination = random_mac(rng), .source = random_mac(rng), .ethertype = random16(rng)}, seed);
  }
}

TEST(RoundTrip, Arp) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    Rng rng(seed);
    expect_round_trip(ArpPacket{.operation = random16(rng),
                                .sender_mac = random_mac(rng),
                                .sender_ip = random_v4(rng),
                                .target_mac = random_mac(rng),
                                .target_ip = random_v4(rng)},
                      seed);
  }
}

TEST(RoundTrip, Ipv4) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    Rng rng(seed);
    Ipv4Header h{.tos = random8(rng),
                 .total_length = random16(rng),
                 .id = random16(rng),
                 .dont_fragment = rng.chance(0.5),
                 .more_fragments = rng.chance(0.5),
                 .fragment_offset = static_cast<uint16_t>(rng.below(0x2000) * 8),
                 .ttl = random8(rng),
                 .protocol = random8(rng),
                 .checksum = random16(rng),
                 .source = random_v4(rng),
                 .destination = random_v4(rng),
                 .options_size = static_cast<uint8_t>(rng.below(11) * 4)};
    for (size_t i = 0; i < h.options_size; ++i) h.options[i] = random8(rng);
    expect_round_trip(h, seed);
  }
}

TEST(RoundTrip, Ipv6) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    Rng rng(seed);
    expect_round_trip(Ipv6Header{.traffic_class = random8(rng),
                                 .flow_label = rng.below(1 << 20),
                                 .payload_length = random16(rng),
                                 .next_header = random8(rng),
                                 .hop_limit = random8(rng),
                                 .source = random_v6(rng),
                                 .destination = random_v6(rng)},
                      seed);
  }
}

TEST(RoundTrip, IcmpAndUdp) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    Rng rng(seed);
    expect_round_trip(
        IcmpHeader{.type = random8(rng), .code = random8(rng), .checksum = random16(rng), .rest = rng.next_u32()},
        seed);
    expect_round_trip(UdpHeader{.source_port = random16(rng),
                                .destination_port = random16(rng),
                                .length = random16(rng),
                                .checksum = random16(rng)},
                      seed);
  }
}

// A random set of options that fits in a header; `bytes` holds what the spans point at (at least 32 bytes).
TcpOptions random_options(Rng& rng, ByteSpan bytes) {
  TcpOptions o;
  auto keep_if_it_fits = [&](auto change) {
    TcpOptions more = o;
    change(more);
    if (rng.chance(0.5) && tcp_options_size(more) <= MAX_TCP_OPTION_SPACE) o = more;
  };
  keep_if_it_fits([&](TcpOptions& m) { m.md5 = bytes.first(16); });
  keep_if_it_fits([&](TcpOptions& m) { m.mss = static_cast<uint16_t>(1 + rng.below(65535)); });
  keep_if_it_fits([&](TcpOptions& m) { m.wscale = static_cast<uint8_t>(rng.below(15)); });
  keep_if_it_fits([&](TcpOptions& m) { m.sack_permitted = true; });
  keep_if_it_fits([&](TcpOptions& m) { m.timestamps = TcpTimestamps{rng.next_u32(), rng.next_u32()}; });
  for (size_t i = 0; i < TCP_NUM_SACKS; ++i)
    keep_if_it_fits([&](TcpOptions& m) { m.add_sack({{rng.next_u32()}, {rng.next_u32()}}); });
  keep_if_it_fits([&](TcpOptions& m) {
    m.fastopen_cookie = bytes.subspan(16, rng.below(9) * 2);
    m.fastopen_exp = rng.chance(0.5);
  });
  return o;
}

TEST(RoundTrip, Tcp) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    Rng rng(seed);
    std::vector<uint8_t> bytes = random_bytes(rng, 32);
    TcpHeader h{.source_port = random16(rng),
                .destination_port = random16(rng),
                .seq = {rng.next_u32()},
                .ack_seq = {rng.next_u32()},
                .flags = static_cast<uint16_t>(rng.below(0x200)),
                .window = random16(rng),
                .checksum = random16(rng),
                .urg_ptr = random16(rng),
                .options = random_options(rng, bytes)};
    EXPECT_EQ(h.size() % 4, 0u) << "seed " << seed;
    expect_round_trip(h, seed);
  }
}

TEST(Emit, RefusesWhatHasNoWireForm) {
  std::vector<uint8_t> out;
  EXPECT_FALSE(append(Ipv4Header{.fragment_offset = 4}, out));
  EXPECT_FALSE(append(Ipv4Header{.options_size = 3}, out));
  EXPECT_FALSE(append(Ipv4Header{.source = *parse_ip("fd00::1")}, out));
  EXPECT_FALSE(append(ArpPacket{.target_ip = *parse_ip("fd00::1")}, out));
  TcpHeader crowded{.options = {.mss = 1460, .timestamps = TcpTimestamps{}}};
  for (uint32_t i = 0; i < 4; ++i) crowded.options.add_sack({{i}, {i + 1}});
  EXPECT_FALSE(append(crowded, out));
  std::vector<uint8_t> digest(15);
  EXPECT_FALSE(append(TcpHeader{.options = {.md5 = ByteSpan(digest)}}, out));
  EXPECT_TRUE(out.empty());
}

TEST(Views, ReadAndWriteTheSameBitsAsTheFields) {
  std::vector<uint8_t> bytes;
  ASSERT_TRUE(append(TcpHeader{.seq = {7}, .ack_seq = {9}, .flags = TCPHDR_SYN_ECN | TCPHDR_AE}, bytes));
  tcphdr* th = mutable_header_at<tcphdr>(bytes);
  EXPECT_EQ(th->doff(), 20u);
  EXPECT_EQ(th->doff_words(), 5);
  EXPECT_EQ(th->seq_nr().v, 7u);
  EXPECT_EQ(th->ack_nr().v, 9u);
  EXPECT_TRUE(th->syn() && th->ece() && th->cwr() && th->ae());
  EXPECT_FALSE(th->fin() || th->rst() || th->psh() || th->ack() || th->urg());
  EXPECT_EQ(tcp_flag_byte(*th), TCPHDR_SYN_ECN);
  th->set_all_flags(TCPHDR_ACK);
  th->set_doff(32);
  EXPECT_EQ(th->doff(), 32u);
  EXPECT_EQ(th->all_flags(), TCPHDR_ACK);
}

TEST(Views, Ipv4FragmentBits) {
  std::vector<uint8_t> bytes;
  ASSERT_TRUE(append(Ipv4Header{.more_fragments = true, .fragment_offset = 65528}, bytes));
  iphdr* iph = mutable_header_at<iphdr>(bytes);
  EXPECT_EQ(iph->fragment_offset(), 65528u);
  EXPECT_TRUE(iph->is_fragment() && iph->more_fragments() && !iph->dont_fragment());
  iph->frag_off = htons(IP_DF);
  EXPECT_TRUE(!iph->is_fragment() && !iph->more_fragments() && iph->dont_fragment());
}

TEST(Views, Ipv4HeaderChecksum) {
  auto bytes = wire_test::from_hex("4500002800000000ff063925c0000201c0a80001");
  iphdr* iph = mutable_header_at<iphdr>(bytes);
  EXPECT_EQ(ip_fast_csum(iph), 0);
  iph->check = 0;
  ip_send_check(iph);
  EXPECT_EQ(ntohs(iph->check), 0x3925);
  iph->ttl = 1;
  EXPECT_NE(ip_fast_csum(iph), 0);
}

}  // namespace
}  // namespace glass
