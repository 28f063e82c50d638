// The IPv4 header (RFC 791 section 3.1; the second byte is RFC 2474's DSCP and RFC 3168's ECN).
//
//   const iphdr* iph = header_at<iphdr>(packet);
//   if (iph && iph->version() == 4 && iph->protocol == IpProto::TCP) tcp = packet.subspan(iph->ihl());
//
// ihl() counts bytes, ihl_words() counts as the packet does.
#pragma once
#include <array>
#include <string>

#include "base/checksum.h"
#include "base/ip_address.h"
#include "wire/bytes.h"

// Macros in <netinet/ip.h>; include that header first.
#undef IP_DF
#undef IP_MF

namespace glass {

// Protocol and next-header numbers (IANA). libc has enumerators and macros IPPROTO_*, so the family prefix is a type
// here; it compares with the byte of a header without a cast.
enum class IpProto : uint8_t {
  HOPOPTS = 0,
  ICMP = 1,
  IGMP = 2,
  IPIP = 4,
  TCP = 6,
  UDP = 17,
  IPV6 = 41,
  ROUTING = 43,
  FRAGMENT = 44,
  ESP = 50,
  AH = 51,
  ICMPV6 = 58,
  NONE = 59,
  DSTOPTS = 60,
  SCTP = 132,
  RAW = 255,
};
constexpr bool operator==(uint8_t byte, IpProto proto) { return byte == static_cast<uint8_t>(proto); }

// The bits of frag_off, host byte order.
inline constexpr uint16_t IP_DF = 0x4000;
inline constexpr uint16_t IP_MF = 0x2000;
inline constexpr uint16_t IP_OFFSET = 0x1fff;  // in units of 8 bytes

// The ECN field in the two low bits of tos (RFC 3168 section 5).
inline constexpr uint8_t INET_ECN_NOT_ECT = 0;
inline constexpr uint8_t INET_ECN_ECT_1 = 1;
inline constexpr uint8_t INET_ECN_ECT_0 = 2;
inline constexpr uint8_t INET_ECN_CE = 3;
inline constexpr uint8_t INET_ECN_MASK = 3;

inline constexpr size_t kIpv4MaxOptions = 40;

struct [[gnu::packed]] iphdr {
  uint8_t version_ihl;
  uint8_t tos;
  uint16_t tot_len;
  uint16_t id;
  uint16_t frag_off;
  uint8_t ttl;
  uint8_t protocol;
  uint16_t check;
  uint32_t saddr;
  uint32_t daddr;

  uint8_t version() const { return version_ihl >> 4; }
  uint8_t ihl_words() const { return version_ihl & 0xf; }
  size_t ihl() const { return ihl_words() * size_t{4}; }
  void set_version_ihl(size_t header_bytes) { version_ihl = static_cast<uint8_t>(0x40 | header_bytes / 4); }
  uint8_t ecn() const { return tos & INET_ECN_MASK; }
  bool is_fragment() const { return frag_off & htons(IP_MF | IP_OFFSET); }
  bool dont_fragment() const { return frag_off & htons(IP_DF); }
  bool more_fragments() const { return frag_off & htons(IP_MF); }
  size_t fragment_offset() const { return (ntohs(frag_off) & IP_OFFSET) * size_t{8}; }  // bytes
};
static_assert(sizeof(iphdr) == 20 && alignof(iphdr) == 1);

// 0 for a header with its right checksum; the value for `check` when that field is 0. Reads ihl() bytes.
inline uint16_t ip_fast_csum(const iphdr* iph) { return csum_fold(csum_partial(iph, iph->ihl(), 0)); }
// Writes the checksum of a finished header.
inline void ip_send_check(iphdr* iph) {
  iph->check = 0;
  iph->check = ip_fast_csum(iph);
}

struct Ipv4Header {
  uint8_t tos = 0;
  uint16_t total_length = 0;  // as on the wire: header and payload
  uint16_t id = 0;
  bool dont_fragment = false;
  bool more_fragments = false;
  uint16_t fragment_offset = 0;  // bytes, a multiple of 8
  uint8_t ttl = 64;
  uint8_t protocol = 0;
  uint16_t checksum = 0;  // host order, as it stands in the packet; not checked and not computed (see ip_send_check)
  IpAddress source = IpAddress::v4(0), destination = IpAddress::v4(0);
  std::array<uint8_t, kIpv4MaxOptions> options{};
  uint8_t options_size = 0;  // a multiple of 4

  bool operator==(const Ipv4Header&) const = default;
  ByteSpan option_bytes() const { return ByteSpan(options).first(options_size); }

  // nullopt if short, not version 4, or its length field is below 20 or beyond the packet. total_length is only
  // reported.
  static std::optional<Ipv4Header> parse(ByteSpan packet);
  size_t size() const { return sizeof(iphdr) + options_size; }
  // False if `out` is too small, options_size or fragment_offset is no multiple as stated, or an address is not IPv4.
  bool emit(MutableByteSpan out) const;
};

// "IP 10.0.0.1 > 10.0.0.2 ttl 64 proto TCP id 7 DF len 60"
std::string format_ipv4(const Ipv4Header&);

// "TCP", "UDP", …; "proto 200" for one without a name.
std::string format_ip_proto(uint8_t protocol);

}  // namespace glass
