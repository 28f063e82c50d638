// Which port a socket gets when it does not ask for one (RFC 6056).
//
// Ports of the parity the range begins with go to connect(), the others to bind(), so that neither eats up the other's;
// each falls back on the other half when its own is full.
#include <algorithm>

#include "tcp/tcp_hashtables.h"
#include "tcp/tcp_internal.h"

namespace glass {

namespace {

struct PortRange {
  uint32_t low, size;
};

PortRange local_port_range(const net& n) {
  const auto low = static_cast<uint32_t>(n.sysctl.ip_local_port_range_low),
             high = static_cast<uint32_t>(n.sysctl.ip_local_port_range_high);
  const uint32_t size = high >= low ? high - low + 1 : 1;
  return {low, size > 1 ? size & ~1u : size};
}

// Every second port from `offset` on, once around; what is found, or nothing.
template <class Free>
std::optional<uint32_t> scan(const PortRange& range, uint32_t offset, const Free& is_free) {
  for (uint32_t i = 0; i < range.size; i += 2) {
    const uint32_t at = (offset + i) % range.size;
    if (is_free(static_cast<uint16_t>(range.low + at))) return i;
  }
  return std::nullopt;
}

// Is the address pair taken? An entry in TIME_WAIT gives way if the new connection cannot be mistaken for the old one
// (RFC 6191); the new one then goes on from its numbers.
bool tuple_in_use(Tcp& tcp, tcp_sock* tp, uint16_t port, uint32_t& hash, bool chosen_here) {
  inet_hashinfo& t = tcp.hashinfo();
  hash = t.ehashfn(tcp.ns(), tp->skc_rcv_saddr, port, tp->skc_daddr, tp->skc_dport);
  sock_common* other = t.lookup_established(hash, tp->skc_rcv_saddr, port, tp->skc_daddr, tp->skc_dport);
  if (!other) return false;
  if (other->skc_state != tcp_state::TIME_WAIT) return true;
  auto* tw = static_cast<tcp_timewait_sock*>(other);
  if (!tcp_twsk_unique(tp, tw, chosen_here)) return true;
  tcp.ns().trace.count(Mib::TcpExtTWRecycled);
  tcp_timewait_kill(tcp, tw);
  return false;
}

}  // namespace

// A port the application has asked for is reused whenever timestamps keep the two connections apart, one that is chosen
// here only after tcp_tw_reuse_delay and if tcp_tw_reuse says so (2: on loopback).
bool tcp_twsk_unique(tcp_sock* tp, const tcp_timewait_sock* tw, bool chosen_here) {
  const Sysctl& s = net_of(tp).sysctl;
  int64_t reuse = s.tcp_tw_reuse;
  if (tw->tw_substate == tcp_state::FIN_WAIT2) reuse = 0;
  if (reuse == 2 && !tp->skc_daddr.is_loopback() && !tp->skc_rcv_saddr.is_loopback()) reuse = 0;
  if (!tw->tw_ts_recent_stamp) return false;
  const bool old_enough = now_of(tp) - tw->tw_entry_stamp > std::chrono::milliseconds(s.tcp_tw_reuse_delay);
  if (chosen_here && !(reuse && old_enough)) return false;
  tp->write_seq = tw->tw_snd_nxt + 65535 + 2;
  if (!tp->write_seq.v) tp->write_seq.v = 1;
  tp->rx_opt.ts_recent = tw->tw_ts_recent;
  tp->rx_opt.ts_recent_stamp = tw->tw_ts_recent_stamp;
  return true;
}

// RFC 6056 section 3.3.4: begins at a hash of the addresses plus a counter that moves on with every port given out to
// destinations with the same hash.
Result<uint16_t> inet_hash_connect(Tcp& tcp, tcp_sock* tp, uint32_t& hash) {
  if (tcp_has_port(tp)) {
    if (tuple_in_use(tcp, tp, tp->skc_num, hash, false)) return Err(EADDRNOTAVAIL);
    return tp->skc_num;
  }
  net& n = tcp.ns();
  const PortRange range = local_port_range(n);
  const uint64_t port_offset = secure_ipv4_port_ephemeral(n, *tp);
  uint32_t& perturb = tcp.port_perturb(static_cast<uint32_t>(port_offset));
  uint32_t offset = (perturb + static_cast<uint32_t>(port_offset >> 32)) % range.size & ~1u;
  const auto is_free = [&](uint16_t port) {
    return !tcp.hashinfo().port_is_bound(port) && !tuple_in_use(tcp, tp, port, hash, true);
  };
  std::optional<uint32_t> tried = scan(range, offset, is_free);
  if (!tried && range.size > 1) tried = scan(range, ++offset, is_free);
  if (!tried) return Err(EADDRNOTAVAIL);
  const auto port = static_cast<uint16_t>(range.low + (offset + *tried) % range.size);
  perturb += std::max(*tried, 2 * n.rng.below(8)) + 2;
  return port;
}

// A port for bind(): of the other parity first, and with SO_REUSEADDR from the lower half of the range first.
Result<uint16_t> inet_csk_find_open_port(Tcp& tcp, const tcp_sock* tp, const IpAddress& address) {
  const PortRange whole = local_port_range(tcp.ns());
  const uint32_t half = tp->skc_reuse && whole.size >= 4 ? whole.size / 4 * 2 : 0;
  const auto is_free = [&](uint16_t port) { return !tcp.hashinfo().bind_conflict(tp, address, port); };
  for (const PortRange& range : {PortRange{whole.low, half}, PortRange{whole.low + half, whole.size - half}}) {
    if (!range.size) continue;
    uint32_t offset = tcp.ns().rng.below(range.size) | 1;
    std::optional<uint32_t> tried = scan(range, offset, is_free);
    if (!tried) tried = scan(range, --offset, is_free);
    if (tried) return static_cast<uint16_t>(range.low + (offset + *tried) % range.size);
  }
  return Err(EADDRINUSE);
}

}  // namespace glass
