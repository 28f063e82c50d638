// Building injected packets, reading outbound ones, and comparing the two.
#include <gtest/gtest.h>

#include "drill/build.h"
#include "drill/compare.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"

namespace glass::drill {

namespace {

using Kind = TcpOptionSpec::Kind;

Live connection() {
  Live live;
  live.ends = {.local = IpAddress::v4(192, 168, 0, 1),
               .remote = IpAddress::v4(192, 0, 2, 1),
               .local_port = 8080,
               .remote_port = 40000};
  live.local_isn = 1'000'000;
  live.remote_isn = 500;
  return live;
}

// The same connection from its other end: what one side builds, the other reads as outbound.
Live mirrored(const Live& live) {
  Live other = live;
  other.ends = {live.ends.remote, live.ends.local, live.ends.remote_port, live.ends.local_port};
  std::swap(other.local_isn, other.remote_isn);
  return other;
}

PacketEvent data_packet() {
  TcpSpec tcp{.flags = TCPHDR_PSH | TCPHDR_ACK, .seq = 1, .payload = 10, .ack = 1, .has_ack = true, .window = 512};
  return {.direction = Direction::inbound, .what = tcp};
}

TcpSpec& tcp_of(PacketEvent& event) { return std::get<TcpSpec>(event.what); }

std::vector<uint8_t> built(const PacketEvent& event, const Live& live) {
  auto bytes = build_packet(event, live, {});
  EXPECT_TRUE(bytes) << bytes.error();
  return bytes.value_or(std::vector<uint8_t>{});
}

SeenPacket seen_by_other_end(const PacketEvent& event, const Live& live) {
  return *read_packet({.time_us = 7, .bytes = built(event, live)});
}

std::vector<std::string> fields(const std::vector<Difference>& differences) {
  std::vector<std::string> names;
  for (const Difference& d : differences) names.push_back(d.field);
  return names;
}

std::vector<std::string> differing(const PacketEvent& expected, const PacketEvent& got, const CompareOptions& o = {}) {
  const Live live = connection();
  return fields(compare_packet(expected, seen_by_other_end(got, live), mirrored(live), o));
}

using Names = std::vector<std::string>;

}  // namespace

TEST(BuildPacket, HeadersAreLiveAndChecksumsRight) {
  const auto bytes = built(data_packet(), connection());
  const auto ip = Ipv4Header::parse(bytes);
  ASSERT_TRUE(ip);
  EXPECT_EQ(ip->total_length, 50);
  EXPECT_EQ(ip->ttl, 255);
  EXPECT_EQ(ip_fast_csum(header_at<iphdr>(bytes)), 0);
  const auto tcp = TcpHeader::parse(ByteSpan(bytes).subspan(20));
  EXPECT_EQ(tcp->source_port, 40000);
  EXPECT_EQ(tcp->destination_port, 8080);
  EXPECT_EQ(tcp->seq.v, 501u);
  EXPECT_EQ(tcp->ack_seq.v, 1'000'001u);
  EXPECT_EQ(tcp->window, 512);
  EXPECT_TRUE(read_packet({.time_us = 0, .bytes = bytes})->tcp_checksum_ok);
}

TEST(BuildPacket, OptionsByteForByte) {
  PacketEvent event = data_packet();
  tcp_of(event).options = {{.kind = Kind::mss, .value = 1460},
                           {.kind = Kind::nop},
                           {.kind = Kind::wscale, .value = 7},
                           {.kind = Kind::fast_open_exp, .bytes = {1, 2, 3, 4}},
                           {.kind = Kind::sack, .blocks = {{1, 11}}},
                           {.kind = Kind::eol},
                           {.kind = Kind::eol}};
  const auto bytes = build_tcp_options(tcp_of(event), connection(), {});
  const std::vector<uint8_t> expected = {2, 4, 5, 180, 1, 3,  3,    7,    254, 8,  0xf9, 0x89, 1, 2,
                                         3, 4, 5, 10,  0, 15, 0x42, 0x41, 0,   15, 0x42, 0x4b, 0, 0};
  EXPECT_EQ(bytes, expected);
  tcp_of(event).options.pop_back();
  EXPECT_FALSE(build_tcp_options(tcp_of(event), connection(), {}));
}

TEST(BuildPacket, TimestampsEchoLiveValues) {
  PacketEvent event = data_packet();
  tcp_of(event).options = {{.kind = Kind::nop}, {.kind = Kind::nop}, {.kind = Kind::timestamp, .value = 7, .echo = 90}};
  Live live = connection();
  EXPECT_FALSE(build_packet(event, live, {}));
  live.learn_tsval(90, 0x01020304);
  const auto bytes = build_tcp_options(tcp_of(event), live, {});
  EXPECT_EQ(bytes, (std::vector<uint8_t>{1, 1, 8, 10, 0, 0, 0, 7, 1, 2, 3, 4}));
  tcp_of(event).flags = TCPHDR_SYN;  // which echoes nothing
  EXPECT_TRUE(build_packet(event, connection(), {}));
}

TEST(BuildPacket, EcnAndAceBits) {
  PacketEvent event = data_packet();
  event.ecn = EcnSpec::ce;
  tcp_of(event).ace = 5;
  const SeenPacket seen = seen_by_other_end(event, connection());
  EXPECT_EQ(seen.tos, INET_ECN_CE);
  EXPECT_EQ(seen.flags & (TCPHDR_AE | TCPHDR_CWR | TCPHDR_ECE), TCPHDR_AE | TCPHDR_ECE);
}

TEST(BuildPacket, IcmpQuotesTheSegment) {
  const PacketEvent event{.direction = Direction::inbound,
                          .what = IcmpSpec{.type = ICMP_DEST_UNREACH,
                                           .code = ICMP_FRAG_NEEDED,
                                           .mtu = 1200,
                                           .echoed_seq = 11,
                                           .echoed_payload = 10,
                                           .has_echoed = true}};
  const auto bytes = built(event, connection());
  const ByteSpan message = ByteSpan(bytes).subspan(20);
  EXPECT_EQ(csum_fold(csum_partial(message.data(), message.size(), 0)), 0);
  EXPECT_EQ(IcmpHeader::parse(message)->mtu(), 1200);
  const auto quoted = Ipv4Header::parse(message.subspan(8));
  ASSERT_TRUE(quoted);
  EXPECT_EQ(to_string(quoted->source), "192.168.0.1");
  EXPECT_EQ(quoted->total_length, 50);
  EXPECT_EQ(load_be16(&message[28]), 8080);
  EXPECT_EQ(load_be32(&message[32]), 1'000'011u);
}

TEST(ComparePacket, WhatWasBuiltIsWhatIsExpected) { EXPECT_EQ(differing(data_packet(), data_packet()), Names{}); }

TEST(ComparePacket, EachFieldCounts) {
  const auto with = [](auto change) {
    PacketEvent event = data_packet();
    change(tcp_of(event));
    return event;
  };
  EXPECT_EQ(differing(data_packet(), with([](TcpSpec& t) { t.flags = TCPHDR_ACK; })), Names{"flags"});
  EXPECT_EQ(differing(data_packet(), with([](TcpSpec& t) { t.ae = true; })), Names{"flags"});
  EXPECT_EQ(differing(data_packet(), with([](TcpSpec& t) { t.seq = 2; })), Names{"seq"});
  EXPECT_EQ(differing(data_packet(), with([](TcpSpec& t) { t.ack = 2; })), Names{"ack"});
  EXPECT_EQ(differing(data_packet(), with([](TcpSpec& t) { t.payload = 11; })), Names{"length"});
  EXPECT_EQ(differing(data_packet(), with([](TcpSpec& t) { t.window = 511; })), Names{"win"});
  EXPECT_EQ(differing(data_packet(), with([](TcpSpec& t) { t.urgent = 3; })), Names{"urg"});
}

TEST(ComparePacket, AWindowNotWrittenIsNotChecked) {
  PacketEvent expected = data_packet();
  tcp_of(expected).window.reset();
  EXPECT_EQ(differing(expected, data_packet()), Names{});
}

TEST(ComparePacket, EcnAsTheScriptAsks) {
  PacketEvent expected = data_packet(), got = data_packet();
  got.ecn = EcnSpec::ect0;
  EXPECT_EQ(differing(expected, got), Names{});
  expected.ecn = EcnSpec::noecn;
  EXPECT_EQ(differing(expected, got), Names{"ecn"});
  expected.ecn = EcnSpec::ect01;
  EXPECT_EQ(differing(expected, got), Names{});
  got.ecn = EcnSpec::ce;
  EXPECT_EQ(differing(expected, got), Names{"ecn"});
}

TEST(ComparePacket, OptionsInOrder) {
  PacketEvent expected = data_packet(), got = data_packet();
  tcp_of(expected).options = {{.kind = Kind::mss, .value = 1460}};
  EXPECT_EQ(differing(expected, got), Names{"options"});
  tcp_of(got).options = {{.kind = Kind::mss, .value = 1440}};
  EXPECT_EQ(differing(expected, got), Names{"mss"});
  tcp_of(expected).any_options = true;
  EXPECT_EQ(differing(expected, got), Names{});
}

TEST(ComparePacket, SackBlocksInScriptNumbers) {
  PacketEvent expected = data_packet();
  tcp_of(expected).options = {{.kind = Kind::nop}, {.kind = Kind::nop}, {.kind = Kind::sack, .blocks = {{21, 31}}}};
  PacketEvent got = expected;
  EXPECT_EQ(differing(expected, got), Names{});
  tcp_of(got).options[2].blocks = {{21, 32}};
  EXPECT_EQ(differing(expected, got), Names{"sack"});
}

TEST(ComparePacket, TimestampEchoUnlessLaxAndTsvalOnlyOnDemand) {
  PacketEvent expected = data_packet();
  tcp_of(expected).options = {
      {.kind = Kind::nop}, {.kind = Kind::nop}, {.kind = Kind::timestamp, .value = 50, .echo = 7}};
  Live live = connection();
  live.learn_tsval(7, 7);
  live.learn_tsval(8, 8);
  PacketEvent got = expected;
  tcp_of(got).options[2] = {.kind = Kind::timestamp, .value = 60, .echo = 8};
  const SeenPacket seen = seen_by_other_end(got, live);
  const Live other = mirrored(connection());
  EXPECT_EQ(fields(compare_packet(expected, seen, other, {})), Names{"TS ecr"});
  EXPECT_EQ(fields(compare_packet(expected, seen, other, {.lax = true})), Names{});
  EXPECT_EQ(fields(compare_packet(expected, seen, other, {.lax = true, .ts_tick_us = 1000, .ts_tolerance_us = 9999})),
            Names{"TS val"});
  EXPECT_EQ(fields(compare_packet(expected, seen, other, {.lax = true, .ts_tick_us = 1000, .ts_tolerance_us = 10000})),
            Names{});
}

TEST(ComparePacket, ADigitComparesTheAceField) {
  PacketEvent expected = data_packet(), got = data_packet();
  tcp_of(expected).ace = 5;
  tcp_of(got).ace = 5;
  EXPECT_EQ(differing(expected, got), Names{});
  tcp_of(got).ace = 6;
  EXPECT_EQ(differing(expected, got), Names{"ace"});
}

TEST(ComparePacket, ChecksumsAndPayload) {
  const Live live = connection();
  auto bytes = built(data_packet(), live);
  bytes.back() = 1;
  const auto spoiled = *read_packet({.time_us = 0, .bytes = bytes});
  EXPECT_EQ(fields(compare_packet(data_packet(), spoiled, mirrored(live), {})), (Names{"payload", "TCP checksum"}));
  EXPECT_EQ(fields(compare_packet(data_packet(), spoiled, mirrored(live), {.lax = true})), Names{"payload"});
  bytes = built(data_packet(), live);
  bytes[8] = 63;  // TTL
  const auto header = *read_packet({.time_us = 0, .bytes = bytes});
  EXPECT_EQ(fields(compare_packet(data_packet(), header, mirrored(live), {.lax = true})), Names{"IP header checksum"});
}

TEST(ReadPacket, RefusesWhatIsNoWholeTcpPacket) {
  auto bytes = built(data_packet(), connection());
  EXPECT_TRUE(read_packet({.time_us = 0, .bytes = bytes}));
  auto shorter = bytes;
  shorter.pop_back();
  EXPECT_FALSE(read_packet({.time_us = 0, .bytes = shorter}));
  bytes[9] = 17;
  EXPECT_FALSE(read_packet({.time_us = 0, .bytes = bytes}));
  EXPECT_FALSE(read_packet({.time_us = 0, .bytes = {}}));
}

TEST(JoinPackets, EqualPiecesMakeOne) {
  const Live live = connection();
  PacketEvent event = data_packet();
  const SeenPacket first = seen_by_other_end(event, live);
  tcp_of(event).seq = 11;
  tcp_of(event).flags = TCPHDR_ACK | TCPHDR_FIN;
  const SeenPacket second = seen_by_other_end(event, live);
  EXPECT_FALSE(why_no_continuation(first, second, 10, 10));
  const SeenPacket both = joined(first, second);
  EXPECT_EQ(both.payload, 20u);
  EXPECT_EQ(both.seq, first.seq);
  EXPECT_EQ(both.flags, TCPHDR_ACK | TCPHDR_FIN);
}

TEST(JoinPackets, OtherPiecesDoNot) {
  const Live live = connection();
  PacketEvent event = data_packet();
  const SeenPacket first = seen_by_other_end(event, live);
  EXPECT_TRUE(why_no_continuation(first, first, 10, 10));  // not contiguous
  tcp_of(event).seq = 11;
  tcp_of(event).payload = 5;
  const SeenPacket shorter = seen_by_other_end(event, live);
  EXPECT_TRUE(why_no_continuation(first, shorter, 10, 10));  // more is to come
  EXPECT_FALSE(why_no_continuation(first, shorter, 10, 5));  // it is the last
  tcp_of(event).ack = 2;
  EXPECT_TRUE(why_no_continuation(first, seen_by_other_end(event, live), 10, 5));
}

}  // namespace glass::drill
