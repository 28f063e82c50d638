// When to acknowledge: at once, delayed, or with data (RFC 9293 section 3.8.6.3, RFC 5681 section 4.2, Linux's quick
// ACK and ping-pong).
#include <algorithm>

#include "tcp/tcp_internal.h"

namespace glass {

namespace {

// Linux's timers never fire early: armed between two ticks, one fires with the tick after it is due (HZ=250 here).
constexpr uint32_t kTickUs = 4'000;

constexpr Duration us(uint32_t n) { return std::chrono::microseconds(n); }

void incr_quickack(tcp_sock* tp, uint32_t max_quickacks) {
  uint32_t quickacks = tp->rcv_wnd / (2u * std::max<uint32_t>(tp->icsk_ack.rcv_mss, 1));
  if (!quickacks) quickacks = 2;
  quickacks = std::min(quickacks, max_quickacks);
  if (quickacks > tp->icsk_ack.quick) tp->icsk_ack.quick = static_cast<uint8_t>(quickacks);
}

bool in_quickack_mode(const tcp_sock* tp) { return tp->icsk_ack.quick && !inet_csk_in_pingpong_mode(tp); }

}  // namespace

// Less than the peer's smallest time-out, or it would send again what is only not acknowledged yet.
uint32_t tcp_delack_max_us(const tcp_sock* tp) {
  return std::min(TCP_DELACK_MAX_US, std::max(tcp_rto_min_us(tp), 2 * kTickUs) - kTickUs);
}

void tcp_enter_quickack_mode(tcp_sock* tp, uint32_t max_quickacks) {
  incr_quickack(tp, max_quickacks);
  inet_csk_exit_pingpong_mode(tp);
  tp->icsk_ack.ato_us = TCP_ATO_MIN_US;
}

// Data has arrived: the delayed ACK's time-out follows the pace at which it comes.
void tcp_event_data_recv(tcp_sock* tp, const RcvSegment& segment) {
  PROBE(net_of(tp).trace);
  inet_csk_schedule_ack(tp);
  tcp_measure_rcv_mss(tp, segment);
  tcp_rcv_rtt_measure(tp);
  auto& ack = tp->icsk_ack;
  const Instant now = now_of(tp);
  if (!ack.ato_us) {
    incr_quickack(tp, TCP_MAX_QUICKACKS);  // the first data: the sender is in slow start and wants ACKs
    ack.ato_us = TCP_ATO_MIN_US;
  } else {
    const int64_t m = to_usecs(now - ack.lrcvtime);
    if (m <= TCP_ATO_MIN_US / 2) {
      ack.ato_us = (ack.ato_us >> 1) + TCP_ATO_MIN_US / 2;
    } else if (m < ack.ato_us) {
      ack.ato_us = std::min<uint32_t>((ack.ato_us >> 1) + static_cast<uint32_t>(m), tp->icsk_rto_us);
    } else if (m > tp->icsk_rto_us) {
      incr_quickack(tp, TCP_MAX_QUICKACKS);  // the sender was idle and starts slowly again
    }
  }
  ack.lrcvtime = now;
  tcp_data_ecn_check(tp, segment.ip_dsfield);
  if (segment.len >= 128) tcp_grow_window(tp, segment);
}

void __tcp_ack_snd_check(tcp_sock* tp, bool ofo_possible) {
  PROBE(net_of(tp).trace);
  const bool two_segments = tp->rcv_nxt - tp->rcv_wup > tp->icsk_ack.rcv_mss;
  // The reader's own ACK would follow anyway if the window cannot move before; unless it waits for more (SO_RCVLOWAT).
  const bool window_moves = two_segments && (static_cast<int32_t>(tp->rcv_nxt - tp->copied_seq) < tp->sk_rcvlowat ||
                                             __tcp_select_window(tp) >= tp->rcv_wnd);
  if (window_moves || in_quickack_mode(tp) || (tp->icsk_ack.pending & ICSK_ACK_NOW)) return tcp_send_ack(tp);
  if (!ofo_possible || !tp->out_of_order_root) return tcp_send_delayed_ack(tp);
  if (!tcp_compress_ack(tp)) tcp_send_ack(tp);
}

void tcp_ack_snd_check(tcp_sock* tp) {
  if (inet_csk_ack_scheduled(tp) && tp->skc_state != tcp_state::CLOSE) __tcp_ack_snd_check(tp, true);
}

void tcp_send_delayed_ack(tcp_sock* tp) {
  uint32_t ato = tp->icsk_ack.ato_us;
  if (ato > TCP_ATO_MIN_US) {
    uint32_t most = 500'000;
    if (inet_csk_in_pingpong_mode(tp) || (tp->icsk_ack.pending & ICSK_ACK_PUSHED)) most = TCP_DELACK_MAX_US;
    if (tp->srtt_us) most = std::min(most, std::max(tp->srtt_us >> 3, TCP_ATO_MIN_US));
    ato = std::min(ato, most);
  }
  ato = std::min(ato, tcp_delack_max_us(tp));
  Instant timeout = now_of(tp) + us(ato + kTickUs);
  if (tp->icsk_ack.pending & ICSK_ACK_TIMER) {
    const Instant armed = tcp_deadline(tp, TcpTimer::delack);
    if (armed <= now_of(tp) + us((ato >> 2) + kTickUs)) return tcp_send_ack(tp);  // about to fire
    timeout = std::min(timeout, armed);
  }
  tp->icsk_ack.pending |= ICSK_ACK_SCHED | ICSK_ACK_TIMER;
  tcp_reset_timer(tp, TcpTimer::delack, timeout);
}

void tcp_event_ack_sent(tcp_sock* tp) {
  auto& ack = tp->icsk_ack;
  if (tp->compressed_ack) [[unlikely]]
    tcp_compressed_acks_sent(tp);
  if (ack.quick && inet_csk_ack_scheduled(tp) && !--ack.quick) ack.ato_us = TCP_ATO_MIN_US;
  ack.pending = 0;
  tcp_clear_timer(tp, TcpTimer::delack);
}

void tcp_delack_timer_handler(tcp_sock* tp) {
  PROBE(net_of(tp).trace);
  auto& ack = tp->icsk_ack;
  if (tp->compressed_ack) return tcp_sack_compress_send_ack(tp);
  if (!(ack.pending & ICSK_ACK_TIMER)) return;
  ack.pending &= static_cast<uint8_t>(~ICSK_ACK_TIMER);
  if (!inet_csk_ack_scheduled(tp)) return;
  if (!inet_csk_in_pingpong_mode(tp)) {
    ack.ato_us = std::min(ack.ato_us << 1, tp->icsk_rto_us);  // missed: be more patient
  } else {
    inet_csk_exit_pingpong_mode(tp);  // the application did not answer: leave interactive mode
    ack.ato_us = TCP_ATO_MIN_US;
  }
  tcp_send_ack(tp);
  count(tp, Mib::TcpExtDelayedACKs);
}

void tcp_send_ack(tcp_sock* tp) {
  PROBE(net_of(tp).trace);
  if (tp->skc_state == tcp_state::CLOSE) return;
  (void)__tcp_transmit_skb(tp, tcp_acceptable_seq(tp), TCPHDR_ACK);
}

void __tcp_send_ack(tcp_sock* tp, Seq rcv_nxt) {
  if (tp->skc_state == tcp_state::CLOSE) return;
  (void)__tcp_transmit_skb(tp, tcp_acceptable_seq(tp), TCPHDR_ACK, rcv_nxt);
}

void tcp_send_dupack(tcp_sock* tp, const sk_buff& skb) {
  const TcpCb& cb = TCP_SKB_CB(&skb);
  if (cb.end_seq != cb.seq && before(cb.seq, tp->rcv_nxt)) {
    count(tp, Mib::TcpExtDelayedACKLost);
    tcp_enter_quickack_mode(tp, TCP_MAX_QUICKACKS);
    if (tcp_is_sack(tp) && net_of(tp).sysctl.tcp_dsack) tcp_dsack_set(tp, cb.seq, earlier(cb.end_seq, tp->rcv_nxt));
  }
  tcp_send_ack(tp);
}

namespace {

// RFC 5961 section 7: a limit for the whole host, random so that it cannot be counted out from outside.
bool challenge_allowed(tcp_sock* tp) {
  net& n = net_of(tp);
  const int64_t limit = n.sysctl.tcp_challenge_ack_limit;
  if (limit == INT32_MAX) return true;
  Tcp& tcp = tp->tcp();
  const int64_t second = n.now.time_since_epoch() / std::chrono::seconds(1);
  if (second != tcp.challenge_second) {
    const auto half = static_cast<uint32_t>((limit + 1) >> 1);
    tcp.challenge_second = second;
    tcp.challenge_count = half + n.rng.below(static_cast<uint32_t>(std::max<int64_t>(limit, 1)));
  }
  if (!tcp.challenge_count) return false;
  --tcp.challenge_count;
  return true;
}

}  // namespace

void tcp_send_challenge_ack(tcp_sock* tp) {
  if (tcp_rate_limited(net_of(tp), Mib::TcpExtTCPACKSkippedChallenge, tp->ext.make().last_oow_ack_time)) return;
  if (!challenge_allowed(tp)) return;
  count(tp, Mib::TcpExtTCPChallengeACK);
  tcp_send_ack(tp);
}

// The application has read: is a window update or a held-back ACK due?
void tcp_cleanup_rbuf(tcp_sock* tp, size_t copied) {
  PROBE(net_of(tp).trace);
  if (tp->skc_state == tcp_state::CLOSE || tp->skc_state == tcp_state::LISTEN || tp->skc_state == tcp_state::SYN_SENT)
    return;
  bool time_to_ack = false;
  const auto& ack = tp->icsk_ack;
  if (inet_csk_ack_scheduled(tp)) {
    const bool emptied =
        copied > 0 &&
        ((ack.pending & ICSK_ACK_PUSHED2) || ((ack.pending & ICSK_ACK_PUSHED) && !inet_csk_in_pingpong_mode(tp))) &&
        !tp->sk_rmem_alloc;
    time_to_ack = tp->rcv_nxt - tp->rcv_wup > ack.rcv_mss || emptied;
  }
  if (copied > 0 && !time_to_ack && !(tp->sk_shutdown & RCV_SHUTDOWN)) {
    const uint32_t offered = tcp_receive_window(tp);
    if (2 * offered <= tp->window_clamp) {
      const uint32_t now_possible = __tcp_select_window(tp);
      time_to_ack = now_possible && now_possible >= 2 * offered;
    }
  }
  if (time_to_ack) tcp_send_ack(tp);
}

}  // namespace glass
