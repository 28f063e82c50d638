// A connection's timers: retransmission and zero-window probes, delayed ACK, keepalive and FIN_WAIT2, pacing.
//
// All deadlines share one wheel entry. Putting a deadline off costs nothing: the entry fires at the earlier instant,
// finds nothing due, and is armed again for what is.
#include <algorithm>

#include "tcp/tcp_internal.h"

namespace glass {

namespace {

constexpr Duration us(int64_t n) { return std::chrono::microseconds(n); }

tcp_sock* owner(timer_list* t) {
  return reinterpret_cast<tcp_sock*>(reinterpret_cast<char*>(t) - offsetof(tcp_sock, timer));
}

Instant nearest(const tcp_sock* tp) { return *std::ranges::min_element(tp->deadline); }

void tcp_write_err(tcp_sock* tp) {
  count(tp, Mib::TcpExtTCPAbortOnTimeout);
  tcp_error(tp, tp->sk_err_soft ? tp->sk_err_soft : ETIMEDOUT);
}

// How long `boundary` retransmissions take with doubling from the smallest RTO: RFC 1122 section 4.2.3.5's R1 and R2 in
// time.
Duration model_timeout(const tcp_sock* tp, uint32_t boundary) {
  const int64_t base = tcp_rto_min_us(tp), most = tcp_rto_max_us(tp);
  int64_t sum = 0, rto = base;
  for (uint32_t i = 0; i <= boundary; ++i) {
    sum += std::min(rto, most);
    rto = std::min(rto * 2, most);
  }
  return us(sum);
}

bool retransmits_timed_out(const tcp_sock* tp, uint32_t boundary, uint32_t user_timeout_ms) {
  if (!tp->icsk_retransmits || tp->retrans_stamp == Instant{}) return false;
  const Duration limit =
      user_timeout_ms ? Duration(std::chrono::milliseconds(user_timeout_ms)) : model_timeout(tp, boundary);
  return now_of(tp) - tp->retrans_stamp >= limit;
}

// An orphan holds memory nobody asks for: it is given up sooner. True: it is gone.
bool out_of_resources(tcp_sock* tp) {
  if (tp->tcp().orphans <= 65536) return false;
  count(tp, Mib::TcpExtTCPAbortOnMemory);
  tcp_send_active_reset(tp);
  tcp_done(tp);
  return true;
}

uint32_t orphan_retries(const tcp_sock* tp, bool alive) {
  const int64_t set = net_of(tp).sysctl.tcp_orphan_retries;
  if (tp->sk_err_soft && !alive) return 0;
  return set == 0 && alive ? 8 : static_cast<uint32_t>(set);
}

// True: the connection was given up.
bool write_timeout(tcp_sock* tp) {
  const Sysctl& s = net_of(tp).sysctl;
  bool expired;
  if (in_state(tp, tcp_state::bit(tcp_state::SYN_SENT) | tcp_state::bit(tcp_state::SYN_RECV))) {
    const auto retries = static_cast<uint32_t>(tp->icsk_syn_retries ? tp->icsk_syn_retries : s.tcp_syn_retries);
    // The first few repeats are a second apart and do not count against the time the retries would take.
    const uint32_t most =
        tp->skc_state == tcp_state::SYN_SENT ? retries + static_cast<uint32_t>(s.tcp_syn_linear_timeouts) : retries;
    expired = tp->icsk_retransmits >= most;
  } else {
    auto retry_until = static_cast<uint32_t>(s.tcp_retries2);
    if (sock_flag(tp, SOCK_DEAD)) {
      const bool alive = tp->icsk_rto_us < tcp_rto_max_us(tp);
      retry_until = orphan_retries(tp, alive);
      if (out_of_resources(tp)) return true;
    }
    expired = retransmits_timed_out(tp, retry_until, tp->icsk_user_timeout_ms);
  }
  if (expired) tcp_write_err(tp);
  return expired;
}

void next_rto(tcp_sock* tp) {
  const Sysctl& s = net_of(tp).sysctl;
  const bool linear = tp->skc_state == tcp_state::SYN_SENT && tp->icsk_backoff == 0 &&
                      tp->icsk_retransmits <= s.tcp_syn_linear_timeouts;
  if (!linear) {
    ++tp->icsk_backoff;
    tp->icsk_rto_us = static_cast<uint32_t>(std::min<uint64_t>(uint64_t{tp->icsk_rto_us} << 1, tcp_rto_max_us(tp)));
  }
  tcp_reset_xmit_timer(tp, ICSK_TIME_RETRANS, us(tp->icsk_rto_us));
}

void count_timeout(tcp_sock* tp) {
  if (tp->icsk_retransmits) return;
  if (tp->icsk_ca_state == CaState::Recovery)
    count(tp, tcp_is_sack(tp) ? Mib::TcpExtTCPSackRecoveryFail : Mib::TcpExtTCPRenoRecoveryFail);
  else if (tp->icsk_ca_state == CaState::Loss)
    count(tp, Mib::TcpExtTCPLossFailures);
  else if (tp->icsk_ca_state == CaState::Disorder || tp->sacked_out)
    count(tp, tcp_is_sack(tp) ? Mib::TcpExtTCPSackFailures : Mib::TcpExtTCPRenoFailures);
}

// The peer closed its window on data already sent: keep asking, do not count it as loss.
void retransmit_into_zero_window(tcp_sock* tp) {
  if (now_of(tp) - tp->rcv_tstamp > us(tcp_rto_max_us(tp))) return tcp_write_err(tp);
  tcp_enter_loss(tp);
  (void)tcp_retransmit_skb(tp, tp->tcp_rtx_queue.front(), 1);
  next_rto(tp);
}

void tcp_retransmit_timer(tcp_sock* tp) {
  PROBE(net_of(tp).trace);
  if (!tp->packets_out || tp->tcp_rtx_queue.empty()) return;
  const bool connecting = in_state(tp, tcp_state::bit(tcp_state::SYN_SENT) | tcp_state::bit(tcp_state::SYN_RECV));
  if (!tp->snd_wnd && !sock_flag(tp, SOCK_DEAD) && !connecting) return retransmit_into_zero_window(tp);
  count(tp, Mib::TcpExtTCPTimeouts);
  if (write_timeout(tp)) return;
  count_timeout(tp);
  tcp_enter_loss(tp);
  ++tp->icsk_retransmits;
  if (!tcp_retransmit_skb(tp, tp->tcp_rtx_queue.front(), 1)) {
    // It could not leave this host: try again soon, and do not blame the network.
    return tcp_reset_xmit_timer(tp, ICSK_TIME_RETRANS, std::min(us(tp->icsk_rto_us), Duration(500ms)));
  }
  next_rto(tp);
}

void tcp_probe_timer(tcp_sock* tp) {
  PROBE(net_of(tp).trace);
  if (tp->packets_out || tp->sk_write_queue.empty()) {
    tp->icsk_probes_out = 0;
    return;
  }
  auto max_probes = static_cast<uint32_t>(net_of(tp).sysctl.tcp_retries2);
  if (sock_flag(tp, SOCK_DEAD)) {
    const bool alive = tcp_probe0_when_us(tp) < tcp_rto_max_us(tp);
    max_probes = orphan_retries(tp, alive);
    if (!alive && tp->icsk_backoff >= max_probes) return tcp_write_err(tp);
    if (out_of_resources(tp)) return;
  }
  if (tp->icsk_probes_out >= max_probes) return tcp_write_err(tp);
  tcp_send_probe0(tp);
}

void tcp_write_timer(tcp_sock* tp) {
  const uint8_t what = tp->icsk_pending;
  tp->icsk_pending = 0;
  if (what == ICSK_TIME_RETRANS)
    tcp_retransmit_timer(tp);
  else if (what == ICSK_TIME_PROBE0)
    tcp_probe_timer(tp);
}

void tcp_delack_timer(tcp_sock* tp) {
  PROBE(net_of(tp).trace);
  auto& ack = tp->icsk_ack;
  if (!(ack.pending & ICSK_ACK_TIMER)) return;
  ack.pending &= static_cast<uint8_t>(~ICSK_ACK_TIMER);
  if (!inet_csk_ack_scheduled(tp)) return;
  if (!ack.pingpong) {
    ack.ato_us = std::min(ack.ato_us << 1, tp->icsk_rto_us);  // missed: be more patient
  } else {
    ack.pingpong = false;  // the application did not answer: leave interactive mode
    ack.ato_us = TCP_ATO_MIN_US;
  }
  tcp_send_ack(tp);
  count(tp, Mib::TcpExtDelayedACKs);
}

Duration keepalive_intvl_when(const tcp_sock* tp) {
  return std::chrono::seconds(tp->keepalive_intvl ? tp->keepalive_intvl : net_of(tp).sysctl.tcp_keepalive_intvl);
}

bool keepalive_gives_up(const tcp_sock* tp, Duration idle) {
  if (tp->icsk_user_timeout_ms)
    return idle >= std::chrono::milliseconds(tp->icsk_user_timeout_ms) && tp->icsk_probes_out > 0;
  const int64_t most = tp->keepalive_probes ? tp->keepalive_probes : net_of(tp).sysctl.tcp_keepalive_probes;
  return tp->icsk_probes_out >= most;
}

void probe_keepalive(tcp_sock* tp) {
  if (!sock_flag(tp, SOCK_KEEPOPEN) || tp->skc_state == tcp_state::SYN_SENT) return;
  Duration again = keepalive_time_when(tp);
  const Duration idle = now_of(tp) - std::max(tp->icsk_ack.lrcvtime, tp->rcv_tstamp);
  const bool busy = tp->packets_out || !tp->sk_write_queue.empty();
  if (!busy && idle >= again) {
    if (keepalive_gives_up(tp, idle)) {
      tcp_send_active_reset(tp);
      count(tp, Mib::TcpExtTCPAbortOnTimeout);
      return tcp_error(tp, tp->sk_err_soft ? tp->sk_err_soft : ETIMEDOUT);
    }
    ++tp->icsk_probes_out;
    again = tcp_write_wakeup(tp, Mib::TcpExtTCPKeepAlive) ? keepalive_intvl_when(tp) : Duration(500ms);
  } else if (!busy) {
    again -= idle;
  }
  tcp_reset_timer(tp, TcpTimer::keepalive, now_of(tp) + again);
}

void tcp_keepalive_timer(tcp_sock* tp) {
  PROBE(net_of(tp).trace);
  if (tp->skc_state == tcp_state::LISTEN || tp->skc_state == tcp_state::CLOSE) return;
  if (tp->skc_state == tcp_state::FIN_WAIT2 && sock_flag(tp, SOCK_DEAD)) {
    const Duration left = tcp_fin_time(tp) - TCP_TIMEWAIT_LEN;
    if (tp->linger2 >= 0 && left > Duration::zero()) return tcp_time_wait(tp, tcp_state::FIN_WAIT2, left);
    tcp_send_active_reset(tp);
    return tcp_done(tp);
  }
  probe_keepalive(tp);
}

using Handler = void (*)(tcp_sock*);
constexpr Handler kHandlers[] = {tcp_write_timer, tcp_delack_timer, tcp_keepalive_timer, tcp_pace_kick};

void tcp_timer_fired(timer_list* t) {
  tcp_sock* tp = owner(t);
  for (size_t i = 0; i < std::size(kHandlers); ++i) {
    if (tp->deadline[i] > now_of(tp)) continue;
    tp->deadline[i] = kNever;
    kHandlers[i](tp);
  }
  const Instant next = nearest(tp);
  if (next != kNever && tp->skc_state != tcp_state::CLOSE) net_of(tp).timers.mod_timer(&tp->timer, next);
  tcp_release_orphan(tp);
}

}  // namespace

void tcp_init_timers(tcp_sock* tp) { tp->timer.function = tcp_timer_fired; }

void tcp_clear_timers(tcp_sock* tp) {
  for (Instant& d : tp->deadline) d = kNever;
  tp->icsk_pending = 0;
  tp->icsk_ack.pending = 0;
  net_of(tp).timers.del_timer(&tp->timer);
}

void tcp_reset_timer(tcp_sock* tp, TcpTimer which, Instant when) {
  tp->deadline[static_cast<size_t>(which)] = when;
  if (!tp->timer.pending() || when < tp->timer.expires) net_of(tp).timers.mod_timer(&tp->timer, when);
}

void tcp_reset_xmit_timer(tcp_sock* tp, uint8_t what, Duration in) {
  tp->icsk_pending = what;
  tcp_reset_timer(tp, TcpTimer::retransmit, now_of(tp) + std::min(in, us(tcp_rto_max_us(tp))));
}

// RFC 9293 section 3.8.6.1: probes back off like retransmissions.
uint32_t tcp_probe0_when_us(const tcp_sock* tp) {
  const uint64_t base = std::max(tp->icsk_rto_us, tcp_rto_min_us(tp));
  const unsigned shift = std::min<unsigned>(tp->icsk_backoff, 16);
  return static_cast<uint32_t>(std::min<uint64_t>(base << shift, tcp_rto_max_us(tp)));
}

Duration keepalive_time_when(const tcp_sock* tp) {
  return std::chrono::seconds(tp->keepalive_time ? tp->keepalive_time : net_of(tp).sysctl.tcp_keepalive_time);
}

Duration tcp_fin_time(const tcp_sock* tp) {
  const Duration set = std::chrono::seconds(tp->linger2 ? tp->linger2 : net_of(tp).sysctl.tcp_fin_timeout);
  const Duration least = us((int64_t{tp->icsk_rto_us} << 2) - (tp->icsk_rto_us >> 1));  // three and a half RTOs
  return std::max(set, least);
}

void tcp_set_keepalive(tcp_sock* tp, bool on) {
  if (on)
    tp->sk_flags |= SOCK_KEEPOPEN;
  else
    tp->sk_flags &= static_cast<uint8_t>(~SOCK_KEEPOPEN);
  if (in_state(tp, tcp_state::bit(tcp_state::CLOSE) | tcp_state::bit(tcp_state::LISTEN))) return;
  if (on)
    tcp_reset_timer(tp, TcpTimer::keepalive, now_of(tp) + keepalive_time_when(tp));
  else
    tcp_clear_timer(tp, TcpTimer::keepalive);
}

}  // namespace glass
