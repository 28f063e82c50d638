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

constexpr size_t kInline = std::extent_v<decltype(tcp_sock::deadline)>;

// Few connections pace or hold ACKs back, so those deadlines are not in every tcp_sock.
void set_deadline(tcp_sock* tp, size_t which, Instant when) {
  if (which < kInline)
    tp->deadline[which] = when;
  else if (when != kNever || tp->ext.own())
    tp->ext.make().deadline[which - kInline] = when;
}

Instant deadline(const tcp_sock* tp, size_t which) {
  return which < kInline ? tp->deadline[which] : tp->ext->deadline[which - kInline];
}

Instant nearest(const tcp_sock* tp) {
  return std::min(std::ranges::min(tp->deadline), std::ranges::min(tp->ext->deadline));
}

void tcp_write_timer(tcp_sock* tp) {
  switch (tp->icsk_pending) {
    // These two leave what is pending in place: the time-out that follows counts from when the head was sent.
    case ICSK_TIME_REO_TIMEOUT: return tcp_rack_reo_timeout(tp);
    case ICSK_TIME_LOSS_PROBE: return tcp_send_loss_probe(tp);
    case ICSK_TIME_RETRANS: tp->icsk_pending = 0; return tcp_retransmit_timer(tp);
    case ICSK_TIME_PROBE0: tp->icsk_pending = 0; return tcp_probe_timer(tp);
    default: return;
  }
}

Duration keepalive_intvl_when(const tcp_sock* tp) {
  return std::chrono::seconds(tp->set->keepalive_intvl ? tp->set->keepalive_intvl
                                                       : net_of(tp).sysctl.tcp_keepalive_intvl);
}

bool keepalive_gives_up(const tcp_sock* tp, Duration idle) {
  if (tp->set->icsk_user_timeout_ms)
    return idle >= std::chrono::milliseconds(tp->set->icsk_user_timeout_ms) && tp->icsk_probes_out > 0;
  const int64_t most = tp->set->keepalive_probes ? tp->set->keepalive_probes : net_of(tp).sysctl.tcp_keepalive_probes;
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
      return tcp_write_err(tp);
    }
    if (tcp_write_wakeup(tp, Mib::TcpExtTCPKeepAlive)) {
      ++tp->icsk_probes_out;
      again = keepalive_intvl_when(tp);
    } else {
      again = 500ms;
    }
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
    if (tp->set->linger2 >= 0 && left > Duration::zero()) return tcp_time_wait(tp, tcp_state::FIN_WAIT2, left);
    tcp_send_active_reset(tp);
    return tcp_done(tp);
  }
  probe_keepalive(tp);
}

using Handler = void (*)(tcp_sock*);
constexpr Handler kHandlers[] = {tcp_write_timer, tcp_delack_timer_handler, tcp_keepalive_timer, tcp_pace_kick,
                                 tcp_compressed_ack_kick};

void tcp_timer_fired(timer_list* t) {
  tcp_sock* tp = owner(t);
  for (size_t i = 0; i < std::size(kHandlers); ++i) {
    if (deadline(tp, i) > now_of(tp)) continue;
    set_deadline(tp, i, kNever);
    kHandlers[i](tp);
  }
  const Instant next = nearest(tp);
  if (next != kNever && tp->skc_state != tcp_state::CLOSE) net_of(tp).timers.mod_timer(&tp->timer, next);
  tcp_release_orphan(tp);
}

}  // namespace

void tcp_init_timers(tcp_sock* tp) { tp->timer.function = tcp_timer_fired; }

void tcp_clear_timers(tcp_sock* tp) {
  for (size_t i = 0; i < std::size(kHandlers); ++i) set_deadline(tp, i, kNever);
  tp->icsk_pending = 0;
  tp->icsk_ack.pending = 0;
  net_of(tp).timers.del_timer(&tp->timer);
}

void tcp_clear_timer(tcp_sock* tp, TcpTimer which) { set_deadline(tp, static_cast<size_t>(which), kNever); }

Instant tcp_deadline(const tcp_sock* tp, TcpTimer which) { return deadline(tp, static_cast<size_t>(which)); }

void tcp_reset_timer(tcp_sock* tp, TcpTimer which, Instant when) {
  set_deadline(tp, static_cast<size_t>(which), when);
  if (!tp->timer.pending() || when < tp->timer.expires) net_of(tp).timers.mod_timer(&tp->timer, when);
}

void tcp_reset_xmit_timer(tcp_sock* tp, uint8_t what, Duration in, bool pace_delay) {
  if (pace_delay) in += std::max(tp->tcp_wstamp - now_of(tp), Duration::zero());
  tp->icsk_pending = what;
  tcp_reset_timer(tp, TcpTimer::retransmit, now_of(tp) + std::min(in, us(tcp_rto_max_us(tp))));
}

Duration keepalive_time_when(const tcp_sock* tp) {
  return std::chrono::seconds(tp->set->keepalive_time ? tp->set->keepalive_time : net_of(tp).sysctl.tcp_keepalive_time);
}

Duration tcp_fin_time(const tcp_sock* tp) {
  const Duration set = std::chrono::seconds(tp->set->linger2 ? tp->set->linger2 : net_of(tp).sysctl.tcp_fin_timeout);
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
