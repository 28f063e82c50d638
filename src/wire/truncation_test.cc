// Every prefix of a packet, and packets with bytes changed, are refused or read within their bounds. Each copy is
// exactly as large as its contents, so that AddressSanitizer sees a read past the end.
#include <gtest/gtest.h>

#include "wire/arp.h"
#include "wire/ethernet.h"
#include "wire/format_packet.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/test_packets.h"
#include "wire/udp.h"

namespace glass {
namespace {

using wire_test::sample_packets;

// Asks everything of these bytes; returns the printed length so that nothing can be optimised away.
size_t read_as_everything(ByteSpan given) {
  std::vector<uint8_t> bytes(given.begin(), given.end());
  size_t n = format_packet(bytes).size() + format_frame(bytes).size();
  n += format_tcp_segment(bytes, bytes.size()).size() + format_tcp_options(bytes).size();
  n += parse_tcp_options(bytes).num_sacks;
  n += EthernetHeader::parse(bytes).has_value() + ArpPacket::parse(bytes).has_value();
  n += Ipv4Header::parse(bytes).has_value() + Ipv6Header::parse(bytes).has_value();
  n += IcmpHeader::parse(bytes).has_value() + UdpHeader::parse(bytes).has_value();
  return n + TcpHeader::parse(bytes).has_value();
}

template <class Fields>
void expect_refused_below(size_t size, const std::vector<uint8_t>& whole) {
  for (size_t n = 0; n <= whole.size(); ++n) {
    std::vector<uint8_t> prefix(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(n));
    EXPECT_EQ(Fields::parse(prefix).has_value(), n >= size) << n << " of " << size << " bytes";
  }
}

TEST(Truncation, HeadersAreRefusedUntilComplete) {
  expect_refused_below<EthernetHeader>(14, std::vector<uint8_t>(20));
  std::vector<uint8_t> arp;
  ASSERT_TRUE(append(ArpPacket{}, arp));
  expect_refused_below<ArpPacket>(28, arp);
  expect_refused_below<IcmpHeader>(8, std::vector<uint8_t>(12));
  expect_refused_below<UdpHeader>(8, std::vector<uint8_t>(12));
  std::vector<uint8_t> ipv6;
  ASSERT_TRUE(append(Ipv6Header{}, ipv6));
  expect_refused_below<Ipv6Header>(40, ipv6);
  std::vector<uint8_t> ipv4;
  ASSERT_TRUE(append(Ipv4Header{.options_size = 12}, ipv4));
  expect_refused_below<Ipv4Header>(32, ipv4);
  std::vector<uint8_t> tcp;
  ASSERT_TRUE(append(TcpHeader{.options = {.mss = 1460, .wscale = 7}}, tcp));
  expect_refused_below<TcpHeader>(28, tcp);
}

TEST(Truncation, HeaderAtStaysInside) {
  std::vector<uint8_t> bytes(20);
  EXPECT_NE(header_at<udphdr>(bytes, 12), nullptr);
  EXPECT_EQ(header_at<udphdr>(bytes, 13), nullptr);
  EXPECT_EQ(header_at<udphdr>(bytes, 21), nullptr);
  EXPECT_EQ(header_at<udphdr>(bytes, SIZE_MAX), nullptr);
}

TEST(Truncation, HeaderLengthsOutOfRangeAreRefused) {
  auto packet = sample_packets()[0];
  for (uint8_t words = 0; words < 16; ++words) {
    packet[0] = static_cast<uint8_t>(0x40 | words);
    EXPECT_EQ(Ipv4Header::parse(packet).has_value(), words >= 5);
    packet[0] = static_cast<uint8_t>(0x50 | words);
    EXPECT_FALSE(Ipv4Header::parse(packet).has_value());
  }
  std::vector<uint8_t> segment(24);
  for (uint8_t words = 0; words < 16; ++words) {
    segment[12] = static_cast<uint8_t>(words << 4);
    EXPECT_EQ(TcpHeader::parse(segment).has_value(), words == 5 || words == 6) << int{words};
  }
}

TEST(Truncation, EveryPrefixOfEverySample) {
  for (const auto& packet : sample_packets()) {
    for (size_t n = 0; n <= packet.size(); ++n) {
      ByteSpan prefix = ByteSpan(packet).first(n);
      EXPECT_GT(read_as_everything(prefix), 0u);
      // The parts further up, too, from every place they might start at.
      EXPECT_GT(read_as_everything(prefix.subspan(n / 2)), 0u);
    }
  }
}

TEST(Truncation, ChangedBytes) {
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    SCOPED_TRACE(testing::Message() << "repeat with Rng(" << seed << ")");
    Rng rng(seed);
    auto packet = sample_packets()[rng.below(static_cast<uint32_t>(sample_packets().size()))];
    for (uint32_t changes = 1 + rng.below(6); changes--;)
      packet[rng.below(static_cast<uint32_t>(packet.size()))] = static_cast<uint8_t>(rng.next());
    packet.resize(rng.below(static_cast<uint32_t>(packet.size())) + 1);
    EXPECT_GT(read_as_everything(packet), 0u);
  }
}

}  // namespace
}  // namespace glass
