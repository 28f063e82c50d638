#include "wire/ipv4.h"

#include <fmt/format.h>

#include <algorithm>

namespace glass {

std::optional<Ipv4Header> Ipv4Header::parse(ByteSpan packet) {
  const iphdr* iph = header_at<iphdr>(packet);
  if (!iph || iph->version() != 4 || iph->ihl() < sizeof(iphdr) || iph->ihl() > packet.size()) return std::nullopt;
  Ipv4Header fields{.tos = iph->tos,
                    .total_length = ntohs(iph->tot_len),
                    .id = ntohs(iph->id),
                    .dont_fragment = iph->dont_fragment(),
                    .more_fragments = iph->more_fragments(),
                    .fragment_offset = static_cast<uint16_t>(iph->fragment_offset()),
                    .ttl = iph->ttl,
                    .protocol = iph->protocol,
                    .checksum = ntohs(iph->check),
                    .source = IpAddress::v4_from_wire(iph->saddr),
                    .destination = IpAddress::v4_from_wire(iph->daddr),
                    .options_size = static_cast<uint8_t>(iph->ihl() - sizeof(iphdr))};
  std::ranges::copy(packet.subspan(sizeof(iphdr), fields.options_size), fields.options.begin());
  return fields;
}

bool Ipv4Header::emit(MutableByteSpan out) const {
  if (options_size > kIpv4MaxOptions || options_size % 4 || fragment_offset % 8) return false;
  if (!source.is_v4() || !destination.is_v4() || out.size() < size()) return false;
  iphdr* iph = mutable_header_at<iphdr>(out);
  iph->set_version_ihl(size());
  iph->tos = tos;
  iph->tot_len = htons(total_length);
  iph->id = htons(id);
  iph->frag_off =
      htons(static_cast<uint16_t>((dont_fragment ? IP_DF : 0) | (more_fragments ? IP_MF : 0) | fragment_offset / 8));
  iph->ttl = ttl;
  iph->protocol = protocol;
  iph->check = htons(checksum);
  iph->saddr = source.v4_wire();
  iph->daddr = destination.v4_wire();
  std::ranges::copy(option_bytes(), out.begin() + sizeof(iphdr));
  return true;
}

std::string format_ip_proto(uint8_t protocol) {
  switch (IpProto{protocol}) {
    case IpProto::HOPOPTS: return "hop-by-hop";
    case IpProto::ICMP: return "ICMP";
    case IpProto::IGMP: return "IGMP";
    case IpProto::IPIP: return "IPIP";
    case IpProto::TCP: return "TCP";
    case IpProto::UDP: return "UDP";
    case IpProto::IPV6: return "IPv6";
    case IpProto::ROUTING: return "routing";
    case IpProto::FRAGMENT: return "fragment";
    case IpProto::ESP: return "ESP";
    case IpProto::AH: return "AH";
    case IpProto::ICMPV6: return "ICMP6";
    case IpProto::NONE: return "no-next-header";
    case IpProto::DSTOPTS: return "destination-options";
    case IpProto::SCTP: return "SCTP";
    case IpProto::RAW: break;
  }
  return fmt::format("proto {}", protocol);
}

std::string format_ipv4(const Ipv4Header& h) {
  std::string line = fmt::format("IP {} > {} ttl {} {} id {}", to_string(h.source), to_string(h.destination), h.ttl,
                                 format_ip_proto(h.protocol), h.id);
  if (h.tos) line += fmt::format(" tos 0x{:02x}", h.tos);
  if (h.dont_fragment) line += " DF";
  if (h.more_fragments) line += " MF";
  if (h.fragment_offset) line += fmt::format(" offset {}", h.fragment_offset);
  if (h.options_size) line += fmt::format(" options {}", h.options_size);
  return line + fmt::format(" len {}", h.total_length);
}

}  // namespace glass
