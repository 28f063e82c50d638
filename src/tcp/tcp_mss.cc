// Segment sizes: what the route, the sysctls and TCP_MAXSEG allow (RFC 9293 section 3.7.1, RFC 6691).
#include <algorithm>

#include "tcp/tcp_internal.h"

namespace glass {

namespace {
constexpr uint32_t kHeaders = 40, kMaxPmtu = 65535;
}

uint32_t dst_metric_advmss(const net& n, const dst_entry* dst) {
  if (dst->metrics.advmss) return dst->metrics.advmss;
  const int64_t of_mtu = std::max<int64_t>(int64_t{dst->mtu} - kHeaders, n.sysctl.ip_rt_min_advmss);
  return static_cast<uint32_t>(std::min<int64_t>(of_mtu, kMaxPmtu - kHeaders));
}

uint32_t tcp_mss_clamp(const tcp_sock* tp, uint32_t mss) {
  const uint32_t user = tp->rx_opt.user_mss;
  return user && user < mss ? user : mss;
}

// The route may have become narrower since the connection began: a repeated SYN says so.
uint16_t tcp_advertise_mss(tcp_sock* tp) {
  if (tp->sk_dst_cache)
    tp->advmss = static_cast<uint16_t>(std::min<uint32_t>(tp->advmss, dst_metric_advmss(net_of(tp), tp->sk_dst_cache)));
  return tp->advmss;
}

// The guess at the peer's segment size that acknowledging begins with: rather too small.
void tcp_initialize_rcv_mss(tcp_sock* tp) {
  uint32_t hint = std::min<uint32_t>(tp->advmss, tp->mss_cache);
  hint = std::min({hint, tp->rcv_wnd / 2, 536u});
  tp->icsk_ack.rcv_mss = static_cast<uint16_t>(std::max(hint, 88u));
}

}  // namespace glass
