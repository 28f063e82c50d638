// The receive window: how much is offered, how it grows with the application's pace, what happens when memory runs
// short (RFC 9293 section 3.8.6, RFC 7323 section 2, Linux's autotuning).
#include <algorithm>
#include <bit>

#include "tcp/tcp_internal.h"

namespace glass {

uint32_t tcp_receive_window(const tcp_sock* tp) {
  const auto win = static_cast<int32_t>((tp->rcv_wup + tp->rcv_wnd) - tp->rcv_nxt);
  return win < 0 ? 0 : static_cast<uint32_t>(win);
}

void tcp_select_initial_window(const net& n, int space_in, uint32_t mss, uint32_t& rcv_wnd, uint32_t& window_clamp,
                               bool wscale_ok, uint8_t& rcv_wscale) {
  if (!window_clamp) window_clamp = 65535u << TCP_MAX_WSCALE;
  uint32_t space = std::min(window_clamp, static_cast<uint32_t>(std::max(space_in, 0)));
  if (space > mss) space -= space % mss;
  rcv_wnd = space;
  rcv_wscale = 0;
  if (wscale_ok) {
    int64_t most = std::max<int64_t>({space, n.sysctl.tcp_rmem[2], n.sysctl.rmem_max});
    most = std::min<int64_t>(most, window_clamp);
    const int bits = most > 0 ? 63 - std::countl_zero(static_cast<uint64_t>(most)) : 0;
    rcv_wscale = static_cast<uint8_t>(std::clamp(bits - 15, 0, int{TCP_MAX_WSCALE}));
  }
  window_clamp = std::min(65535u << rcv_wscale, window_clamp);
}

// RFC 9293 section 3.8.6.2.2: no silly windows; RFC 7323: nothing the scale cannot say.
uint32_t __tcp_select_window(tcp_sock* tp) {
  int mss = tp->icsk_ack.rcv_mss;
  int free_space = tcp_space(tp);
  const int allowed = tcp_full_space(tp);
  const int full_space = std::min(static_cast<int>(tp->window_clamp), allowed);
  if (mss > full_space) {
    mss = full_space;
    if (mss <= 0) return 0;
  }
  if (free_space < full_space >> 1) {
    tp->icsk_ack.quick = 0;
    // Less than a sixteenth of the buffer, or less than a segment: close the window rather than dribble.
    free_space = std::max(free_space, 0) & ~((1 << tp->rx_opt.rcv_wscale) - 1);
    if (free_space < allowed >> 4 || free_space < mss) return 0;
  }
  free_space = std::min(free_space, static_cast<int>(tp->rcv_ssthresh));
  if (tp->rx_opt.rcv_wscale) {
    const int unit = 1 << tp->rx_opt.rcv_wscale;
    return static_cast<uint32_t>((free_space + unit - 1) & ~(unit - 1));
  }
  int window = static_cast<int>(tp->rcv_wnd);
  if (window <= free_space - mss || window > free_space)
    window = free_space / mss * mss;
  else if (mss == full_space && free_space > window + (full_space >> 1))
    window = free_space;
  return static_cast<uint32_t>(window);
}

uint16_t tcp_select_window(tcp_sock* tp) {
  const uint32_t old_window = tp->rcv_wnd;
  if (tp->icsk_ack.pending & ICSK_ACK_NOMEM) {
    tp->pred_flags = 0;
    tp->rcv_wnd = 0;
    tp->rcv_wup = tp->rcv_nxt;
    return 0;
  }
  const uint32_t current = tcp_receive_window(tp);
  uint32_t window = __tcp_select_window(tp);
  if (window < current) {  // RFC 9293 section 3.8.6.2.1: never shrink what was offered
    if (!window) count(tp, Mib::TcpExtTCPWantZeroWindowAdv);
    const uint32_t unit = 1u << tp->rx_opt.rcv_wscale;
    window = (current + unit - 1) & ~(unit - 1);
  }
  tp->rcv_wnd = window;
  tp->rcv_wup = tp->rcv_nxt;
  window = std::min(window, 65535u << tp->rx_opt.rcv_wscale) >> tp->rx_opt.rcv_wscale;
  if (!window) {
    tp->pred_flags = 0;
    if (old_window) count(tp, Mib::TcpExtTCPToZeroWindowAdv);
  } else if (!old_window) {
    count(tp, Mib::TcpExtTCPFromZeroWindowAdv);
  }
  return static_cast<uint16_t>(window);
}

void tcp_init_buffer_space(tcp_sock* tp) {
  if (!(tp->sk_userlocks & SOCK_SNDBUF_LOCK)) tcp_sndbuf_expand(tp);
  const auto max_win = static_cast<uint32_t>(tcp_full_space(tp));
  tp->rcvq_space = {tp->copied_seq, std::min({tp->rcv_wnd, TCP_INIT_CWND * tp->advmss}), now_of(tp)};
  if (tp->window_clamp >= max_win) tp->window_clamp = max_win;
  // One segment is held in reserve, so that the window never promises the last of the buffer.
  const uint32_t least = 2u * tp->advmss;
  if (net_of(tp).sysctl.tcp_app_win && tp->window_clamp > least && tp->window_clamp + tp->advmss > max_win)
    tp->window_clamp = std::max(least, max_win - tp->advmss);
  tp->rcv_ssthresh = std::min(tp->rcv_ssthresh, tp->window_clamp);
}

namespace {
// The window must not be promised faster than packets' overhead allows: large ones let it grow by two segments each.
uint32_t grow_step(const tcp_sock* tp, const RcvSegment& skb) {
  int64_t truesize = tcp_win_from_space(tp, static_cast<int>(skb.truesize)) >> 1;
  int64_t window = tcp_win_from_space(tp, static_cast<int>(net_of(tp).sysctl.tcp_rmem[2])) >> 1;
  while (tp->rcv_ssthresh <= window) {
    if (truesize <= skb.len) return 2u * tp->icsk_ack.rcv_mss;
    truesize >>= 1;
    window >>= 1;
  }
  return 0;
}
}  // namespace

void tcp_grow_window(tcp_sock* tp, const RcvSegment& skb) {
  const int64_t room = std::min<int64_t>(tp->window_clamp, tcp_space(tp)) - tp->rcv_ssthresh;
  if (room <= 0) return;
  const uint32_t step = tcp_win_from_space(tp, static_cast<int>(skb.truesize)) <= static_cast<int>(skb.len)
                            ? 2u * tp->advmss
                            : grow_step(tp, skb);
  if (!step) return;
  const uint32_t grown = std::max(step, 2 * skb.len);
  tp->icsk_ack.quick |= 1;
  tp->rcv_ssthresh += static_cast<uint32_t>(std::min<int64_t>(room, grown));
}

namespace {
void rcv_rtt_update(tcp_sock* tp, uint32_t sample_us, bool win_dep) {
  const uint32_t before_it = tp->rcv_rtt_est.rtt_us;
  const uint32_t m = std::max(sample_us, 1u);
  if (before_it && !win_dep)
    tp->rcv_rtt_est.rtt_us = before_it - (before_it >> 3) + m;
  else if (!before_it || m << 3 < before_it)
    tp->rcv_rtt_est.rtt_us = m << 3;
}
}  // namespace

// Without timestamps: the time one window takes to arrive.
void tcp_rcv_rtt_measure(tcp_sock* tp) {
  auto& est = tp->rcv_rtt_est;
  if (est.time != Instant{}) {
    if (before(tp->rcv_nxt, est.seq)) return;
    rcv_rtt_update(tp, static_cast<uint32_t>(to_usecs(now_of(tp) - est.time)), true);
  }
  est.seq = tp->rcv_nxt + tp->rcv_wnd;
  est.time = now_of(tp);
}

void tcp_rcv_rtt_measure_ts(tcp_sock* tp, const sk_buff& skb) {
  if (!tp->rx_opt.rcv_tsecr || !tp->rx_opt.saw_tstamp) return;
  if (TCP_SKB_CB(&skb).end_seq - TCP_SKB_CB(&skb).seq < tp->icsk_ack.rcv_mss) return;
  const int64_t delta = tcp_rtt_tsopt_us(tp);
  if (delta >= 0) rcv_rtt_update(tp, static_cast<uint32_t>(delta), false);
}

// Dynamic right-sizing: what the application read in one round trip, doubled, is what the window should hold.
void tcp_rcv_space_adjust(tcp_sock* tp) {
  PROBE(net_of(tp).trace);
  const int64_t elapsed = to_usecs(now_of(tp) - tp->rcvq_space.time);
  if (elapsed < tp->rcv_rtt_est.rtt_us >> 3 || !tp->rcv_rtt_est.rtt_us) return;
  const int64_t copied = tp->copied_seq - tp->rcvq_space.seq;
  if (copied > tp->rcvq_space.space) {
    if (net_of(tp).sysctl.tcp_moderate_rcvbuf && !(tp->sk_userlocks & SOCK_RCVBUF_LOCK)) {
      int64_t rcvwin = (copied << 1) + 16 * tp->advmss;
      rcvwin += rcvwin * (copied - tp->rcvq_space.space) / std::max(tp->rcvq_space.space, 1u) * 2;
      const int64_t needed = (rcvwin << 8) / std::max<int>(tp->scaling_ratio, 1);
      const int64_t rcvbuf = std::min(needed, net_of(tp).sysctl.tcp_rmem[2]);
      if (rcvbuf > tp->sk_rcvbuf) {
        tp->sk_rcvbuf = static_cast<int32_t>(rcvbuf);
        tp->window_clamp = static_cast<uint32_t>(tcp_win_from_space(tp, static_cast<int>(rcvbuf)));
      }
    }
    tp->rcvq_space.space = static_cast<uint32_t>(copied);
  }
  tp->rcvq_space.seq = tp->copied_seq;
  tp->rcvq_space.time = now_of(tp);
}

// RFC 1122 section 4.2.3.2 wants an ACK every second full segment: how large are the peer's?
void tcp_measure_rcv_mss(tcp_sock* tp, const RcvSegment& skb) {
  const uint32_t last = tp->icsk_ack.last_seg_size;
  tp->icsk_ack.last_seg_size = 0;
  const uint32_t len = skb.gso_size ? skb.gso_size : skb.len;
  if (len >= tp->icsk_ack.rcv_mss) {
    if (skb.truesize) {
      const uint64_t ratio = (uint64_t{skb.len} << 8) / skb.truesize;
      const auto scaled = static_cast<uint8_t>(std::clamp<uint64_t>(ratio, 1, 255));
      if (scaled != tp->scaling_ratio) {
        tp->scaling_ratio = scaled;
        if (!(tp->sk_userlocks & SOCK_RCVBUF_LOCK))
          tp->window_clamp = static_cast<uint32_t>(tcp_win_from_space(tp, tp->sk_rcvbuf));
      }
    }
    tp->icsk_ack.rcv_mss = static_cast<uint16_t>(std::min<uint32_t>(len, tp->advmss));
    return;
  }
  if (len >= 536 - 40 + 88 || (len >= 88 && !(skb.tcp_flags & ~(TCPHDR_ACK | TCPHDR_PSH)))) {
    // Twice the same size below the estimate: the peer's segments are that small.
    tp->icsk_ack.last_seg_size = static_cast<uint16_t>(std::min<uint32_t>(len, 65535));
    if (len == last) {
      tp->icsk_ack.rcv_mss = static_cast<uint16_t>(len);
      return;
    }
  }
  // A short segment ends a write: the application's read may answer it at once.
  if (tp->icsk_ack.pending & ICSK_ACK_PUSHED) tp->icsk_ack.pending |= ICSK_ACK_PUSHED2;
  tp->icsk_ack.pending |= ICSK_ACK_PUSHED;
}

namespace {

void grow_receive_buffer(tcp_sock* tp) {
  const int64_t most = net_of(tp).sysctl.tcp_rmem[2];
  if (tp->sk_rcvbuf < most && !(tp->sk_userlocks & SOCK_RCVBUF_LOCK))
    tp->sk_rcvbuf = static_cast<int32_t>(std::min<int64_t>(most, tp->sk_rmem_alloc));
}

}  // namespace

bool tcp_try_rmem_schedule(tcp_sock* tp, const sk_buff& skb) {
  const auto charge = static_cast<int32_t>(skb.truesize);
  if (tp->sk_rmem_alloc + charge <= tp->sk_rcvbuf) return true;
  if (tp->sk_rmem_alloc == 0) return true;  // one segment always fits, or a small buffer would never take any
  count(tp, Mib::TcpExtPruneCalled);
  if (tp->sk_rmem_alloc >= tp->sk_rcvbuf) grow_receive_buffer(tp);
  if (tp->sk_rmem_alloc <= tp->sk_rcvbuf) return true;
  if (tp->ooo_count && after(TCP_SKB_CB(&skb).seq, tp->rcv_nxt) == false) {
    // In-order data is worth more than what waits behind a hole (RFC 2018 section 8 allows to forget it).
    count(tp, Mib::TcpExtOfoPruned, tp->ooo_count);
    tcp_ofo_purge(tp, DROP(TCP_OFO_QUEUE_PRUNE));
    if (tp->sk_rmem_alloc <= tp->sk_rcvbuf) return true;
  }
  count(tp, Mib::TcpExtRcvPruned);
  tp->pred_flags = 0;
  return false;
}

}  // namespace glass
