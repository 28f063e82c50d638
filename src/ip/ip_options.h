// IPv4 options in received headers (RFC 791 section 3.1): checked, and filled in where they ask for it; and the options
// an answer carries back.
#pragma once
#include <array>
#include <optional>

#include "ip/ip.h"
#include "wire/ipv4.h"

namespace glass {

inline constexpr uint8_t IPOPT_END = 0, IPOPT_NOOP = 1, IPOPT_RR = 7, IPOPT_TIMESTAMP = 0x44, IPOPT_SEC = 0x82;
inline constexpr uint8_t IPOPT_LSRR = 0x83, IPOPT_CIPSO = 0x86, IPOPT_SID = 0x88, IPOPT_SSRR = 0x89, IPOPT_RA = 0x94;
inline constexpr uint8_t IPOPT_COPY = 0x80;  // repeated in every fragment

struct IpOptions {
  uint8_t srr = 0, rr = 0, ts = 0, cipso = 0;  // offset from the start of the IP header; 0: not there
};

// Where the header is wrong, as an offset from its start; nothing if it is right. Record route and timestamp are filled
// in with `own` and the time. The header must be writable.
std::optional<uint8_t> ip_options_compile(Ip&, iphdr*, const IpAddress& own, IpOptions&);

struct IpOptionBytes {
  std::array<uint8_t, kIpv4MaxOptions> bytes{};
  uint8_t size = 0;  // a multiple of 4
  std::span<const uint8_t> span() const { return {bytes.data(), size}; }
};
// What an answer to a packet with this (compiled) header carries: its record route and timestamp, with `own` noted once
// more for the way back.
IpOptionBytes ip_options_echo(Ip&, const iphdr*, const IpAddress& own);

// Turns the options that belong only into the first fragment into no-ops.
void ip_options_fragment(std::span<uint8_t> options);

// Milliseconds since midnight, network order (RFC 791 internet timestamp).
uint32_t inet_current_timestamp(const net&);

}  // namespace glass
