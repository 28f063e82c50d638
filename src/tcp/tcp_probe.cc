// Zero-window probes (RFC 9293 section 3.8.6.1): data waits, nothing is in flight, and only a probe will find out when
// the peer's window opens. They back off like retransmissions; while the peer answers they never end (RFC 1122 section
// 4.2.2.17), unless the user set a limit.
#include <algorithm>

#include "tcp/tcp_internal.h"

namespace glass {

namespace {

constexpr uint32_t TCP_RTO_MIN = 200'000;  // microseconds
constexpr Duration us(int64_t n) { return std::chrono::microseconds(n); }

void forget_first_probe(tcp_sock* tp) {
  if (tcp_ext* ext = tp->ext.own()) ext->icsk_probes_tstamp = {};
}

void abandon_probing(tcp_sock* tp) {
  tp->icsk_probes_out = 0;
  forget_first_probe(tp);
}

// True: the limits of an orphan's patience are reached, or it is gone.
bool orphan_gives_up(tcp_sock* tp, uint32_t& max_probes) {
  const uint64_t backed_off = uint64_t{tp->icsk_rto_us} << tp->icsk_backoff;
  const bool alive = backed_off < tcp_rto_max_us(tp);
  max_probes = tcp_orphan_retries(tp, alive);
  if (!alive && tp->icsk_backoff >= max_probes) {
    tcp_write_err(tp);
    return true;
  }
  return tcp_out_of_resources(tp, true);
}

}  // namespace

// Memory is short and this orphan has to go; one that did nothing for long goes sooner.
bool tcp_out_of_resources(tcp_sock* tp, bool do_reset) {
  unsigned shift = 0;
  if (now_of(tp) - tp->lsndtime > 2 * us(tcp_rto_max_us(tp)) || !do_reset) ++shift;
  if (tp->sk_err_soft) ++shift;
  if (!tcp_too_many_orphans(tp, shift)) return false;
  const bool recent = now_of(tp) - tp->lsndtime <= TCP_TIMEWAIT_LEN, closed = !tp->snd_wnd && !tp->packets_out;
  if (do_reset || recent || closed) tcp_send_active_reset(tp);
  count(tp, Mib::TcpExtTCPAbortOnMemory);
  tcp_done(tp);
  return true;
}

uint32_t tcp_probe0_base_us(const tcp_sock* tp) { return std::max(tp->icsk_rto_us, TCP_RTO_MIN); }

uint32_t tcp_probe0_when_us(const tcp_sock* tp) {
  const unsigned shift = std::min<unsigned>(tp->icsk_backoff, 10);  // 200 ms to two minutes
  return static_cast<uint32_t>(std::min<uint64_t>(uint64_t{tcp_probe0_base_us(tp)} << shift, tcp_rto_max_us(tp)));
}

Duration tcp_clamp_probe0_to_user_timeout(const tcp_sock* tp, Duration when) {
  if (!tp->set->icsk_user_timeout_ms || tp->ext->icsk_probes_tstamp == Instant{}) return when;
  const Duration limit = std::chrono::milliseconds(tp->set->icsk_user_timeout_ms);
  return std::min(when, std::max(limit - (now_of(tp) - tp->ext->icsk_probes_tstamp), Duration(2ms)));
}

void tcp_probe_timer(tcp_sock* tp) {
  PROBE(net_of(tp).trace);
  if (tp->packets_out || tp->sk_write_queue.empty()) return abandon_probing(tp);
  const Duration limit = std::chrono::milliseconds(tp->set->icsk_user_timeout_ms);
  if (tp->ext->icsk_probes_tstamp == Instant{})
    tp->ext.make().icsk_probes_tstamp = now_of(tp);
  else if (limit > Duration::zero() && now_of(tp) - tp->ext->icsk_probes_tstamp >= limit)
    return tcp_write_err(tp);
  auto max_probes = static_cast<uint32_t>(net_of(tp).sysctl.tcp_retries2);
  if (sock_flag(tp, SOCK_DEAD) && orphan_gives_up(tp, max_probes)) return;
  if (tp->icsk_probes_out >= max_probes) return tcp_write_err(tp);
  tcp_send_probe0(tp);
}

// An ACK while nothing was in flight: has the window opened?
void tcp_ack_probe(tcp_sock* tp) {
  const sk_buff* head = tp->sk_write_queue.front();
  if (!head) return;
  if (after(TCP_SKB_CB(head).end_seq, tcp_wnd_end(tp))) {
    const Duration when = tcp_clamp_probe0_to_user_timeout(tp, us(tcp_probe0_when_us(tp)));
    return tcp_reset_xmit_timer(tp, ICSK_TIME_PROBE0, when, true);
  }
  tp->icsk_backoff = 0;
  forget_first_probe(tp);
  tp->icsk_pending = 0;
  tcp_clear_timer(tp, TcpTimer::retransmit);
}

void tcp_send_probe0(tcp_sock* tp) {
  const bool sent = tcp_write_wakeup(tp, Mib::TcpExtTCPWinProbe);
  if (tp->packets_out || tp->sk_write_queue.empty()) {  // the probe was data, or there is nothing to wait for
    tp->icsk_backoff = 0;
    return abandon_probing(tp);
  }
  ++tp->icsk_probes_out;
  Duration next = 500ms;
  if (sent) {
    if (tp->icsk_backoff < net_of(tp).sysctl.tcp_retries2) ++tp->icsk_backoff;
    next = us(tcp_probe0_when_us(tp));
  }
  tcp_reset_xmit_timer(tp, ICSK_TIME_PROBE0, tcp_clamp_probe0_to_user_timeout(tp, next), true);
}

}  // namespace glass
