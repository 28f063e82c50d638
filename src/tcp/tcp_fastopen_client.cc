// The client of TCP Fast Open (RFC 7413 section 4.1): whether the SYN takes data and which cookie, what the SYN-ACK
// says of both, and when to leave it be because a middlebox swallows such connections.
#include <algorithm>
#include <cstring>

#include "tcp/tcp_fastopen.h"
#include "tcp/tcp_internal.h"
#include "tcp/tcp_metrics.h"

namespace glass {

namespace {

// After a black hole Fast Open rests for tcp_fastopen_blackhole_timeout_sec, twice as long each further time, at most
// 64 times as long.
bool active_should_disable(tcp_sock* tp) {
  const int64_t seconds = net_of(tp).sysctl.tcp_fastopen_blackhole_timeout_sec;
  const TcpFastopenPause& pause = tp->tcp().fastopen_pause;
  if (!seconds || !pause.times) return false;
  const int64_t factor = int64_t{1} << std::min<uint32_t>(pause.times - 1, 6);
  if (now_of(tp) < pause.since + std::chrono::seconds(factor * seconds)) return true;
  tp->syn_fastopen_ch = true;  // a success of this one ends the pauses
  return false;
}

}  // namespace

// May data go with the SYN? `mss` and `cookie` become what is remembered of the destination.
bool tcp_fastopen_cookie_check(tcp_sock* tp, uint16_t& mss, tcp_fastopen_cookie& cookie) {
  tcp_fastopen_cache_get(tp, mss, cookie);
  if (active_should_disable(tp)) {
    cookie.len = -1;
    return false;
  }
  if (tcp_fastopen_no_cookie(tp, TFO_CLIENT_NO_COOKIE)) {
    cookie.len = -1;
    return true;
  }
  if (cookie.len > 0) return true;
  cookie.len = 0;  // asks for one
  tp->fastopen_client_fail = TFO_COOKIE_UNAVAILABLE;
  return false;
}

// TCP_FASTOPEN_CONNECT: with a cookie at hand connect() waits for the first write; otherwise its SYN asks for one.
bool tcp_fastopen_defer_connect(tcp_sock* tp) {
  if (!tp->fastopen_connect || tp->ext->fastopen_req) return false;
  uint16_t mss = 0;
  tcp_fastopen_cookie cookie;
  cookie.len = 0;
  if (tcp_fastopen_cookie_check(tp, mss, cookie)) {
    tp->defer_connect = true;
    return true;
  }
  tp->ext.make().fastopen_req = std::make_unique<tcp_fastopen_request>();
  tp->ext->fastopen_req->cookie = cookie;
  return false;
}

namespace {

// The MSS of the SYN-ACK itself: TCP_MAXSEG may have lowered what was taken from it.
uint16_t mss_of_synack(const tcp_sock* tp, const Skb& synack) {
  if (tp->rx_opt.mss_clamp != tp->rx_opt.user_mss) return tp->rx_opt.mss_clamp;
  return parse_tcp_options(tcp_hdr(*synack).option_bytes()).mss.value_or(0);
}

// Data of the SYN that the SYN-ACK does not acknowledge goes out at once.
void retransmit_syn_data(tcp_sock* tp) {
  tp->fastopen_client_fail = tp->total_retrans ? TFO_SYN_RETRANSMITTED : TFO_DATA_NOT_ACKED;
  for (sk_buff* s = tp->tcp_rtx_queue.front(); s; s = s->next) tcp_mark_skb_lost(tp, s);
  tcp_non_congestion_loss_retransmit(tp);
  count(tp, Mib::TcpExtTCPFastOpenActiveFail);
}

}  // namespace

bool tcp_rcv_fastopen_synack(tcp_sock* tp, const Skb& synack, tcp_fastopen_cookie& cookie) {
  const bool data_left = tp->syn_data && !tp->tcp_rtx_queue.empty();
  uint8_t try_exp = 0;
  bool syn_lost = false;
  if (!tp->syn_fastopen)
    cookie.len = -1;  // nobody asked
  else if (tp->total_retrans)
    syn_lost = cookie.len < 0 && data_left;  // only the repeated, plain SYN seems to have arrived
  else if (cookie.len < 0 && !tp->syn_data)
    try_exp = tp->syn_fastopen_exp ? 2 : 1;  // no answer to the request: try the other option once
  tcp_fastopen_cache_set(tp, mss_of_synack(tp, synack), cookie, syn_lost, try_exp);
  if (data_left) {
    retransmit_syn_data(tp);
    return true;
  }
  tp->syn_data_acked = tp->syn_data;
  if (tp->syn_data_acked) {
    count(tp, Mib::TcpExtTCPFastOpenActive);
    if (tp->delivered > 1) --tp->delivered;  // SYN and data were one packet
  }
  tcp_fastopen_add_skb(tp, synack);
  return false;
}

void tcp_fastopen_active_disable(tcp_sock* tp) {
  if (!net_of(tp).sysctl.tcp_fastopen_blackhole_timeout_sec) return;
  TcpFastopenPause& pause = tp->tcp().fastopen_pause;
  pause.since = now_of(tp);
  ++pause.times;
  count(tp, Mib::TcpExtTCPFastOpenBlackhole);
}

// When the connection ends: a FIN out of order and nothing else means that the data between was swallowed.
void tcp_fastopen_active_disable_ofo_check(tcp_sock* tp) {
  if (!tp->syn_fastopen) return;
  if (!tp->data_segs_in) {
    if (tp->ext->ooo_count == 1 && (TCP_SKB_CB(tp->ext->ooo_last_skb).tcp_flags & TCPHDR_FIN))
      tcp_fastopen_active_disable(tp);
  } else if (tp->syn_fastopen_ch && !tp->skc_daddr.is_loopback()) {
    tp->tcp().fastopen_pause.times = 0;
  }
}

void tcp_fastopen_active_detect_blackhole(tcp_sock* tp, bool expired) {
  const bool active = tp->syn_fastopen || tp->syn_data || tp->syn_data_acked;
  if (!active || !(tp->icsk_retransmits == 2 || (tp->icsk_retransmits < 2 && expired))) return;
  tcp_fastopen_active_disable(tp);
  count(tp, Mib::TcpExtTCPFastOpenActiveFail);
}

}  // namespace glass
