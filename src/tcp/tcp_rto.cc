// The retransmission time-out (RFC 6298 section 5): when it is due, what happens then, and when the connection is given
// up (RFC 1122 section 4.2.3.5, RFC 5482).
#include <algorithm>

#include "tcp/tcp_internal.h"
#include "tcp/tcp_mtu_probe.h"

namespace glass {

namespace {

constexpr Duration us(int64_t n) { return std::chrono::microseconds(n); }
constexpr Duration TCP_RTO_MIN = 200ms, TCP_RESOURCE_PROBE_INTERVAL = 500ms;
constexpr uint32_t TCP_THIN_LINEAR_RETRIES = 6;

bool connecting(const tcp_sock* tp) {
  return in_state(tp, tcp_state::bit(tcp_state::SYN_SENT) | tcp_state::bit(tcp_state::SYN_RECV));
}

// How long `boundary` retransmissions take that double from `base`: RFC 1122's R1 and R2 as times.
Duration model_timeout(const tcp_sock* tp, uint32_t boundary, Duration base) {
  const Duration most = us(tcp_rto_max_us(tp));
  Duration sum{}, rto = base;
  for (uint32_t i = 0; i <= boundary; ++i, rto *= 2) {
    if (rto > most) return sum + most * static_cast<int64_t>(boundary + 1 - i);
    sum += rto;
  }
  return sum;
}

// Zero `timeout`: what `boundary` retransmissions would take.
bool retransmits_timed_out(const tcp_sock* tp, uint32_t boundary, Duration timeout) {
  if (!tp->icsk_retransmits) return false;
  if (timeout == Duration::zero())
    timeout = model_timeout(tp, boundary, connecting(tp) ? us(TCP_TIMEOUT_INIT_US) : TCP_RTO_MIN);
  return now_of(tp) - tp->retrans_stamp >= timeout;
}

Duration user_timeout(const tcp_sock* tp) { return std::chrono::milliseconds(tp->set->icsk_user_timeout_ms); }

bool syn_expired(const tcp_sock* tp) {
  const Sysctl& s = net_of(tp).sysctl;
  int64_t most = tp->icsk_syn_retries ? tp->icsk_syn_retries : s.tcp_syn_retries;
  // The first few SYNs are a second apart and do not count as retries.
  if (tp->skc_state == tcp_state::SYN_SENT) most += s.tcp_syn_linear_timeouts;
  return tp->icsk_retransmits >= most;
}

// True: the connection was given up.
bool write_timeout(tcp_sock* tp) {
  const Sysctl& s = net_of(tp).sysctl;
  bool expired = false;
  uint32_t retry_until = static_cast<uint32_t>(s.tcp_retries2);
  if (connecting(tp)) {
    retry_until = static_cast<uint32_t>(tp->icsk_syn_retries ? tp->icsk_syn_retries : s.tcp_syn_retries);
    expired = syn_expired(tp);
  } else {
    if (retransmits_timed_out(tp, static_cast<uint32_t>(s.tcp_retries1), {})) tcp_mtup_black_hole(tp);
    if (sock_flag(tp, SOCK_DEAD)) {
      const bool alive = tp->icsk_rto_us < tcp_rto_max_us(tp);
      retry_until = tcp_orphan_retries(tp, alive);
      if (tcp_out_of_resources(tp, alive || !retransmits_timed_out(tp, retry_until, {}))) return true;
    }
  }
  if (!expired) expired = retransmits_timed_out(tp, retry_until, user_timeout(tp));
  tcp_fastopen_active_detect_blackhole(tp, expired);
  if (expired) {
    tcp_write_err(tp);
    return true;
  }
  ++tp->ext.make().timeout_rehash;  // the flow's hash changes, and with it the path through what balances by it
  count(tp, Mib::TcpExtTcpTimeoutRehash);
  return false;
}

void count_failure(tcp_sock* tp) {
  if (tp->icsk_retransmits) return;
  const bool sack = tcp_is_sack(tp);
  if (tp->icsk_ca_state == CaState::Recovery)
    count(tp, sack ? Mib::TcpExtTCPSackRecoveryFail : Mib::TcpExtTCPRenoRecoveryFail);
  else if (tp->icsk_ca_state == CaState::Loss)
    count(tp, Mib::TcpExtTCPLossFailures);
  else if (tp->icsk_ca_state == CaState::Disorder || tp->sacked_out)
    count(tp, sack ? Mib::TcpExtTCPSackFailures : Mib::TcpExtTCPRenoFailures);
}

}  // namespace

void tcp_update_rto_stats(tcp_sock* tp) {
  tcp_ext& ext = tp->ext.make();
  if (!tp->icsk_retransmits) {
    ++ext.total_rto_recoveries;
    ext.rto_stamp = now_of(tp);
  }
  ++tp->icsk_retransmits;
  ++ext.total_rto;
}

namespace {

// The last time-out before the user's own limit comes no later than that.
Duration clamp_rto_to_user_timeout(const tcp_sock* tp) {
  const Duration rto = us(tp->icsk_rto_us);
  if (!tp->set->icsk_user_timeout_ms) return rto;
  const Duration left = user_timeout(tp) - (now_of(tp) - tp->retrans_stamp);
  return left <= Duration::zero() ? Duration(1ms) : std::min(rto, left);
}

bool stream_is_thin(const tcp_sock* tp) { return tp->packets_out < 4 && !tcp_in_initial_slowstart(tp); }

// Section 5.5: back off. A thin stream, which would never get a fast retransmit, may repeat at the same pace for a
// while, and so do the first SYNs.
void next_rto(tcp_sock* tp) {
  const Sysctl& s = net_of(tp).sysctl;
  const bool thin = tp->skc_state == tcp_state::ESTABLISHED && (tp->set->thin_lto || s.tcp_thin_linear_timeouts) &&
                    stream_is_thin(tp) && tp->icsk_retransmits <= TCP_THIN_LINEAR_RETRIES;
  if (thin) {
    tp->icsk_backoff = 0;
    tcp_set_rto(tp);
    tp->icsk_rto_us = std::max(tp->icsk_rto_us, tcp_rto_min_us(tp));
  } else if (tp->skc_state != tcp_state::SYN_SENT || tp->ext->total_rto > s.tcp_syn_linear_timeouts) {
    ++tp->icsk_backoff;
    tp->icsk_rto_us = static_cast<uint32_t>(std::min<uint64_t>(uint64_t{tp->icsk_rto_us} << 1, tcp_rto_max_us(tp)));
  }
  tcp_reset_xmit_timer(tp, ICSK_TIME_RETRANS, clamp_rto_to_user_timeout(tp));
}

// The peer closed its window on data already sent. As long as it answers the connection lives.
bool rtx_probe0_timed_out(const tcp_sock* tp) {
  const sk_buff* head = tp->tcp_rtx_queue.front();
  const Duration trying = now_of(tp) - (tp->retrans_stamp == Instant{} ? head->tstamp : tp->retrans_stamp);
  Duration limit = us(tcp_rto_max_us(tp)) * 2;
  if (tp->set->icsk_user_timeout_ms) {
    if (trying > user_timeout(tp)) return true;
    limit = std::min(limit, user_timeout(tp));
  }
  return now_of(tp) - tp->rcv_tstamp > limit && trying > limit;
}

}  // namespace

void tcp_write_err(tcp_sock* tp) {
  count(tp, Mib::TcpExtTCPAbortOnTimeout);
  tcp_error(tp, tp->sk_err_soft ? tp->sk_err_soft : ETIMEDOUT);
}

uint32_t tcp_orphan_retries(const tcp_sock* tp, bool alive) {
  const int64_t set = net_of(tp).sysctl.tcp_orphan_retries;
  if (tp->sk_err_soft && !alive) return 0;  // an ICMP message says why
  return set == 0 && alive ? 8 : static_cast<uint32_t>(set);
}

void tcp_update_rto_time(tcp_sock* tp) {
  tcp_ext* ext = tp->ext.own();
  if (!ext || ext->rto_stamp == Instant{}) return;
  ext->total_rto_time += static_cast<uint32_t>(to_usecs(now_of(tp) - ext->rto_stamp) / 1000);
  ext->rto_stamp = {};
}

Duration tcp_rto_delta(const tcp_sock* tp) {
  const sk_buff* head = tp->tcp_rtx_queue.front();
  return us(tp->icsk_rto_us) - (head ? now_of(tp) - head->tstamp : Duration::zero());
}

// RFC 6298 section 5.3, and RFC 8985 section 7.2: after a probe or a wait for reordering the time that the head has
// been out is taken off.
void tcp_rearm_rto(tcp_sock* tp) {
  if (tp->ext->fastopen_rsk) return;  // the timer repeats the SYN-ACK
  if (!tp->packets_out) {
    tp->icsk_pending = 0;
    return tcp_clear_timer(tp, TcpTimer::retransmit);
  }
  Duration rto = us(tp->icsk_rto_us);
  if (tp->icsk_pending == ICSK_TIME_REO_TIMEOUT || tp->icsk_pending == ICSK_TIME_LOSS_PROBE)
    rto = std::max(tcp_rto_delta(tp), us(1));
  tcp_reset_xmit_timer(tp, ICSK_TIME_RETRANS, rto, true);
}

void tcp_set_xmit_timer(tcp_sock* tp) {
  if (!tcp_schedule_loss_probe(tp, true)) tcp_rearm_rto(tp);
}

// RFC 6069: an ICMP message about a retransmission says that connectivity is broken, and that the segment was not lost
// to congestion: one backoff is taken back, and if the time-out is over by then it happens now.
void tcp_ld_RTO_revert(tcp_sock* tp, Seq seq) {
  const sk_buff* head = tp->tcp_rtx_queue.front();
  if (seq != tp->snd_una || !tp->icsk_retransmits || !tp->icsk_backoff || !head) return;
  --tp->icsk_backoff;
  const uint64_t base = tp->srtt_us ? (tp->srtt_us >> 3) + tp->rttvar_us : TCP_TIMEOUT_INIT_US;
  tp->icsk_rto_us = static_cast<uint32_t>(std::min<uint64_t>(base << tp->icsk_backoff, tcp_rto_max_us(tp)));
  const Duration left = us(tp->icsk_rto_us) - (now_of(tp) - head->tstamp);
  if (left > Duration::zero()) return tcp_reset_xmit_timer(tp, ICSK_TIME_RETRANS, left);
  tcp_retransmit_timer(tp);
}

void tcp_retransmit_timer(tcp_sock* tp) {
  PROBE(net_of(tp).trace);
  // Until a Fast Open child's SYN-ACK is acknowledged nothing else is repeated.
  if (tp->ext->fastopen_rsk) [[unlikely]]
    return tcp_fastopen_synack_timer(tp);
  if (!tp->packets_out || tp->tcp_rtx_queue.empty()) return;
  if (!tp->snd_wnd && !sock_flag(tp, SOCK_DEAD) && !connecting(tp)) {
    if (rtx_probe0_timed_out(tp)) return tcp_write_err(tp);
    tcp_enter_loss(tp);
    (void)tcp_retransmit_skb(tp, tp->tcp_rtx_queue.front(), 1);
    return next_rto(tp);
  }
  count(tp, Mib::TcpExtTCPTimeouts);
  if (write_timeout(tp)) return;
  count_failure(tp);
  tcp_enter_loss(tp);
  tcp_update_rto_stats(tp);
  if (tcp_local_congestion(tcp_retransmit_skb(tp, tp->tcp_rtx_queue.front(), 1)))
    return tcp_reset_xmit_timer(tp, ICSK_TIME_RETRANS, TCP_RESOURCE_PROBE_INTERVAL);
  next_rto(tp);
}

}  // namespace glass
