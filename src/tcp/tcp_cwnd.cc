// Who may grow the window: only a window that is used says something about the path (RFC 7661), and one that was not
// used for a while says nothing any more (RFC 5681 section 4.1).
#include <algorithm>

#include "tcp/tcp_cong.h"
#include "tcp/tcp_internal.h"

namespace glass {

// RFC 6928, unless the route says otherwise.
uint32_t tcp_init_cwnd(const tcp_sock* tp) {
  const uint32_t routes = tp->sk_dst_cache ? tp->sk_dst_cache->metrics.initcwnd : 0;
  return routes ? routes : TCP_INIT_CWND;
}

namespace {

// The application has not filled the window for a whole RTO: what it does not need is given up, half at a time.
void cwnd_application_limited(tcp_sock* tp) {
  if (tp->icsk_ca_state == CaState::Open && !sock_flag(tp, SOCK_DEAD) && !tp->sk_nospace) {
    const uint32_t used = std::max(tp->snd_cwnd_used, tcp_init_cwnd(tp));
    if (used < tp->snd_cwnd) {
      tp->snd_ssthresh = tcp_current_ssthresh(tp);
      tp->snd_cwnd = (tp->snd_cwnd + used) >> 1;
    }
    tp->snd_cwnd_used = 0;
  }
  tp->snd_cwnd_stamp = now_of(tp);
}

// After an idle time the window is halved for each RTO that passed, down to the initial one.
void cwnd_restart(tcp_sock* tp, Duration idle) {
  uint32_t cwnd = tp->snd_cwnd;
  tcp_ca_event(tp, CaEvent::CWND_RESTART);
  tp->snd_ssthresh = tcp_current_ssthresh(tp);
  const uint32_t restart = std::min(tcp_init_cwnd(tp), cwnd);
  int64_t left = to_usecs(idle);
  while ((left -= tp->icsk_rto_us) > 0 && cwnd > restart) cwnd >>= 1;
  tp->snd_cwnd = std::max(cwnd, restart);
  tp->snd_cwnd_stamp = now_of(tp);
  tp->snd_cwnd_used = 0;
}

}  // namespace

void tcp_cwnd_validate(tcp_sock* tp, bool is_cwnd_limited) {
  // The strongest sign of use seen within a window counts for the whole of it.
  if (!before(tp->snd_una, tp->cwnd_usage_seq) || is_cwnd_limited ||
      (!tp->is_cwnd_limited && tp->packets_out > tp->max_packets_out)) {
    tp->is_cwnd_limited = is_cwnd_limited;
    tp->max_packets_out = tp->packets_out;
    tp->cwnd_usage_seq = tp->snd_nxt;
  }
  if (tcp_is_cwnd_limited(tp)) {
    tp->snd_cwnd_used = 0;
    tp->snd_cwnd_stamp = now_of(tp);
    return;
  }
  tp->snd_cwnd_used = std::max(tp->snd_cwnd_used, tp->packets_out);
  // All that was written is under way, the window would take more, and the writer waits for room.
  if (tp->sk_nospace && tp->sk_write_queue.empty() &&
      in_state(tp, tcp_state::bit(tcp_state::ESTABLISHED) | tcp_state::bit(tcp_state::CLOSE_WAIT)))
    tcp_chrono_start(tp, TcpChrono::sndbuf_limited);
  const bool idle = now_of(tp) - tp->snd_cwnd_stamp >= std::chrono::microseconds(tp->icsk_rto_us);
  if (idle && net_of(tp).sysctl.tcp_slow_start_after_idle && !tp->icsk_ca_ops->cong_control)
    cwnd_application_limited(tp);
}

void tcp_slow_start_after_idle_check(tcp_sock* tp) {
  if (!net_of(tp).sysctl.tcp_slow_start_after_idle || tp->packets_out || tp->icsk_ca_ops->cong_control) return;
  const Duration idle = now_of(tp) - tp->lsndtime;
  if (idle > std::chrono::microseconds(tp->icsk_rto_us)) cwnd_restart(tp, idle);
}

}  // namespace glass
