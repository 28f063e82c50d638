// The socket options that mean the same to every transport: level SOL_SOCKET, and the IP header fields of level
// IPPROTO_IP.
//
//   Result<bool> known = sock_setsockopt(sk, name, value);    // true: done; false: not one of these
//   if (!known) return Err(known.error());
//
// Values are C ints unless said otherwise, as in setsockopt(2). A transport that has more to do for an option (starting
// a timer for SO_KEEPALIVE, say) handles that option before it asks here.
#pragma once
#include <optional>

#include "net/sock.h"

namespace glass {

// Linux's smallest buffers, by its truesize: SOCK_MIN_RCVBUF and SOCK_MIN_SNDBUF.
inline constexpr int32_t SOCK_MIN_RCVBUF = 2304, SOCK_MIN_SNDBUF = 4608;

// SO_RCVBUF, SO_SNDBUF (doubled, between the minimum and rmem_max / wmem_max), SO_REUSEADDR, SO_BROADCAST,
// SO_KEEPALIVE, SO_OOBINLINE, SO_LINGER. EINVAL: value too short. ENOPROTOOPT: can only be read.
Result<bool> sock_setsockopt(sock*, int name, std::span<const uint8_t> value);
// The above, and SO_ERROR (taken), SO_TYPE, SO_PROTOCOL, SO_DOMAIN. Bytes written; 0: not one of these.
Result<size_t> sock_getsockopt(sock*, int name, std::span<uint8_t> value);

// IP_TOS, IP_TTL, IP_MINTTL, IP_RECVERR, IP_FREEBIND.
Result<bool> ip_setsockopt(sock*, int name, std::span<const uint8_t> value);
Result<size_t> ip_getsockopt(const sock*, int name, std::span<uint8_t> value);

// A C int out of an option's value, nothing if it is too short; and into it, cut to its size.
std::optional<int> sockopt_int(std::span<const uint8_t> value);
std::optional<int> ip_sockopt_int(std::span<const uint8_t> value);  // at level IPPROTO_IP a single byte will do
size_t sockopt_put_int(std::span<uint8_t> value, int n);

}  // namespace glass
