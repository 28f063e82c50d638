#include "wire/format_packet.h"

#include <gtest/gtest.h>

#include "wire/arp.h"
#include "wire/ethernet.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/test_packets.h"
#include "wire/udp.h"

namespace glass {
namespace {

const IpAddress kA = IpAddress::v4(10, 0, 0, 1), kB = IpAddress::v4(10, 0, 0, 2);

// An IPv4 packet from kA to kB around a transport header and `data` bytes of payload.
template <class Transport>
std::vector<uint8_t> packet(IpProto protocol, const Transport& transport, size_t data, Ipv4Header ip = {}) {
  ip.protocol = static_cast<uint8_t>(protocol);
  ip.source = kA;
  ip.destination = kB;
  ip.total_length = static_cast<uint16_t>(ip.size() + transport.size() + data);
  std::vector<uint8_t> bytes;
  EXPECT_TRUE(append(ip, bytes));
  EXPECT_TRUE(append(transport, bytes));
  bytes.resize(bytes.size() + data);
  return bytes;
}

TcpHeader data_segment() {
  return {.source_port = 3490,
          .destination_port = 40000,
          .seq = {1},
          .ack_seq = {1},
          .flags = TCPHDR_PSH | TCPHDR_ACK,
          .window = 502,
          .options = {.timestamps = TcpTimestamps{1, 2}}};
}

TEST(FormatPacket, Tcp) {
  EXPECT_EQ(format_packet(packet(IpProto::TCP, data_segment(), 14)),
            "IP 10.0.0.1:3490 > 10.0.0.2:40000 TCP P. seq 1:15 ack 1 win 502 <nop,nop,TS val 1 ecr 2> len 14");
  EXPECT_EQ(format_tcp(data_segment(), 14),
            "3490 > 40000 TCP P. seq 1:15 ack 1 win 502 <nop,nop,TS val 1 ecr 2> len 14");
}

TEST(FormatPacket, TcpFlags) {
  EXPECT_EQ(format_tcp_flags(0), "none");
  EXPECT_EQ(format_tcp_flags(TCPHDR_ACK), ".");
  EXPECT_EQ(format_tcp_flags(TCPHDR_SYN_ECN), "SEW");
  EXPECT_EQ(format_tcp_flags(TCPHDR_FIN | TCPHDR_ACK), "F.");
  EXPECT_EQ(format_tcp_flags(0x1ff), "FSRP.UEWe");
}

TEST(FormatPacket, RelativeSequenceNumbersWrap) {
  TcpHeader h{.source_port = 1,
              .destination_port = 2,
              .seq = {5},
              .ack_seq = {1001},
              .flags = TCPHDR_ACK | TCPHDR_URG,
              .window = 9,
              .urg_ptr = 3};
  h.options.add_sack({{2000}, {3000}});
  EXPECT_EQ(format_packet(packet(IpProto::TCP, h, 10), {.source = {0xfffffff0}, .destination = {1000}}),
            "IP 10.0.0.1:1 > 10.0.0.2:2 TCP .U seq 21:31 ack 1 win 9 urg 3 <nop,nop,sack 1000:2000> len 10");
}

TEST(FormatPacket, ASpanThatEndsEarly) {
  auto bytes = packet(IpProto::TCP, data_segment(), 14);
  std::string whole = format_packet(bytes);
  bytes.resize(20 + 32);
  EXPECT_EQ(format_packet(bytes), whole) << "the payload is not needed";
  bytes.resize(20 + 24);
  EXPECT_EQ(format_packet(bytes),
            "IP 10.0.0.1:3490 > 10.0.0.2:40000 TCP P. seq 1:15 ack 1 win 502 <nop,nop,opt-8 [bad length]>[options cut] "
            "len 14");
  bytes.resize(20 + 10);
  EXPECT_EQ(format_packet(bytes), "IP 10.0.0.1:3490 > 10.0.0.2:40000 TCP [truncated: 10 of 20 bytes]");
}

TEST(FormatPacket, Icmp) {
  IcmpHeader echo{.type = ICMP_ECHO, .rest = IcmpHeader::echo(1, 2)};
  EXPECT_EQ(format_packet(packet(IpProto::ICMP, echo, 56)),
            "IP 10.0.0.1 > 10.0.0.2 ICMP echo request id 1 seq 2 len 56");
  EXPECT_EQ(format_icmp({.type = ICMP_DEST_UNREACH, .code = ICMP_FRAG_NEEDED, .rest = 1400}),
            "ICMP fragmentation needed mtu 1400");
  EXPECT_EQ(format_icmp({.type = ICMP_TIME_EXCEEDED, .code = ICMP_EXC_TTL}), "ICMP time exceeded in transit");
  EXPECT_EQ(format_icmp({.type = ICMP_REDIRECT, .code = 1, .rest = 0x0a000009}), "ICMP redirect code 1 to 10.0.0.9");
  EXPECT_EQ(format_icmp({.type = 42, .code = 1}), "ICMP type 42 code 1");
}

TEST(FormatPacket, IcmpErrorSaysWhatItQuotes) {
  auto bytes = packet(IpProto::ICMP, IcmpHeader{.type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH}, 28);
  auto quoted = packet(IpProto::UDP, UdpHeader{.source_port = 53, .destination_port = 9999}, 0);
  std::ranges::copy(quoted, bytes.begin() + 28);
  EXPECT_EQ(format_packet(bytes),
            "IP 10.0.0.1 > 10.0.0.2 ICMP port unreachable for IP 10.0.0.1:53 > 10.0.0.2:9999 UDP len 28");
}

TEST(FormatPacket, Udp) {
  UdpHeader udp{.source_port = 53, .destination_port = 40000, .length = 22};
  EXPECT_EQ(format_packet(packet(IpProto::UDP, udp, 14)), "IP 10.0.0.1:53 > 10.0.0.2:40000 UDP len 14");
  udp.length = 23;
  EXPECT_EQ(format_packet(packet(IpProto::UDP, udp, 14)), "IP 10.0.0.1:53 > 10.0.0.2:40000 UDP [bad length 23 of 22]");
  EXPECT_EQ(format_packet(packet(IpProto::UDP, udp, 14, {.id = 7, .more_fragments = true})),
            "IP 10.0.0.1:53 > 10.0.0.2:40000 UDP len 15 [fragment id 7 offset 0, more follow]");
  EXPECT_EQ(format_packet(packet(IpProto::UDP, udp, 14, {.id = 7, .fragment_offset = 1480})),
            "IP 10.0.0.1 > 10.0.0.2 UDP len 22 [fragment id 7 offset 1480]");
  EXPECT_EQ(format_udp({.source_port = 53, .destination_port = 54, .length = 7}), "53 > 54 UDP [bad length 7]");
}

TEST(FormatPacket, EcnAndOptionsShow) {
  UdpHeader udp{.source_port = 1, .destination_port = 2};
  EXPECT_EQ(format_packet(packet(IpProto::UDP, udp, 0, {.tos = INET_ECN_CE})),
            "IP 10.0.0.1:1 > 10.0.0.2:2 [ce] UDP len 0");
  EXPECT_EQ(format_packet(packet(IpProto::UDP, udp, 0, {.tos = 2})), "IP 10.0.0.1:1 > 10.0.0.2:2 [ect0] UDP len 0");
  EXPECT_EQ(format_packet(packet(IpProto::UDP, udp, 0, {.options = {0x94, 4}, .options_size = 4})),
            "IP 10.0.0.1:1 > 10.0.0.2:2 UDP len 0 [ip options 94040000]");
}

TEST(FormatPacket, HeadersAlone) {
  EXPECT_EQ(format_ipv4({.tos = 2,
                         .total_length = 60,
                         .id = 7,
                         .dont_fragment = true,
                         .protocol = 6,
                         .source = kA,
                         .destination = kB}),
            "IP 10.0.0.1 > 10.0.0.2 ttl 64 TCP id 7 tos 0x02 DF len 60");
  EXPECT_EQ(format_ipv6({.flow_label = 0xabc,
                         .payload_length = 20,
                         .next_header = 6,
                         .source = *parse_ip("fd00::2"),
                         .destination = *parse_ip("fd00::1")}),
            "IP6 fd00::2 > fd00::1 hlim 64 TCP flow 0x00abc len 20");
}

TEST(FormatFrame, Arp) {
  const MacAddress mac{{2, 0, 0, 0, 0, 1}};
  ArpPacket arp{.sender_mac = mac, .sender_ip = kA, .target_ip = kB};
  auto frame = [&] {
    std::vector<uint8_t> bytes;
    append(EthernetHeader{.source = mac, .ethertype = ETH_P_ARP}, bytes);
    append(arp, bytes);
    return bytes;
  };
  EXPECT_EQ(format_frame(frame()), "ARP who-has 10.0.0.2 tell 10.0.0.1");
  arp.operation = ARPOP_REPLY;
  EXPECT_EQ(format_frame(frame()), "ARP reply 10.0.0.1 is-at 02:00:00:00:00:01");
  arp.operation = 3;
  EXPECT_EQ(format_frame(frame()), "ARP op 3 10.0.0.1 > 10.0.0.2");
  auto wrong = frame();
  wrong[ETH_HLEN + 4] = 8;
  EXPECT_EQ(format_frame(wrong), "ARP [not for IPv4 over Ethernet]");
  wrong.resize(ETH_HLEN + 20);
  EXPECT_EQ(format_frame(wrong), "ARP [truncated: 20 of 28 bytes]");
}

TEST(FormatFrame, ByEthertype) {
  auto frame = [](uint16_t type, const std::vector<uint8_t>& payload) {
    std::vector<uint8_t> bytes;
    append(EthernetHeader{.destination = {{2, 0, 0, 0, 0, 1}}, .source = {{2, 0, 0, 0, 0, 2}}, .ethertype = type},
           bytes);
    return wire_test::join(bytes, payload);
  };
  auto ip = packet(IpProto::TCP, data_segment(), 14);
  EXPECT_EQ(format_frame(frame(ETH_P_IP, ip)), format_packet(ip));
  EXPECT_EQ(format_frame(frame(ETH_P_IPV6, ip)), "IP6 [bad version 4] len 66");
  EXPECT_EQ(format_frame(frame(0x88b5, ip)), "Ethernet 02:00:00:00:00:02 > 02:00:00:00:00:01 type 0x88b5 len 66");
  EXPECT_EQ(format_frame(ByteSpan(ip).first(13)), "Ethernet [truncated: 13 of 14 bytes]");
}

}  // namespace
}  // namespace glass
