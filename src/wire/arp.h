// ARP for IPv4 over Ethernet (RFC 826).
//
//   auto arp = ArpPacket::parse(payload);   format_arp(*arp);   // "ARP who-has 10.0.0.2 tell 10.0.0.1"
#pragma once
#include <string>

#include "base/ip_address.h"
#include "wire/bytes.h"

// Macros in <linux/if_arp.h> and <net/if_arp.h>; include those headers first.
#undef ARPHRD_ETHER
#undef ARPOP_REQUEST
#undef ARPOP_REPLY

namespace glass {

// Host byte order.
inline constexpr uint16_t ARPHRD_ETHER = 1;
inline constexpr uint16_t ARPOP_REQUEST = 1;
inline constexpr uint16_t ARPOP_REPLY = 2;

// Linux's arphdr ends after ar_op; here the addresses follow, as ar_hln = 6 and ar_pln = 4 lay them out.
struct [[gnu::packed]] arphdr {
  uint16_t ar_hrd;
  uint16_t ar_pro;
  uint8_t ar_hln;
  uint8_t ar_pln;
  uint16_t ar_op;
  uint8_t ar_sha[6];
  uint32_t ar_sip;
  uint8_t ar_tha[6];
  uint32_t ar_tip;

  // Whether the fixed fields say Ethernet and IPv4: only then do the addresses mean anything.
  bool is_ethernet_ipv4() const {
    return ar_hrd == htons(ARPHRD_ETHER) && ar_pro == htons(0x0800) && ar_hln == 6 && ar_pln == 4;
  }
};
static_assert(sizeof(arphdr) == 28 && alignof(arphdr) == 1);

struct ArpPacket {
  uint16_t operation = ARPOP_REQUEST;
  MacAddress sender_mac{};
  IpAddress sender_ip = IpAddress::v4(0);
  MacAddress target_mac{};
  IpAddress target_ip = IpAddress::v4(0);

  bool operator==(const ArpPacket&) const = default;
  static std::optional<ArpPacket> parse(ByteSpan packet);  // nullopt if short or not Ethernet/IPv4
  size_t size() const { return sizeof(arphdr); }
  bool emit(MutableByteSpan out) const;  // false if `out` is too small or an address is not IPv4
};

std::string format_arp(const ArpPacket&);

}  // namespace glass
