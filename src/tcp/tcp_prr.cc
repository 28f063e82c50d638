// The window while it is being reduced, in the states CWR and Recovery: proportional rate reduction (RFC 6937, with the
// heuristic of its successor, RFC 9937, for when to catch up).
#include <algorithm>

#include "tcp/tcp_cong.h"
#include "tcp/tcp_internal.h"

namespace glass {

// What slow start may grow to after an undo or an idle time: three quarters of the window have proved to fit.
uint32_t tcp_current_ssthresh(const tcp_sock* tp) {
  if (tcp_in_cwnd_reduction(tp)) return tp->snd_ssthresh;
  return std::max(tp->snd_ssthresh, (tp->snd_cwnd >> 1) + (tp->snd_cwnd >> 2));
}

void tcp_init_cwnd_reduction(tcp_sock* tp) {
  tp->high_seq = tp->snd_nxt;
  tp->tlp_high_seq = {};
  tp->snd_cwnd_cnt = 0;
  tp->prior_cwnd = tp->snd_cwnd;
  tcp_ext& ext = tp->ext.make();
  ext.prr_delivered = ext.prr_out = 0;
  tp->snd_ssthresh = tcp_ca_ssthresh(tp);
  tcp_ecn_queue_cwr(tp);
}

// More in flight than the target: send in the proportion of target to old window. Less: as much as is delivered, and
// one more while the ACKs make progress and show no new loss, until the target is reached.
void tcp_cwnd_reduction(tcp_sock* tp, uint32_t newly_acked_sacked, uint32_t newly_lost, uint32_t flag) {
  if (!newly_acked_sacked || !tp->prior_cwnd) return;
  const auto in_flight = static_cast<int64_t>(tcp_packets_in_flight(tp));
  const int64_t room = static_cast<int64_t>(tp->snd_ssthresh) - in_flight;
  tcp_ext& ext = tp->ext.make();
  ext.prr_delivered += newly_acked_sacked;
  int64_t sndcnt;
  if (room < 0) {
    const uint64_t share = uint64_t{tp->snd_ssthresh} * ext.prr_delivered + tp->prior_cwnd - 1;
    sndcnt = static_cast<int64_t>(share / tp->prior_cwnd) - ext.prr_out;
  } else {
    const bool safe = (flag & FLAG_SND_UNA_ADVANCED) && !newly_lost;
    sndcnt = std::max<int64_t>(int64_t{ext.prr_delivered} - ext.prr_out, newly_acked_sacked) + (safe ? 1 : 0);
    sndcnt = std::min(room, sndcnt);
  }
  sndcnt = std::max<int64_t>(sndcnt, ext.prr_out ? 0 : 1);  // the first retransmission always goes
  tp->snd_cwnd = static_cast<uint32_t>(std::max<int64_t>(in_flight + sndcnt, 1));
}

void tcp_end_cwnd_reduction(tcp_sock* tp) {
  if (tp->icsk_ca_ops->cong_control) return;
  const bool reduced = tp->icsk_ca_state == CaState::CWR || tp->undo_marker.v;  // and not undone
  if (tp->snd_ssthresh < TCP_INFINITE_SSTHRESH && reduced) {
    tp->snd_cwnd = tp->snd_ssthresh;
    tp->snd_cwnd_stamp = now_of(tp);
  }
  tcp_ca_event(tp, CaEvent::COMPLETE_CWR);
}

// Congestion without a loss: a mark, a full queue of our own.
void tcp_enter_cwr(tcp_sock* tp) {
  tp->prior_ssthresh = 0;
  if (tp->icsk_ca_state >= CaState::CWR) return;
  tp->undo_marker = {};
  tcp_init_cwnd_reduction(tp);
  tcp_set_ca_state(tp, CaState::CWR);
}

}  // namespace glass
