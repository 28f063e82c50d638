#include "wire/ethernet.h"

#include <fmt/format.h>

namespace glass {

std::optional<EthernetHeader> EthernetHeader::parse(ByteSpan frame) {
  const ethhdr* eth = header_at<ethhdr>(frame);
  if (!eth) return std::nullopt;
  return EthernetHeader{.destination = eth->dest(), .source = eth->source(), .ethertype = ntohs(eth->h_proto)};
}

bool EthernetHeader::emit(MutableByteSpan out) const {
  ethhdr* eth = mutable_header_at<ethhdr>(out);
  if (!eth) return false;
  eth->set_dest(destination);
  eth->set_source(source);
  eth->h_proto = htons(ethertype);
  return true;
}

namespace {

std::string ethertype_name(uint16_t type) {
  switch (type) {
    case ETH_P_IP: return "IPv4";
    case ETH_P_ARP: return "ARP";
    case ETH_P_8021Q: return "802.1Q";
    case ETH_P_IPV6: return "IPv6";
    default: return fmt::format("type 0x{:04x}", type);
  }
}

}  // namespace

std::string format_ethernet(const EthernetHeader& h) {
  return fmt::format("{} > {} {}", to_string(h.source), to_string(h.destination), ethertype_name(h.ethertype));
}

}  // namespace glass
