// What may leave now: congestion window, peer's window, Nagle (RFC 9293 section 3.8.6.2.1 and 3.7.4), and how much at a
// time.
#include <algorithm>

#include "tcp/tcp_internal.h"
#include "tcp/tcp_mtu_probe.h"

namespace glass {

namespace {

// Never more than half of the window in one packet, so that at least two are under way.
uint32_t tcp_cwnd_test(const tcp_sock* tp) {
  const uint32_t in_flight = tcp_packets_in_flight(tp), cwnd = tp->snd_cwnd;
  if (in_flight >= cwnd) return 0;
  return std::min(std::max(cwnd >> 1, 1u), cwnd - in_flight);
}

bool tcp_snd_wnd_test(const tcp_sock* tp, const sk_buff* s, uint32_t mss) {
  Seq end = TCP_SKB_CB(s).end_seq;
  if (s->len > mss) end = TCP_SKB_CB(s).seq + mss;
  return !after(end, tcp_wnd_end(tp));
}

bool tcp_nagle_test(const tcp_sock* tp, const sk_buff* s, uint32_t mss, int nonagle) {
  if (nonagle & TCP_NAGLE_PUSH) return true;
  if (tcp_urg_mode(tp) || (TCP_SKB_CB(s).tcp_flags & TCPHDR_FIN)) return true;
  return !tcp_nagle_check(tp, s->len < mss, nonagle);
}

void tcp_minshall_update(tcp_sock* tp, uint32_t mss, const sk_buff* s) {
  if (s->len < TCP_SKB_CB(s).pcount * mss) tp->snd_sml = TCP_SKB_CB(s).end_seq;
}

// Sends the head of the queue, at most `quota` segments of it. False: it has to wait.
bool xmit_head(tcp_sock* tp, uint32_t mss, int nonagle, int push_one, uint32_t quota, uint32_t max_segs,
               TcpLimits& limited) {
  sk_buff* s = tp->sk_write_queue.front();
  if (quota * mss > s->len) tcp_grow_skb(tp, s, quota * mss - s->len);
  tcp_set_skb_tso_segs(s, mss);
  if (!tcp_snd_wnd_test(tp, s, mss)) {
    limited.rwnd = true;
    return false;
  }
  const bool one = TCP_SKB_CB(s).pcount == 1;
  if (one) {
    if (!tcp_nagle_test(tp, s, mss, s->next ? int{TCP_NAGLE_PUSH} : nonagle)) return false;
  } else if (!push_one && tcp_tso_should_defer(tp, s, max_segs, limited)) {
    return false;
  }
  const uint32_t limit = one || tcp_urg_mode(tp) ? mss : tcp_mss_split_point(tp, s, mss, quota, nonagle);
  if (s->len > limit) tcp_fragment(tp, tp->sk_write_queue, s, limit, mss);
  if (tcp_small_queue_check(tp, s)) return false;
  if (TCP_SKB_CB(s).end_seq == TCP_SKB_CB(s).seq) return false;  // a writer waits in the middle of it
  if (!__tcp_transmit_skb(tp, *s)) return false;
  tcp_event_new_data_sent(tp);
  tcp_minshall_update(tp, mss, s);
  return true;
}

void note_limits(tcp_sock* tp, TcpLimits limited, uint32_t sent) {
  if (limited.rwnd) [[unlikely]]
    tcp_chrono_start(tp, TcpChrono::rwnd_limited);
  else if (tp->chrono_type == TcpChrono::rwnd_limited)
    tcp_chrono_stop(tp, TcpChrono::rwnd_limited);
  limited.cwnd |= tcp_packets_in_flight(tp) >= tp->snd_cwnd;
  if (sent || limited.cwnd) tcp_cwnd_validate(tp, limited.cwnd);
}

// Nothing in flight and nothing may leave: only a probe will find out when the window opens.
void tcp_check_probe_timer(tcp_sock* tp) {
  if (!tp->packets_out && !tp->icsk_pending && !tp->sk_write_queue.empty())
    tcp_reset_xmit_timer(tp, ICSK_TIME_PROBE0, std::chrono::microseconds(tcp_probe0_base_us(tp)), true);
}

// All that waits fits into one segment, or nothing waits: how large packets may be does not matter.
bool one_small_packet(const tcp_sock* tp, uint32_t mss) {
  const sk_buff* s = tp->sk_write_queue.front();
  return !s || (!s->next && s->len <= mss);
}

}  // namespace

void tcp_event_new_data_sent(tcp_sock* tp) {
  Skb skb = tp->sk_write_queue.pop_front();
  const uint32_t prior = tp->packets_out, pcount = TCP_SKB_CB(skb).pcount;
  tp->snd_nxt = TCP_SKB_CB(skb).end_seq;
  tp->packets_out += pcount;
  tcp_rtx_queue_add(tp, std::move(skb));
  if (!prior || tp->icsk_pending == ICSK_TIME_LOSS_PROBE) tcp_rearm_rto(tp);
  count(tp, Mib::TcpExtTCPOrigDataSent, pcount);
  tcp_check_space(tp);
}

// push_one 1: at most one packet; 2: a tail loss probe, which the congestion window does not hold back. True: data
// waits and nothing is in flight that would bring it on.
bool tcp_write_xmit(tcp_sock* tp, uint32_t mss, int nonagle, int push_one) {
  PROBE(net_of(tp).trace);
  TcpLimits limited;
  uint32_t sent = 0;
  if (!push_one && tp->ext->icsk_mtup) [[unlikely]] {
    const TcpMtuProbe probe = tcp_mtu_probe(tp);
    if (probe == TcpMtuProbe::wait) return false;
    sent = probe == TcpMtuProbe::sent;
  }
  const uint32_t max_segs = one_small_packet(tp, mss) ? 1 : tcp_tso_segs(tp, mss);
  while (!tp->sk_write_queue.empty()) {
    if (tcp_pacing_check(tp)) break;
    uint32_t quota = tcp_cwnd_test(tp);
    if (!quota) {
      if (push_one != 2) break;
      quota = 1;
    }
    const uint32_t before_it = tp->packets_out;
    if (!xmit_head(tp, mss, nonagle, push_one, std::min(quota, max_segs), max_segs, limited)) break;
    sent += tp->packets_out - before_it;
    if (push_one) break;
  }
  note_limits(tp, limited, sent);
  if (!sent) return !tp->packets_out && !tp->sk_write_queue.empty();
  if (tcp_in_cwnd_reduction(tp)) tp->ext.make().prr_out += sent;
  if (push_one != 2) tcp_schedule_loss_probe(tp, false);
  return false;
}

void __tcp_push_pending_frames(tcp_sock* tp, uint32_t mss, int nonagle) {
  PROBE(net_of(tp).trace);
  if (tp->skc_state == tcp_state::CLOSE) return;
  if (tcp_write_xmit(tp, mss, nonagle, 0)) tcp_check_probe_timer(tp);
}

void tcp_push_pending_frames(tcp_sock* tp) {
  if (!tp->sk_write_queue.empty()) __tcp_push_pending_frames(tp, tcp_current_mss(tp), tp->nonagle);
}

void tcp_push_one(tcp_sock* tp, uint32_t mss) { (void)tcp_write_xmit(tp, mss, TCP_NAGLE_PUSH, 1); }

// After input: room in the windows may let data go, room in the buffer may let the application write.
void tcp_data_snd_check(tcp_sock* tp) {
  tcp_push_pending_frames(tp);
  tcp_check_space(tp);
}

// The FIN rides on the last unsent segment, or takes one of its own (RFC 9293 section 3.10.4).
void tcp_send_fin(tcp_sock* tp) {
  PROBE(net_of(tp).trace);
  if (sk_buff* tail = tp->sk_write_queue.back()) {
    TCP_SKB_CB(tail).tcp_flags |= TCPHDR_FIN;
    TCP_SKB_CB(tail).end_seq += 1;
    tp->write_seq += 1;
  } else {
    Skb skb = tcp_stream_alloc_skb(tp, 0);
    TcpCb cb{};
    cb.seq = tp->write_seq;
    cb.end_seq = cb.seq + 1;
    cb.tcp_flags = TCPHDR_ACK | TCPHDR_FIN;
    cb.pcount = 1;
    TCP_SKB_CB(skb) = cb;
    tp->write_seq += 1;
    tcp_add_write_queue_tail(tp, std::move(skb));
  }
  __tcp_push_pending_frames(tp, tcp_current_mss(tp), TCP_NAGLE_OFF);
}

// The peer may have taken back window into which we sent already: what lies beyond it would not be accepted (RFC 9293
// section 3.8.6). An excess below one unit of the scale may come from rounding only.
Seq tcp_acceptable_seq(const tcp_sock* tp) {
  const Seq end = tcp_wnd_end(tp);
  if (!before(end, tp->snd_nxt)) return tp->snd_nxt;
  const bool rounded = tp->rx_opt.wscale_ok && tp->snd_nxt - end < 1u << tp->rx_opt.rcv_wscale;
  return rounded ? tp->snd_nxt : end;
}

void tcp_send_active_reset(tcp_sock* tp) {
  PROBE(net_of(tp).trace);
  count(tp, Mib::TcpOutRsts);
  const bool synchronised = tp->skc_state != tcp_state::SYN_SENT;
  (void)__tcp_transmit_skb(tp, tcp_acceptable_seq(tp),
                           static_cast<uint16_t>(TCPHDR_RST | (synchronised ? TCPHDR_ACK : 0)));
}

// A segment the peer has seen already draws an ACK with its window (RFC 9293 section 3.8.6.1, RFC 1122
// section 4.2.3.6).
bool tcp_xmit_probe_skb(tcp_sock* tp, bool urgent, Mib counter) {
  count(tp, counter);
  return !tcp_local_congestion(__tcp_transmit_skb(tp, tp->snd_una - (urgent ? 0 : 1), TCPHDR_ACK));
}

bool tcp_write_wakeup(tcp_sock* tp, Mib counter) {
  sk_buff* s = tp->sk_write_queue.front();
  if (!s || !before(TCP_SKB_CB(s).seq, tcp_wnd_end(tp))) {
    if (between(tp->snd_up, tp->snd_una + 1, tp->snd_una + 0xffff)) (void)tcp_xmit_probe_skb(tp, true, counter);
    return tcp_xmit_probe_skb(tp, false, counter);
  }
  // The window has a little room: the probe carries data.
  const uint32_t mss = tcp_current_mss(tp), room = tcp_wnd_end(tp) - TCP_SKB_CB(s).seq;
  if (before(tp->pushed_seq, TCP_SKB_CB(s).end_seq)) tp->pushed_seq = TCP_SKB_CB(s).end_seq;
  TCP_SKB_CB(s).tcp_flags |= TCPHDR_PSH;
  const uint32_t size = std::min(room, mss);
  if (room < TCP_SKB_CB(s).end_seq - TCP_SKB_CB(s).seq || s->len > mss) {
    tcp_fragment(tp, tp->sk_write_queue, s, size, mss);
    TCP_SKB_CB(s).tcp_flags |= TCPHDR_PSH;
  } else {
    tcp_set_skb_tso_segs(s, mss);
  }
  const Result<void> sent = __tcp_transmit_skb(tp, *s);
  if (sent) tcp_event_new_data_sent(tp);
  return !tcp_local_congestion(sent);
}

}  // namespace glass
