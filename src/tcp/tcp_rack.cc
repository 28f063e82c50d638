// RACK (RFC 8985): a segment is lost when one that was sent later has arrived and its own time is up. The time is the
// round trip of the latest arrival plus a window that forgives reordering.
#include <algorithm>

#include "tcp/tcp_cong.h"
#include "tcp/tcp_internal.h"

namespace glass {

namespace {

constexpr int64_t TCP_RACK_STATIC_REO_WND = 2, TCP_RACK_NO_DUPTHRESH = 4;  // bits of tcp_recovery
constexpr uint8_t TCP_RACK_RECOVERY_THRESH = 16;
constexpr Duration TCP_TIMEOUT_MIN = 2ms;  // a timer this short would only catch what is arriving

// By number and not by time: one instant may see several segments sent, each in answer to something else.
bool sent_after(uint32_t sent1, Seq end1, uint32_t sent2, Seq end2) {
  return sent1 == sent2 ? after(end1, end2) : static_cast<int32_t>(sent1 - sent2) > 0;
}

// RFC 8985 section 6.2 step 4: no tolerance before any reordering was seen, once duplicates are many or recovery runs.
uint32_t reo_wnd_us(const tcp_sock* tp) {
  if (!tp->ext->reord_seen) {
    if (tp->icsk_ca_state >= CaState::Recovery) return 0;
    if (tp->sacked_out >= tp->reordering && !(net_of(tp).sysctl.tcp_recovery & TCP_RACK_NO_DUPTHRESH)) return 0;
  }
  const uint64_t steps = uint64_t{tcp_min_rtt(tp) >> 2} * tp->rack.reo_wnd_steps;
  return static_cast<uint32_t>(std::min<uint64_t>(steps, tp->srtt_us >> 3));
}

// Step 5. In the order of sending the first segment that was sent after the latest arrival ends the search. Returns how
// long the most patient of those not yet given up has to be waited for; 0: none is waited for.
int64_t detect_loss(tcp_sock* tp) {
  const uint32_t window = reo_wnd_us(tp);
  int64_t longest = 0;
  for (sk_buff *s = tp->tsorted_head, *next; s; s = next) {
    const TcpCb& cb = TCP_SKB_CB(s);
    next = cb.tsorted_next;
    if ((cb.sacked & TCPCB_LOST) && !(cb.sacked & TCPCB_SACKED_RETRANS)) continue;  // known, waits for its turn
    if (!sent_after(tp->rack.sent, tp->rack.end_seq, cb.sent, cb.end_seq)) break;
    const int64_t left = tcp_rack_skb_timeout(tp, s, window);
    if (left > 0) {
      longest = std::max(longest, left);
      continue;
    }
    tcp_mark_skb_lost(tp, s);
    tcp_tsorted_del(tp, s);
  }
  return longest;
}

}  // namespace

int64_t tcp_rack_skb_timeout(const tcp_sock* tp, const sk_buff* s, uint32_t window_us) {
  return int64_t{tp->rack.rtt_us} + window_us - to_usecs(now_of(tp) - s->tstamp);
}

// Steps 1 and 2: a segment was delivered. What answers a retransmission sooner than any round trip ever took answers an
// earlier copy, and says nothing.
void tcp_rack_advance(tcp_sock* tp, const TcpCb& cb, Instant when) {
  const auto rtt_us = static_cast<uint32_t>(to_usecs(now_of(tp) - when));
  if (rtt_us < tcp_min_rtt(tp) && (cb.sacked & TCPCB_RETRANS)) return;
  tp->rack.advanced = true;
  tp->rack.rtt_us = rtt_us;
  if (!sent_after(cb.sent, cb.end_seq, tp->rack.sent, tp->rack.end_seq)) return;
  tp->rack.sent = cb.sent;
  tp->rack.end_seq = cb.end_seq;
}

bool tcp_rack_mark_lost(tcp_sock* tp) {
  if (!tp->rack.advanced) return false;
  tp->rack.advanced = false;
  const int64_t wait_us = detect_loss(tp);
  if (!wait_us) return false;
  tcp_reset_xmit_timer(tp, ICSK_TIME_REO_TIMEOUT, in_ticks(std::chrono::microseconds(wait_us) + TCP_TIMEOUT_MIN));
  return true;
}

// The reordering timer: what was waited for has not come.
void tcp_rack_reo_timeout(tcp_sock* tp) {
  const uint32_t prior_in_flight = tcp_packets_in_flight(tp), prior_lost = tp->lost;
  detect_loss(tp);
  if (prior_in_flight != tcp_packets_in_flight(tp)) {
    if (tp->icsk_ca_state != CaState::Recovery) {
      tcp_enter_recovery(tp, false);
      if (!tp->icsk_ca_ops->cong_control) tcp_cwnd_reduction(tp, 1, tp->lost - prior_lost, 0);
    }
    tcp_xmit_retransmit_queue(tp);
  }
  if (tp->icsk_pending != ICSK_TIME_RETRANS) tcp_rearm_rto(tp);
}

// Section 6.2 step 4: each round trip in which a D-SACK shows a needless retransmission widens the window by a step;
// sixteen recoveries without one narrow it again.
void tcp_rack_update_reo_wnd(tcp_sock* tp, const rate_sample& rs) {
  if ((net_of(tp).sysctl.tcp_recovery & TCP_RACK_STATIC_REO_WND) || !rs.prior_delivered) return;
  auto& rack = tp->rack;
  if (static_cast<int32_t>(rs.prior_delivered - rack.last_delivered) < 0) rack.dsack_seen = false;
  if (rack.dsack_seen) {
    rack.reo_wnd_steps = static_cast<uint8_t>(std::min(0xff, rack.reo_wnd_steps + 1));
    rack.dsack_seen = false;
    rack.last_delivered = tp->delivered;
    rack.reo_wnd_persist = TCP_RACK_RECOVERY_THRESH;
  } else if (!rack.reo_wnd_persist) {
    rack.reo_wnd_steps = 1;
  }
}

}  // namespace glass
