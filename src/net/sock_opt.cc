#include "net/sock_opt.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "net/sk_error_queue.h"

namespace glass {

namespace {

void set_flag(sock* sk, uint8_t flag, bool on) {
  sk->sk_flags = static_cast<uint8_t>(on ? sk->sk_flags | flag : sk->sk_flags & ~flag);
}

// Doubled because the limit counts what packets cost, not what they carry. Negative sizes mean "as much as possible",
// as in Linux.
int32_t buffer_size(int asked, int64_t limit, int32_t minimum) {
  const int64_t wanted = asked < 0 ? limit : std::min<int64_t>(asked, limit);
  const int64_t doubled = std::min<int64_t>(wanted * 2, std::numeric_limits<int32_t>::max());
  return std::max(static_cast<int32_t>(doubled), minimum);
}

Result<bool> set_linger(sock* sk, std::span<const uint8_t> value) {
  linger l;
  if (value.size() < sizeof l) return Err(EINVAL);
  std::memcpy(&l, value.data(), sizeof l);
  sk->sk_linger = l.l_onoff != 0;
  sk->sk_lingertime = static_cast<uint16_t>(std::clamp(l.l_linger, 0, 65535));
  return true;
}

size_t get_linger(const sock* sk, std::span<uint8_t> value) {
  const linger l{sk->sk_linger, sk->sk_lingertime};
  const size_t n = std::min(value.size(), sizeof l);
  std::memcpy(value.data(), &l, n);
  return n;
}

// What `ss -m` shows, in the order of linux/sock_diag.h. There is no memory between stack and socket here and no
// backlog queue, and what a device still has of a packet is not charged.
size_t get_meminfo(const sock* sk, std::span<uint8_t> value) {
  const uint32_t fields[9] = {static_cast<uint32_t>(sk->sk_rmem_alloc),
                              static_cast<uint32_t>(sk->sk_rcvbuf),
                              0,
                              static_cast<uint32_t>(sk->sk_sndbuf),
                              static_cast<uint32_t>(sk->sk_forward_alloc),
                              static_cast<uint32_t>(sk->sk_wmem_queued),
                              sk->sk_ext ? sk->sk_ext->sk_omem_alloc : 0};
  const size_t n = std::min(value.size(), sizeof fields);
  std::memcpy(value.data(), fields, n);
  return n;
}

// A pending error is reported once; failing that, one that alone would not have ended anything.
int take_error(sock* sk) {
  if (const int error = sock_error(sk)) return error;
  const int soft = sk->sk_err_soft;
  sk->sk_err_soft = 0;
  return soft;
}

int type_of(const sock* sk) { return sk->skc_protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM; }

}  // namespace

std::optional<int> sockopt_int(std::span<const uint8_t> value) {
  int n;
  if (value.size() < sizeof n) return std::nullopt;
  std::memcpy(&n, value.data(), sizeof n);
  return n;
}

std::optional<int> ip_sockopt_int(std::span<const uint8_t> value) {
  const std::optional<int> n = sockopt_int(value);
  return n || value.empty() ? n : value[0];
}

size_t sockopt_put_int(std::span<uint8_t> value, int n) {
  const size_t size = std::min(value.size(), sizeof n);
  std::memcpy(value.data(), &n, size);
  return size;
}

Result<bool> sock_setsockopt(sock* sk, int name, std::span<const uint8_t> value) {
  if (name == SO_LINGER) return set_linger(sk, value);
  const std::optional<int> n = sockopt_int(value);
  if (!n) return Err(EINVAL);
  const Sysctl& sysctl = sk->ns().sysctl;
  switch (name) {
    case SO_RCVBUF:
      sk->sk_userlocks |= SOCK_RCVBUF_LOCK;
      sk->sk_rcvbuf = buffer_size(*n, sysctl.rmem_max, SOCK_MIN_RCVBUF);
      return true;
    case SO_RCVBUFFORCE:
      sk->sk_userlocks |= SOCK_RCVBUF_LOCK;
      sk->sk_rcvbuf = buffer_size(std::max(*n, 0), std::numeric_limits<int32_t>::max(), SOCK_MIN_RCVBUF);
      return true;
    case SO_SNDBUFFORCE:
      sk->sk_userlocks |= SOCK_SNDBUF_LOCK;
      sk->sk_sndbuf = buffer_size(std::max(*n, 0), std::numeric_limits<int32_t>::max(), SOCK_MIN_SNDBUF);
      sock_def_write_space(sk);
      return true;
    case SO_SNDBUF:
      sk->sk_userlocks |= SOCK_SNDBUF_LOCK;
      sk->sk_sndbuf = buffer_size(*n, sysctl.wmem_max, SOCK_MIN_SNDBUF);
      sock_def_write_space(sk);
      return true;
    case SO_REUSEADDR: sk->skc_reuse = *n != 0; return true;
    case SO_BROADCAST: set_flag(sk, SOCK_BROADCAST, *n); return true;
    case SO_KEEPALIVE: set_flag(sk, SOCK_KEEPOPEN, *n); return true;
    case SO_OOBINLINE: set_flag(sk, SOCK_URGINLINE, *n); return true;
    case SO_RCVLOWAT: sk->sk_rcvlowat = *n < 0 ? INT32_MAX : std::max(*n, 1); return true;
    case SO_PEEK_OFF: sk->sk_peek_off = *n; return true;
    case SO_ERROR:
    case SO_TYPE:
    case SO_PROTOCOL:
    case SO_DOMAIN:
    case SO_ACCEPTCONN: return Err(ENOPROTOOPT);
    default: return sock_ext_setsockopt(sk, name, *n);
  }
}

Result<size_t> sock_getsockopt(sock* sk, int name, std::span<uint8_t> value) {
  switch (name) {
    case SO_RCVBUF: return sockopt_put_int(value, sk->sk_rcvbuf);
    case SO_SNDBUF: return sockopt_put_int(value, sk->sk_sndbuf);
    case SO_REUSEADDR: return sockopt_put_int(value, sk->skc_reuse);
    case SO_BROADCAST: return sockopt_put_int(value, sock_flag(sk, SOCK_BROADCAST));
    case SO_KEEPALIVE: return sockopt_put_int(value, sock_flag(sk, SOCK_KEEPOPEN));
    case SO_OOBINLINE: return sockopt_put_int(value, sock_flag(sk, SOCK_URGINLINE));
    case SO_RCVLOWAT: return sockopt_put_int(value, sk->sk_rcvlowat);
    case SO_PEEK_OFF: return sockopt_put_int(value, sk->sk_peek_off);
    case SO_LINGER: return get_linger(sk, value);
    case SO_MEMINFO: return get_meminfo(sk, value);
    case SO_ERROR: return sockopt_put_int(value, take_error(sk));
    case SO_TYPE: return sockopt_put_int(value, type_of(sk));
    case SO_PROTOCOL: return sockopt_put_int(value, sk->skc_protocol);
    case SO_DOMAIN: return sockopt_put_int(value, sk->skc_family);
    default: {
      const std::optional<int> rare = sock_ext_getsockopt(sk, name);
      return rare ? sockopt_put_int(value, *rare) : size_t{0};
    }
  }
}

Result<bool> ip_setsockopt(sock* sk, int name, std::span<const uint8_t> value) {
  if (name != IP_TOS && name != IP_TTL && name != IP_MINTTL && name != IP_RECVERR && name != IP_FREEBIND) return false;
  std::optional<int> n = ip_sockopt_int(value);
  if (!n) return Err(EINVAL);
  constexpr int kEcn = 3;
  switch (name) {
    case IP_TOS:
      // A stream's ECN bits are its transport's business.
      if (sk->skc_protocol == IPPROTO_TCP) n = (*n & ~kEcn) | (sk->sk_tos & kEcn);
      sk->sk_tos = static_cast<uint8_t>(*n);
      return true;
    case IP_TTL:
      if (*n != -1 && (*n < 1 || *n > 255)) return Err(EINVAL);
      sk->sk_ttl = static_cast<uint8_t>(*n == -1 ? 0 : *n);
      return true;
    case IP_RECVERR:
      if (*n || sk->sk_ext) sock_ext_of(sk).recverr = *n != 0;
      return true;
    case IP_FREEBIND: sk->sk_freebind = *n != 0; return true;
    default:
      if (*n < 0 || *n > 255) return Err(EINVAL);
      sk->sk_min_ttl = static_cast<uint8_t>(*n);
      return true;
  }
}

Result<size_t> ip_getsockopt(const sock* sk, int name, std::span<uint8_t> value) {
  switch (name) {
    case IP_TOS: return sockopt_put_int(value, sk->sk_tos);
    case IP_TTL:
      return sockopt_put_int(value, sk->sk_ttl ? sk->sk_ttl : static_cast<int>(sk->ns().sysctl.ip_default_ttl));
    case IP_MINTTL: return sockopt_put_int(value, sk->sk_min_ttl);
    case IP_FREEBIND: return sockopt_put_int(value, sk->sk_freebind);
    case IP_RECVERR: return sockopt_put_int(value, sk->sk_ext && sk->sk_ext->recverr);
    default: return size_t{0};
  }
}

}  // namespace glass
