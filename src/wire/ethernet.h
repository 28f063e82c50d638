// Ethernet II frames (RFC 894).
//
//   const ethhdr* eth = header_at<ethhdr>(frame);   if (eth && eth->h_proto == htons(ETH_P_IP)) ...
//   auto fields = EthernetHeader::parse(frame);     format_ethernet(*fields);   // "02:00:00:00:00:02 >
//   02:00:00:00:00:01 IPv4"
#pragma once
#include <string>

#include "base/ip_address.h"
#include "wire/bytes.h"

// A driver includes the kernel's own <linux/if_ether.h>, where these names are macros; include that header first.
#undef ETH_ALEN
#undef ETH_HLEN
#undef ETH_P_IP
#undef ETH_P_ARP
#undef ETH_P_8021Q
#undef ETH_P_IPV6

namespace glass {

inline constexpr size_t ETH_ALEN = 6;
inline constexpr size_t ETH_HLEN = 14;

// Host byte order.
inline constexpr uint16_t ETH_P_IP = 0x0800;
inline constexpr uint16_t ETH_P_ARP = 0x0806;
inline constexpr uint16_t ETH_P_8021Q = 0x8100;
inline constexpr uint16_t ETH_P_IPV6 = 0x86dd;

struct [[gnu::packed]] ethhdr {
  uint8_t h_dest[6];
  uint8_t h_source[6];
  uint16_t h_proto;

  MacAddress dest() const { return mac(h_dest); }
  MacAddress source() const { return mac(h_source); }
  void set_dest(const MacAddress& a) { std::memcpy(h_dest, a.bytes.data(), 6); }
  void set_source(const MacAddress& a) { std::memcpy(h_source, a.bytes.data(), 6); }

 private:
  static MacAddress mac(const uint8_t* p) {
    MacAddress a;
    std::memcpy(a.bytes.data(), p, 6);
    return a;
  }
};
static_assert(sizeof(ethhdr) == ETH_HLEN && alignof(ethhdr) == 1);

struct EthernetHeader {
  MacAddress destination{}, source{};
  uint16_t ethertype = 0;

  bool operator==(const EthernetHeader&) const = default;
  static std::optional<EthernetHeader> parse(ByteSpan frame);
  size_t size() const { return ETH_HLEN; }
  bool emit(MutableByteSpan out) const;  // false if `out` is too small
};

std::string format_ethernet(const EthernetHeader&);

}  // namespace glass
