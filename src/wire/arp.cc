#include "wire/arp.h"

#include <fmt/format.h>

namespace glass {

std::optional<ArpPacket> ArpPacket::parse(ByteSpan packet) {
  const arphdr* arp = header_at<arphdr>(packet);
  if (!arp || !arp->is_ethernet_ipv4()) return std::nullopt;
  ArpPacket fields{.operation = ntohs(arp->ar_op),
                   .sender_ip = IpAddress::v4_from_wire(arp->ar_sip),
                   .target_ip = IpAddress::v4_from_wire(arp->ar_tip)};
  std::memcpy(fields.sender_mac.bytes.data(), arp->ar_sha, 6);
  std::memcpy(fields.target_mac.bytes.data(), arp->ar_tha, 6);
  return fields;
}

bool ArpPacket::emit(MutableByteSpan out) const {
  arphdr* arp = mutable_header_at<arphdr>(out);
  if (!arp || !sender_ip.is_v4() || !target_ip.is_v4()) return false;
  arp->ar_hrd = htons(ARPHRD_ETHER);
  arp->ar_pro = htons(0x0800);
  arp->ar_hln = 6;
  arp->ar_pln = 4;
  arp->ar_op = htons(operation);
  std::memcpy(arp->ar_sha, sender_mac.bytes.data(), 6);
  arp->ar_sip = sender_ip.v4_wire();
  std::memcpy(arp->ar_tha, target_mac.bytes.data(), 6);
  arp->ar_tip = target_ip.v4_wire();
  return true;
}

std::string format_arp(const ArpPacket& a) {
  switch (a.operation) {
    case ARPOP_REQUEST: return fmt::format("ARP who-has {} tell {}", to_string(a.target_ip), to_string(a.sender_ip));
    case ARPOP_REPLY: return fmt::format("ARP reply {} is-at {}", to_string(a.sender_ip), to_string(a.sender_mac));
    default: return fmt::format("ARP op {} {} > {}", a.operation, to_string(a.sender_ip), to_string(a.target_ip));
  }
}

}  // namespace glass
