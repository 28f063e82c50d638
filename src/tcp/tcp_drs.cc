// Dynamic right-sizing: the receive buffer follows what the application reads in one round trip (Linux's receive
// autotuning; net.ipv4.tcp_moderate_rcvbuf, tcp_rmem). SO_RCVBUF switches it off.
#include <algorithm>

#include "tcp/tcp_internal.h"

namespace glass {

namespace {

// A round trip as the receiver sees it, scaled by 8. Without timestamps it is only an upper bound (`win_dep`).
void rcv_rtt_update(tcp_sock* tp, uint32_t sample_us, bool win_dep) {
  uint32_t& rtt = tp->rcv_rtt_est.rtt_us;
  const uint32_t m = sample_us << 3;
  if (!rtt || m < rtt) {
    rtt = m;
  } else if (!win_dep && tp->rcv_nxt == tp->copied_seq) {  // while data lies unread the sender may just be waiting
    rtt = rtt - (rtt >> 3) + sample_us;
  }
}

}  // namespace

// Without timestamps: the time one window takes to arrive.
void tcp_rcv_rtt_measure(tcp_sock* tp) {
  auto& est = tp->rcv_rtt_est;
  if (est.time != Instant{}) {
    if (before(tp->rcv_nxt, est.seq)) return;
    rcv_rtt_update(tp, static_cast<uint32_t>(std::max<int64_t>(to_usecs(now_of(tp) - est.time), 1)), true);
  }
  est.seq = tp->rcv_nxt + tp->rcv_wnd;
  est.time = now_of(tp);
}

void tcp_rcv_rtt_measure_ts(tcp_sock* tp, const sk_buff& skb) {
  if (tp->rx_opt.rcv_tsecr == tp->rcv_rtt_last_tsecr) return;
  tp->rcv_rtt_last_tsecr = tp->rx_opt.rcv_tsecr;
  if (!tp->rx_opt.saw_tstamp || TCP_SKB_CB(&skb).end_seq - TCP_SKB_CB(&skb).seq < tp->icsk_ack.rcv_mss) return;
  const uint32_t delta_ms = tcp_time_stamp(tp) - tp->tsoffset - tp->rx_opt.rcv_tsecr;
  if (delta_ms > 0 && delta_ms < INT32_MAX / 1000) rcv_rtt_update(tp, delta_ms * 1000, false);
}

// `newval` bytes were read in a round trip, or wait behind a hole: is the buffer large enough for twice that?
void tcp_rcvbuf_grow(tcp_sock* tp, uint32_t newval) {
  const Sysctl& s = net_of(tp).sysctl;
  const uint32_t oldval = std::max(tp->rcvq_space.space, 1u);
  tp->rcvq_space.space = newval;
  if (!s.tcp_moderate_rcvbuf || (tp->sk_userlocks & SOCK_RCVBUF_LOCK)) return;
  uint64_t rcvwin = uint64_t{newval} << 1;                                  // the measurement is one round trip late
  if (newval > oldval) rcvwin += rcvwin * (newval - oldval) / oldval << 1;  // slow start doubles its rate
  if (tp->ext->ooo_count) rcvwin += TCP_SKB_CB(tp->ext->ooo_last_skb).end_seq - tp->rcv_nxt;
  const auto rcvbuf = static_cast<int64_t>(
      std::min<uint64_t>((rcvwin << 8) / std::max<int>(tp->scaling_ratio, 1), static_cast<uint64_t>(s.tcp_rmem[2])));
  if (rcvbuf <= tp->sk_rcvbuf) return;
  tp->sk_rcvbuf = static_cast<int32_t>(rcvbuf);
  tp->window_clamp = static_cast<uint32_t>(tcp_win_from_space(tp, tp->sk_rcvbuf));
}

void tcp_rcv_space_adjust(tcp_sock* tp) {
  PROBE(net_of(tp).trace);
  if (!tp->rcv_rtt_est.rtt_us) return;
  if (to_usecs(now_of(tp) - tp->rcvq_space.time) < tp->rcv_rtt_est.rtt_us >> 3) return;
  const uint32_t inq = tp->rcv_nxt - tp->copied_seq;  // what is not read was not asked for
  const auto copied = static_cast<int32_t>(tp->copied_seq - tp->rcvq_space.seq - inq);
  if (copied > static_cast<int32_t>(tp->rcvq_space.space)) tcp_rcvbuf_grow(tp, static_cast<uint32_t>(copied));
  tp->rcvq_space.seq = tp->copied_seq;
  tp->rcvq_space.time = now_of(tp);
}

}  // namespace glass
