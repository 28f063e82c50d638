// Recovery without SACK (RFC 6582): each duplicate ACK stands for one segment that has left the network, whichever it
// was.
#include <algorithm>

#include "tcp/tcp_internal.h"

namespace glass {

void tcp_reset_reno_sack(tcp_sock* tp) { tp->sacked_out = 0; }

void tcp_add_reno_sack(tcp_sock* tp, uint32_t num_dupack, bool ece_ack) {
  if (!num_dupack) return;
  const uint32_t prior = tp->sacked_out;
  tp->sacked_out += num_dupack;
  tcp_check_reno_reordering(tp, 0);
  if (tp->sacked_out > prior) tcp_count_delivered(tp, tp->sacked_out - prior, ece_ack);
}

// An ACK came for `acked` segments: one of them filled the hole, the others had been counted by duplicate ACKs.
void tcp_remove_reno_sacks(tcp_sock* tp, uint32_t acked, bool ece_ack) {
  if (acked) {
    tcp_count_delivered(tp, acked > tp->sacked_out ? acked - tp->sacked_out : 1, ece_ack);
    tp->sacked_out -= std::min(tp->sacked_out, acked - 1);
  }
  tcp_check_reno_reordering(tp, acked);
}

// The first unacknowledged segment, when enough duplicate ACKs came or a partial ACK uncovered it.
void tcp_newreno_mark_lost(tcp_sock* tp, bool snd_una_advanced) {
  const bool enough = tp->icsk_ca_state < CaState::Recovery && tp->sacked_out >= tp->reordering;
  const bool partial_ack = tp->icsk_ca_state == CaState::Recovery && snd_una_advanced;
  sk_buff* head = tp->tcp_rtx_queue.front();
  if ((!enough && !partial_ack) || (TCP_SKB_CB(head).sacked & TCPCB_LOST)) return;
  const uint32_t mss = tcp_skb_mss(tp, head);
  if (TCP_SKB_CB(head).pcount > 1 && head->len > mss) tcp_fragment(tp, tp->tcp_rtx_queue, head, mss, mss);
  tcp_mark_skb_lost(tp, head);
}

}  // namespace glass
