#include "wire/ipv6.h"

#include <fmt/format.h>

#include "wire/ipv4.h"

namespace glass {

std::optional<Ipv6Header> Ipv6Header::parse(ByteSpan packet) {
  const ipv6hdr* ip6 = header_at<ipv6hdr>(packet);
  if (!ip6 || ip6->version() != 6) return std::nullopt;
  return Ipv6Header{.traffic_class = ip6->traffic_class(),
                    .flow_label = ip6->flow_label(),
                    .payload_length = ntohs(ip6->payload_len),
                    .next_header = ip6->nexthdr,
                    .hop_limit = ip6->hop_limit,
                    .source = ip6->source(),
                    .destination = ip6->destination()};
}

bool Ipv6Header::emit(MutableByteSpan out) const {
  ipv6hdr* ip6 = mutable_header_at<ipv6hdr>(out);
  if (!ip6) return false;
  ip6->set_ver_tc_flow(traffic_class, flow_label);
  ip6->payload_len = htons(payload_length);
  ip6->nexthdr = next_header;
  ip6->hop_limit = hop_limit;
  std::memcpy(ip6->saddr, source.bytes.data(), 16);
  std::memcpy(ip6->daddr, destination.bytes.data(), 16);
  return true;
}

std::string format_ipv6(const Ipv6Header& h) {
  std::string line = fmt::format("IP6 {} > {} hlim {} {}", to_string(h.source), to_string(h.destination), h.hop_limit,
                                 format_ip_proto(h.next_header));
  if (h.traffic_class) line += fmt::format(" tclass 0x{:02x}", h.traffic_class);
  if (h.flow_label) line += fmt::format(" flow 0x{:05x}", h.flow_label);
  return line + fmt::format(" len {}", h.payload_length);
}

}  // namespace glass
