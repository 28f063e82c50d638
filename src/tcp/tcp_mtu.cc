// From the path's MTU to the size of a segment (RFC 1191, RFC 6691).
#include <algorithm>

#include "tcp/tcp_internal.h"
#include "tcp/tcp_mtu_probe.h"

namespace glass {

uint32_t tcp_mtu_to_mss(const tcp_sock* tp, uint32_t pmtu) {
  constexpr uint32_t kHeaders = 40;  // IPv4 and TCP without options
  uint32_t mss = pmtu > kHeaders ? pmtu - kHeaders : 0;
  mss = std::min<uint32_t>(mss, tp->rx_opt.mss_clamp ? tp->rx_opt.mss_clamp : 65535);
  mss -= std::min<uint32_t>(mss, tp->icsk_ext_hdr_len);
  mss = std::max<uint32_t>(mss, static_cast<uint32_t>(net_of(tp).sysctl.tcp_min_snd_mss));
  return mss - (tp->tcp_header_len - static_cast<uint32_t>(sizeof(tcphdr)));
}

uint32_t tcp_mss_to_mtu(const tcp_sock* tp, uint32_t mss) {
  return mss + tp->tcp_header_len + tp->icsk_ext_hdr_len + 20;
}

uint32_t tcp_sync_mss(tcp_sock* tp, uint32_t pmtu) {
  tcp_mtup* mtup = tp->ext->icsk_mtup.get();
  if (mtup) mtup->search_high = std::min(mtup->search_high, pmtu);
  uint32_t mss = tcp_bound_to_half_wnd(tp, tcp_mtu_to_mss(tp, pmtu));
  tp->icsk_pmtu = pmtu;
  if (mtup && mtup->enabled) mss = std::min(mss, tcp_mtu_to_mss(tp, mtup->search_low));
  tp->mss_cache = static_cast<uint16_t>(mss);
  return mss;
}

// The MSS of the next segment: SACK blocks to send take their room from the data. A stale route is only noticed when
// a packet leaves.
uint32_t tcp_current_mss(tcp_sock* tp) {
  const dst_entry* dst = tp->sk_dst_cache;
  if (dst && dst->mtu != tp->icsk_pmtu) [[unlikely]]
    tcp_sync_mss(tp, dst->mtu);
  const uint32_t options = tcp_established_options_size(tp),
                 usual = tp->tcp_header_len - static_cast<uint32_t>(sizeof(tcphdr));
  return tp->mss_cache + usual - options;
}

}  // namespace glass
