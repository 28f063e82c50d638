// The receive window: how much is offered, and how it grows with what arrives (RFC 9293 section 3.8.6, RFC 7323
// section 2). How the buffer behind it grows: tcp_drs.cc; what happens when it is full: tcp_collapse.cc.
#include <algorithm>
#include <bit>

#include "net/sock_opt.h"
#include "tcp/tcp_internal.h"

namespace glass {

static constexpr uint32_t MAX_TCP_WINDOW = 32767;  // to a peer that may take 16 bits for signed

uint32_t tcp_receive_window(const tcp_sock* tp) {
  const auto win = static_cast<int32_t>((tp->rcv_wup + tp->rcv_wnd) - tp->rcv_nxt);
  return win < 0 ? 0 : static_cast<uint32_t>(win);
}

void tcp_select_initial_window(const net& n, int space_in, uint32_t mss, uint32_t& rcv_wnd, uint32_t& window_clamp,
                               bool wscale_ok, uint8_t& rcv_wscale) {
  if (!window_clamp) window_clamp = 65535u << TCP_MAX_WSCALE;
  uint32_t space = std::min(window_clamp, static_cast<uint32_t>(std::max(space_in, 0)));
  if (space > mss) space -= space % mss;
  rcv_wnd = n.sysctl.tcp_workaround_signed_windows ? std::min(space, MAX_TCP_WINDOW) : space;
  rcv_wscale = 0;
  if (wscale_ok) {
    int64_t most = std::max<int64_t>({space, n.sysctl.tcp_rmem[2], n.sysctl.rmem_max});
    most = std::min<int64_t>(most, window_clamp);
    const int bits = most > 0 ? 63 - std::countl_zero(static_cast<uint64_t>(most)) : 0;
    rcv_wscale = static_cast<uint8_t>(std::clamp(bits - 15, 0, int{TCP_MAX_WSCALE}));
  }
  window_clamp = std::min(65535u << rcv_wscale, window_clamp);
}

namespace {

int round_down(int n, int unit) { return n & ~(unit - 1); }
int round_up(int n, int unit) { return (n + unit - 1) & ~(unit - 1); }

// Half of the buffer is in use: no quick ACKs, and a window of less than a segment or a sixteenth of the buffer is
// closed rather than dribbled out. False: close it.
bool worth_offering(tcp_sock* tp, int free_space, int allowed_space, int mss) {
  tp->icsk_ack.quick = 0;
  if (tcp_under_memory_pressure(tp)) tcp_adjust_rcv_ssthresh(tp);
  return free_space >= allowed_space >> 4 && free_space >= mss;
}

// tcp_shrink_window: what the memory holds is offered, even if it is less than was promised (RFC 7323 section 2.4).
uint32_t shrinkable_window(tcp_sock* tp, int free_space, int full_space, int allowed_space, int mss) {
  const int unit = 1 << tp->rx_opt.rcv_wscale;
  free_space = round_down(free_space, unit);
  if (free_space < full_space >> 1 && (!worth_offering(tp, free_space, allowed_space, mss) || free_space < unit))
    return 0;
  if (free_space > static_cast<int>(tp->rcv_ssthresh)) free_space = round_up(static_cast<int>(tp->rcv_ssthresh), unit);
  return static_cast<uint32_t>(free_space);
}

bool may_shrink_window(const tcp_sock* tp) { return net_of(tp).sysctl.tcp_shrink_window && tp->rx_opt.rcv_wscale; }

}  // namespace

void tcp_adjust_rcv_ssthresh(tcp_sock* tp) { tp->rcv_ssthresh = std::min(tp->rcv_ssthresh, 4u * tp->advmss); }

// RFC 9293 section 3.8.6.2.2: no silly windows; RFC 7323: nothing the scale cannot say.
uint32_t __tcp_select_window(tcp_sock* tp) {
  int mss = tp->icsk_ack.rcv_mss;
  int free_space = tcp_space(tp);
  const int allowed_space = tcp_full_space(tp);
  const int full_space = std::min(static_cast<int>(std::min<uint32_t>(tp->window_clamp, INT32_MAX)), allowed_space);
  if (mss > full_space) {
    mss = full_space;
    if (mss <= 0) return 0;
  }
  if (may_shrink_window(tp)) return shrinkable_window(tp, free_space, full_space, allowed_space, mss);
  if (free_space < full_space >> 1) {
    free_space = round_down(free_space, 1 << tp->rx_opt.rcv_wscale);
    if (!worth_offering(tp, free_space, allowed_space, mss)) return 0;
  }
  free_space = std::min(free_space, static_cast<int>(tp->rcv_ssthresh));
  if (tp->rx_opt.rcv_wscale) return static_cast<uint32_t>(round_up(free_space, 1 << tp->rx_opt.rcv_wscale));
  int window = static_cast<int>(tp->rcv_wnd);
  if (window <= free_space - mss || window > free_space)
    window = free_space / mss * mss;
  else if (mss == full_space && free_space > window + (full_space >> 1))
    window = free_space;
  return static_cast<uint32_t>(window);
}

namespace {

// The window as the header says it.
uint16_t window_field(const tcp_sock* tp, uint32_t window) {
  const bool as_signed = !tp->rx_opt.rcv_wscale && net_of(tp).sysctl.tcp_workaround_signed_windows;
  const uint32_t most = as_signed ? MAX_TCP_WINDOW : 65535u << tp->rx_opt.rcv_wscale;
  return static_cast<uint16_t>(std::min(window, most) >> tp->rx_opt.rcv_wscale);
}

}  // namespace

uint16_t tcp_select_window(tcp_sock* tp) {
  const uint32_t old_window = tp->rcv_wnd;
  if (tp->icsk_ack.pending & ICSK_ACK_NOMEM) {  // what came could not be kept
    tp->pred_flags = 0;
    tp->rcv_wnd = 0;
    tp->rcv_wup = tp->rcv_nxt;
    return 0;
  }
  const uint32_t current = tcp_receive_window(tp);
  uint32_t window = __tcp_select_window(tp);
  if (window < current && !may_shrink_window(tp)) {  // RFC 9293 section 3.8.6.2.1: never shrink what was offered
    if (!window) count(tp, Mib::TcpExtTCPWantZeroWindowAdv);
    window = static_cast<uint32_t>(round_up(static_cast<int>(current), 1 << tp->rx_opt.rcv_wscale));
  }
  tp->rcv_wnd = window;
  tp->rcv_wup = tp->rcv_nxt;
  const uint16_t field = window_field(tp, window);
  if (!field) {
    tp->pred_flags = 0;
    if (old_window) count(tp, Mib::TcpExtTCPToZeroWindowAdv);
  } else if (!old_window) {
    count(tp, Mib::TcpExtTCPFromZeroWindowAdv);
  }
  return field;
}

void tcp_set_window_clamp(tcp_sock* tp, uint32_t value) {
  const uint32_t old_clamp = tp->window_clamp, new_clamp = std::max(value, uint32_t{SOCK_MIN_RCVBUF} / 2);
  if (new_clamp == old_clamp) return;
  tp->window_clamp = new_clamp;
  if (new_clamp < old_clamp)
    tp->rcv_ssthresh = std::min(tp->rcv_ssthresh, new_clamp);
  else
    tp->rcv_ssthresh = std::max(tp->rcv_ssthresh, std::min(tp->rcv_wnd, new_clamp));
}

void tcp_init_buffer_space(tcp_sock* tp) {
  if (!(tp->sk_userlocks & SOCK_SNDBUF_LOCK)) tcp_sndbuf_expand(tp);
  const auto max_win = static_cast<uint32_t>(tcp_full_space(tp));
  const auto app_win = static_cast<uint32_t>(std::clamp<int64_t>(net_of(tp).sysctl.tcp_app_win, 0, 31));
  if (tp->window_clamp >= max_win) {
    tp->window_clamp = max_win;
    if (app_win && max_win > 4u * tp->advmss)
      tp->window_clamp = std::max(max_win - (max_win >> app_win), 4u * tp->advmss);
  }
  // One segment is held in reserve, so that the window never promises the last of the buffer.
  const uint32_t least = 2u * tp->advmss;
  if (app_win && tp->window_clamp > least && tp->window_clamp + tp->advmss > max_win)
    tp->window_clamp = std::max(least, max_win - tp->advmss);
  tp->rcv_ssthresh = std::min(tp->rcv_ssthresh, tp->window_clamp);
  tp->rcvq_space = {tp->copied_seq, std::min({tp->rcv_ssthresh, tp->rcv_wnd, TCP_INIT_CWND * tp->advmss}), now_of(tp)};
}

namespace {

// Packets cost more than they carry, but the window may still grow slowly if they would fit a larger buffer.
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
  if (tcp_under_memory_pressure(tp)) return tcp_adjust_rcv_ssthresh(tp);
  const uint32_t step = tcp_win_from_space(tp, static_cast<int>(skb.truesize)) <= static_cast<int>(skb.len)
                            ? 2u * tp->advmss
                            : grow_step(tp, skb);
  if (!step) return;
  tp->icsk_ack.quick |= 1;  // a larger window is worth telling
  tp->rcv_ssthresh += static_cast<uint32_t>(std::min<int64_t>(room, std::max(step, 2 * skb.len)));
}

namespace {

// A full segment shows what share of its memory is data: the window follows.
void learn_scaling_ratio(tcp_sock* tp, const RcvSegment& skb) {
  const uint64_t ratio = skb.truesize ? (uint64_t{skb.len} << 8) / skb.truesize : 0;
  const auto scaled = static_cast<uint8_t>(ratio ? ratio : 1);
  if (scaled == tp->scaling_ratio) return;
  tp->scaling_ratio = scaled;
  tcp_set_window_clamp(tp, static_cast<uint32_t>(tcp_win_from_space(tp, tp->sk_rcvbuf)));
  tp->rcvq_space.space = std::min(tp->rcvq_space.space, tp->window_clamp);
}

}  // namespace

// RFC 1122 section 4.2.3.2 wants an ACK every second full segment: how large are the peer's?
void tcp_measure_rcv_mss(tcp_sock* tp, const RcvSegment& skb) {
  auto& ack = tp->icsk_ack;
  const uint32_t last = ack.last_seg_size, len = skb.gso_size ? skb.gso_size : skb.len;
  ack.last_seg_size = 0;
  if (len >= ack.rcv_mss) {
    if (len != ack.rcv_mss) learn_scaling_ratio(tp, skb);
    ack.rcv_mss = static_cast<uint16_t>(std::min<uint32_t>(len, tp->advmss));
    // A full segment with PSH ends a write: if the application reads it all, the peer may wait for the ACK.
    if (skb.tcp_flags & TCPHDR_PSH) ack.pending |= ICSK_ACK_PUSHED;
    return;
  }
  // SACK blocks make segments shorter now and then, so the header counts as well.
  const uint32_t whole = len + skb.header;
  const bool plain = !(skb.tcp_flags & (TCPHDR_FIN | TCPHDR_URG | TCPHDR_SYN | TCPHDR_PSH));
  if (whole >= 536 + sizeof(tcphdr) || (whole >= TCP_MIN_MSS + sizeof(tcphdr) && plain)) {
    const uint32_t invariant = whole - tp->tcp_header_len;
    ack.last_seg_size = static_cast<uint16_t>(std::min<uint32_t>(invariant, 65535));
    if (invariant == last) {  // twice the same size below the estimate: the peer's segments are that small
      ack.rcv_mss = static_cast<uint16_t>(invariant);
      return;
    }
  }
  // A short segment ends a write: the application's read may answer it at once.
  if (ack.pending & ICSK_ACK_PUSHED) ack.pending |= ICSK_ACK_PUSHED2;
  ack.pending |= ICSK_ACK_PUSHED;
}

}  // namespace glass
