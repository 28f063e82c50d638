// The UDP header (RFC 768).
//
//   const udphdr* uh = header_at<udphdr>(payload);
//   auto udp = UdpHeader::parse(payload);   format_udp(*udp);   // "53 > 40000 UDP len 14"
#pragma once
#include <string>

#include "base/ip_address.h"
#include "wire/bytes.h"

namespace glass {

struct [[gnu::packed]] udphdr {
  uint16_t source;
  uint16_t dest;
  uint16_t len;
  uint16_t check;
};
static_assert(sizeof(udphdr) == 8 && alignof(udphdr) == 1);

struct UdpHeader {
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  uint16_t length = sizeof(udphdr);  // as on the wire: header and payload; parse() only reports it
  uint16_t checksum = 0;             // host order, 0 = none; not checked and not computed

  bool operator==(const UdpHeader&) const = default;
  static std::optional<UdpHeader> parse(ByteSpan datagram);  // nullopt if shorter than 8 bytes
  size_t size() const { return sizeof(udphdr); }
  bool emit(MutableByteSpan out) const;  // false if `out` is too small
};

std::string format_udp(const UdpHeader&);

}  // namespace glass
