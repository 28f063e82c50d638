#include "wire/format_packet.h"

#include <fmt/format.h>

#include <algorithm>

#include "wire/arp.h"
#include "wire/ethernet.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/udp.h"

namespace glass {

namespace {

// What both families' headers come to.
struct Layer3 {
  const char* family = "";
  bool is_v6 = false;
  IpAddress source{}, destination{};
  uint8_t protocol = 0;
  uint8_t ecn = 0;
  bool is_fragment = false;
  bool more_fragments = false;
  uint32_t fragment_id = 0;
  size_t fragment_offset = 0;
  ByteSpan options{};         // IPv4's
  ByteSpan payload{};         // the transport's header and data, as far as held
  size_t payload_length = 0;  // … as stated by the headers
  std::string error{};        // non-empty: nothing beyond the addresses can be read
};

std::string addresses(const Layer3& l3) {
  return fmt::format("{} {} > {}", l3.family, to_string(l3.source), to_string(l3.destination));
}

std::string endpoint(const IpAddress& address, uint16_t port) {
  return fmt::format(fmt::runtime(address.is_v4() ? "{}:{}" : "[{}]:{}"), to_string(address), port);
}

bool has_ports(const Layer3& l3) {
  bool transport = l3.protocol == IpProto::TCP || l3.protocol == IpProto::UDP;
  return transport && l3.fragment_offset == 0 && l3.payload.size() >= 4;
}

// "IP 10.0.0.1:1 > 10.0.0.2:2", without ports where there are none.
std::string endpoints(const Layer3& l3) {
  if (!has_ports(l3)) return addresses(l3);
  const uint8_t* p = l3.payload.data();
  return fmt::format("{} {} > {}", l3.family, endpoint(l3.source, load_be16(p)),
                     endpoint(l3.destination, load_be16(p + 2)));
}

Layer3 read_ipv4(const iphdr& iph, ByteSpan packet) {
  Layer3 l3{.family = "IP",
            .source = IpAddress::v4_from_wire(iph.saddr),
            .destination = IpAddress::v4_from_wire(iph.daddr),
            .protocol = iph.protocol,
            .ecn = iph.ecn(),
            .is_fragment = iph.is_fragment(),
            .more_fragments = iph.more_fragments(),
            .fragment_id = ntohs(iph.id),
            .fragment_offset = iph.fragment_offset()};
  size_t total = ntohs(iph.tot_len);
  if (iph.ihl() < sizeof(iphdr) || iph.ihl() > packet.size()) {
    l3.error = fmt::format("[bad header length {} of {}]", iph.ihl(), packet.size());
  } else if (total < iph.ihl()) {
    l3.error = fmt::format("[bad total length {}]", total);
  } else {
    l3.payload_length = total - iph.ihl();
    l3.options = packet.subspan(sizeof(iphdr), iph.ihl() - sizeof(iphdr));
    l3.payload = packet.subspan(iph.ihl());
    l3.payload = l3.payload.first(std::min(l3.payload.size(), l3.payload_length));
  }
  return l3;
}

bool is_extension(uint8_t next) {
  return next == IpProto::HOPOPTS || next == IpProto::ROUTING || next == IpProto::DSTOPTS || next == IpProto::FRAGMENT;
}

// Steps over one extension header (RFC 8200 section 4). False if it is not all there.
bool skip_extension(Layer3& l3) {
  if (l3.payload.size() < 8) return false;
  size_t length = 8;
  if (l3.protocol == IpProto::FRAGMENT) {
    uint16_t offset = load_be16(&l3.payload[2]);
    l3.is_fragment = true;
    l3.more_fragments = offset & 1;
    l3.fragment_offset = offset & 0xfff8u;
    l3.fragment_id = load_be32(&l3.payload[4]);
  } else {
    length += l3.payload[1] * size_t{8};
  }
  if (length > l3.payload.size()) return false;
  l3.protocol = l3.payload[0];
  l3.payload = l3.payload.subspan(length);
  l3.payload_length -= length;
  return true;
}

Layer3 read_ipv6(const ipv6hdr& ip6, ByteSpan packet) {
  Layer3 l3{.family = "IP6",
            .is_v6 = true,
            .source = ip6.source(),
            .destination = ip6.destination(),
            .protocol = ip6.nexthdr,
            .ecn = static_cast<uint8_t>(ip6.traffic_class() & INET_ECN_MASK),
            .payload = packet.subspan(sizeof(ipv6hdr)),
            .payload_length = ntohs(ip6.payload_len)};
  l3.payload = l3.payload.first(std::min(l3.payload.size(), l3.payload_length));
  while (is_extension(l3.protocol) && l3.fragment_offset == 0) {
    if (skip_extension(l3)) continue;
    l3.error = fmt::format("{} [truncated: {} bytes]", format_ip_proto(l3.protocol), l3.payload.size());
    break;
  }
  return l3;
}

std::string format_udp_datagram(const Layer3& l3) {
  const udphdr* uh = header_at<udphdr>(l3.payload);
  if (!uh) return fmt::format("UDP [truncated: {} of 8 bytes]", l3.payload.size());
  size_t length = ntohs(uh->len);
  // The first fragment of a datagram states the length of the whole.
  if (length < sizeof(udphdr) || (length > l3.payload_length && !l3.is_fragment))
    return fmt::format("UDP [bad length {} of {}]", length, l3.payload_length);
  return fmt::format("UDP len {}", length - sizeof(udphdr));
}

// The packet an ICMP error quotes: " for IP 10.0.0.1:1 > 10.0.0.2:2 TCP seq 7". At least 8 bytes of transport are there
// by RFC 792.
std::string format_quoted(ByteSpan quoted) {
  const iphdr* iph = header_at<iphdr>(quoted);
  if (!iph || iph->version() != 4) return fmt::format(" [quotes {} bytes]", quoted.size());
  Layer3 l3 = read_ipv4(*iph, quoted);
  std::string text = fmt::format(" for {} {}", endpoints(l3), format_ip_proto(l3.protocol));
  if (l3.protocol == IpProto::TCP && l3.fragment_offset == 0 && l3.payload.size() >= 8)
    text += fmt::format(" seq {}", load_be32(&l3.payload[4]));
  return text;
}

std::string format_icmp_message(const Layer3& l3) {
  auto icmp = IcmpHeader::parse(l3.payload);
  if (!icmp) return fmt::format("ICMP [truncated: {} of 8 bytes]", l3.payload.size());
  std::string text = format_icmp(*icmp);
  if (icmp_is_error(icmp->type)) text += format_quoted(l3.payload.subspan(sizeof(icmphdr)));
  return text + fmt::format(" len {}", l3.payload_length - sizeof(icmphdr));
}

std::string icmpv6_name(uint8_t type, uint8_t code) {
  switch (type) {
    case 1: return fmt::format("unreachable code {}", code);
    case 2: return "packet too big";
    case 3: return fmt::format("time exceeded code {}", code);
    case 4: return fmt::format("parameter problem code {}", code);
    case 128: return "echo request";
    case 129: return "echo reply";
    case 133: return "router solicitation";
    case 134: return "router advertisement";
    case 135: return "neighbor solicitation";
    case 136: return "neighbor advertisement";
    case 137: return "redirect";
    default: return fmt::format("type {} code {}", type, code);
  }
}

// RFC 4443 and, for types 133 to 137, RFC 4861.
std::string format_icmpv6_message(const Layer3& l3) {
  ByteSpan m = l3.payload;
  if (m.size() < 8) return fmt::format("ICMP6 [truncated: {} of 8 bytes]", m.size());
  std::string text = "ICMP6 " + icmpv6_name(m[0], m[1]);
  if (m[0] == 128 || m[0] == 129) text += fmt::format(" id {} seq {}", load_be16(&m[4]), load_be16(&m[6]));
  if (m[0] == 2) text += fmt::format(" mtu {}", load_be32(&m[4]));
  if ((m[0] == 135 || m[0] == 136) && m.size() >= 24) {
    IpAddress target;
    std::ranges::copy(m.subspan(8, 16), target.bytes.begin());
    text += " target " + to_string(target);
  }
  return text + fmt::format(" len {}", l3.payload_length - 8);
}

std::string format_transport(const Layer3& l3, const SeqBase& base) {
  if (l3.fragment_offset == 0) {
    if (l3.protocol == IpProto::TCP) return format_tcp_segment(l3.payload, l3.payload_length, base);
    if (l3.protocol == IpProto::UDP) return format_udp_datagram(l3);
    if (l3.protocol == IpProto::ICMP && !l3.is_v6) return format_icmp_message(l3);
    if (l3.protocol == IpProto::ICMPV6 && l3.is_v6) return format_icmpv6_message(l3);
  }
  return fmt::format("{} len {}", format_ip_proto(l3.protocol), l3.payload_length);
}

std::string format_layer3(const Layer3& l3, const SeqBase& base) {
  static constexpr const char* kEcn[] = {"", " [ect1]", " [ect0]", " [ce]"};
  if (!l3.error.empty()) return addresses(l3) + " " + l3.error;
  std::string line = endpoints(l3) + kEcn[l3.ecn] + " " + format_transport(l3, base);
  if (!l3.options.empty()) line += fmt::format(" [ip options {:02x}]", fmt::join(l3.options, ""));
  if (l3.is_fragment) {
    line += fmt::format(" [fragment id {} offset {}{}]", l3.fragment_id, l3.fragment_offset,
                        l3.more_fragments ? ", more follow" : "");
  }
  return line;
}

std::string format_ipv4_packet(ByteSpan packet, const SeqBase& base) {
  const iphdr* iph = header_at<iphdr>(packet);
  if (!iph) return fmt::format("IP [truncated: {} of 20 bytes]", packet.size());
  if (iph->version() != 4) return fmt::format("IP [bad version {}] len {}", iph->version(), packet.size());
  return format_layer3(read_ipv4(*iph, packet), base);
}

std::string format_ipv6_packet(ByteSpan packet, const SeqBase& base) {
  const ipv6hdr* ip6 = header_at<ipv6hdr>(packet);
  if (!ip6) return fmt::format("IP6 [truncated: {} of 40 bytes]", packet.size());
  if (ip6->version() != 6) return fmt::format("IP6 [bad version {}] len {}", ip6->version(), packet.size());
  return format_layer3(read_ipv6(*ip6, packet), base);
}

std::string format_arp_packet(ByteSpan packet) {
  if (auto arp = ArpPacket::parse(packet)) return format_arp(*arp);
  if (packet.size() < sizeof(arphdr)) return fmt::format("ARP [truncated: {} of 28 bytes]", packet.size());
  return "ARP [not for IPv4 over Ethernet]";
}

}  // namespace

std::string format_packet(ByteSpan l3_packet, const SeqBase& base) {
  if (l3_packet.empty()) return "IP [empty]";
  return l3_packet[0] >> 4 == 6 ? format_ipv6_packet(l3_packet, base) : format_ipv4_packet(l3_packet, base);
}

std::string format_frame(ByteSpan l2_frame, const SeqBase& base) {
  auto eth = EthernetHeader::parse(l2_frame);
  if (!eth) return fmt::format("Ethernet [truncated: {} of 14 bytes]", l2_frame.size());
  ByteSpan payload = l2_frame.subspan(ETH_HLEN);
  switch (eth->ethertype) {
    case ETH_P_IP: return format_ipv4_packet(payload, base);
    case ETH_P_IPV6: return format_ipv6_packet(payload, base);
    case ETH_P_ARP: return format_arp_packet(payload);
    default: return fmt::format("Ethernet {} len {}", format_ethernet(*eth), payload.size());
  }
}

}  // namespace glass
