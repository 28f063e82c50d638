// ICMP for IPv4 (RFC 792, RFC 1122 section 3.2.2, RFC 1191 for the next-hop MTU).
//
//   const icmphdr* icmph = header_at<icmphdr>(payload);
//   auto icmp = IcmpHeader::parse(payload);   format_icmp(*icmp);   // "ICMP echo request id 1 seq 2"
#pragma once
#include <string>

#include "base/ip_address.h"
#include "wire/bytes.h"

namespace glass {

inline constexpr uint8_t ICMP_ECHOREPLY = 0;
inline constexpr uint8_t ICMP_DEST_UNREACH = 3;
inline constexpr uint8_t ICMP_SOURCE_QUENCH = 4;
inline constexpr uint8_t ICMP_REDIRECT = 5;
inline constexpr uint8_t ICMP_ECHO = 8;
inline constexpr uint8_t ICMP_TIME_EXCEEDED = 11;
inline constexpr uint8_t ICMP_PARAMETERPROB = 12;
inline constexpr uint8_t ICMP_TIMESTAMP = 13;
inline constexpr uint8_t ICMP_TIMESTAMPREPLY = 14;
inline constexpr uint8_t ICMP_INFO_REQUEST = 15;
inline constexpr uint8_t ICMP_INFO_REPLY = 16;
inline constexpr uint8_t ICMP_ADDRESS = 17;
inline constexpr uint8_t ICMP_ADDRESSREPLY = 18;
inline constexpr uint8_t NR_ICMP_TYPES = 18;

// Codes of ICMP_DEST_UNREACH.
inline constexpr uint8_t ICMP_NET_UNREACH = 0;
inline constexpr uint8_t ICMP_HOST_UNREACH = 1;
inline constexpr uint8_t ICMP_PROT_UNREACH = 2;
inline constexpr uint8_t ICMP_PORT_UNREACH = 3;
inline constexpr uint8_t ICMP_FRAG_NEEDED = 4;
inline constexpr uint8_t ICMP_SR_FAILED = 5;
inline constexpr uint8_t ICMP_NET_UNKNOWN = 6;
inline constexpr uint8_t ICMP_HOST_UNKNOWN = 7;
inline constexpr uint8_t ICMP_HOST_ISOLATED = 8;
inline constexpr uint8_t ICMP_NET_ANO = 9;
inline constexpr uint8_t ICMP_HOST_ANO = 10;
inline constexpr uint8_t ICMP_NET_UNR_TOS = 11;
inline constexpr uint8_t ICMP_HOST_UNR_TOS = 12;
inline constexpr uint8_t ICMP_PKT_FILTERED = 13;
inline constexpr uint8_t ICMP_PREC_VIOLATION = 14;
inline constexpr uint8_t ICMP_PREC_CUTOFF = 15;
inline constexpr uint8_t NR_ICMP_UNREACH = 15;

// Codes of ICMP_REDIRECT.
inline constexpr uint8_t ICMP_REDIR_NET = 0;
inline constexpr uint8_t ICMP_REDIR_HOST = 1;
inline constexpr uint8_t ICMP_REDIR_NETTOS = 2;
inline constexpr uint8_t ICMP_REDIR_HOSTTOS = 3;

// Codes of ICMP_TIME_EXCEEDED.
inline constexpr uint8_t ICMP_EXC_TTL = 0;
inline constexpr uint8_t ICMP_EXC_FRAGTIME = 1;

struct [[gnu::packed]] icmphdr {
  uint8_t type;
  uint8_t code;
  uint16_t checksum;
  union [[gnu::packed]] {
    struct [[gnu::packed]] {
      uint16_t id;
      uint16_t sequence;
    } echo;
    uint32_t gateway;
    struct [[gnu::packed]] {
      uint16_t unused;
      uint16_t mtu;
    } frag;
    uint8_t reserved[4];
  } un;
};
static_assert(sizeof(icmphdr) == 8 && alignof(icmphdr) == 1);

// Whether a message of this type quotes the packet that caused it (RFC 1122 section 3.2.2).
constexpr bool icmp_is_error(uint8_t type) {
  return type == ICMP_DEST_UNREACH || type == ICMP_SOURCE_QUENCH || type == ICMP_REDIRECT ||
         type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETERPROB;
}

struct IcmpHeader {
  uint8_t type = 0;
  uint8_t code = 0;
  uint16_t checksum = 0;  // host order, not checked and not computed
  uint32_t rest = 0;      // the four bytes after the checksum, host order

  bool operator==(const IcmpHeader&) const = default;
  uint16_t id() const { return static_cast<uint16_t>(rest >> 16); }
  uint16_t sequence() const { return static_cast<uint16_t>(rest); }
  uint16_t mtu() const { return static_cast<uint16_t>(rest); }
  static constexpr uint32_t echo(uint16_t id, uint16_t sequence) { return uint32_t{id} << 16 | sequence; }

  static std::optional<IcmpHeader> parse(ByteSpan message);  // nullopt if shorter than 8 bytes
  size_t size() const { return sizeof(icmphdr); }
  bool emit(MutableByteSpan out) const;  // false if `out` is too small
};

std::string format_icmp(const IcmpHeader&);

}  // namespace glass
