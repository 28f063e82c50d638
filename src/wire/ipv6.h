// The IPv6 header (RFC 8200 section 3).
//
//   const ipv6hdr* ip6 = header_at<ipv6hdr>(packet);
//   auto fields = Ipv6Header::parse(packet);   format_ipv6(*fields);   // "IP6 fd00::2 > fd00::1 hlim 64 next TCP len
//   20"
#pragma once
#include <string>

#include "base/ip_address.h"
#include "wire/bytes.h"

namespace glass {

struct [[gnu::packed]] ipv6hdr {
  uint32_t ver_tc_flow;
  uint16_t payload_len;
  uint8_t nexthdr;
  uint8_t hop_limit;
  uint8_t saddr[16];
  uint8_t daddr[16];

  uint8_t version() const { return static_cast<uint8_t>(ntohl(ver_tc_flow) >> 28); }
  uint8_t traffic_class() const { return static_cast<uint8_t>(ntohl(ver_tc_flow) >> 20); }
  uint32_t flow_label() const { return ntohl(ver_tc_flow) & 0xfffff; }
  void set_ver_tc_flow(uint8_t traffic_class_byte, uint32_t label) {
    ver_tc_flow = htonl(6u << 28 | uint32_t{traffic_class_byte} << 20 | (label & 0xfffff));
  }
  IpAddress source() const { return address(saddr); }
  IpAddress destination() const { return address(daddr); }

 private:
  static IpAddress address(const uint8_t* p) {
    IpAddress a;
    std::memcpy(a.bytes.data(), p, 16);
    return a;
  }
};
static_assert(sizeof(ipv6hdr) == 40 && alignof(ipv6hdr) == 1);

struct Ipv6Header {
  uint8_t traffic_class = 0;
  uint32_t flow_label = 0;      // 20 bits
  uint16_t payload_length = 0;  // all that follows this header
  uint8_t next_header = 0;
  uint8_t hop_limit = 64;
  IpAddress source{}, destination{};

  bool operator==(const Ipv6Header&) const = default;
  static std::optional<Ipv6Header> parse(ByteSpan packet);  // nullopt if short or not version 6
  size_t size() const { return sizeof(ipv6hdr); }
  bool emit(MutableByteSpan out) const;  // false if `out` is too small
};

std::string format_ipv6(const Ipv6Header&);

}  // namespace glass
