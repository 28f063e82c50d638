// Loss recovery: the states Open, Disorder, CWR, Recovery, Loss (RFC 5681, RFC 6582 NewReno, RFC 6675 SACK), and the
// window meanwhile.
#include <algorithm>

#include "tcp/tcp_cong.h"
#include "tcp/tcp_internal.h"

namespace glass {

namespace {

void mark_lost(tcp_sock* tp, sk_buff* s) {
  TcpCb& cb = TCP_SKB_CB(s);
  if (cb.sacked & TCPCB_SACKED_ACKED) return;
  if (cb.sacked & TCPCB_LOST) {
    if (!(cb.sacked & TCPCB_SACKED_RETRANS)) return;
    cb.sacked &= static_cast<uint8_t>(~TCPCB_SACKED_RETRANS);  // the retransmission was lost as well
    tp->retrans_out -= cb.pcount;
    count(tp, Mib::TcpExtTCPLostRetransmit);
  } else {
    tp->lost_out += cb.pcount;
    cb.sacked |= TCPCB_LOST;
  }
  if (!tp->retransmit_skb_hint || before(cb.seq, TCP_SKB_CB(tp->retransmit_skb_hint).seq)) tp->retransmit_skb_hint = s;
}

// RFC 6675 IsLost(): at least `reordering` segments above were SACKed.
void sack_mark_lost(tcp_sock* tp) {
  uint32_t seen = 0;
  for (sk_buff* s = tp->tcp_rtx_queue.front(); s && tp->sacked_out - seen >= tp->reordering; s = s->next) {
    const TcpCb& cb = TCP_SKB_CB(s);
    if (cb.sacked & TCPCB_SACKED_ACKED)
      seen += cb.pcount;
    else if (!(cb.sacked & TCPCB_LOST))
      mark_lost(tp, s);
  }
}

// RFC 6582: the first unacknowledged segment, when enough duplicate ACKs came or a partial ACK uncovered it.
void newreno_mark_lost(tcp_sock* tp, bool snd_una_advanced) {
  const bool first = tp->icsk_ca_state < CaState::Recovery && tp->sacked_out >= tp->reordering;
  if (!first && !(tp->icsk_ca_state == CaState::Recovery && snd_una_advanced)) return;
  sk_buff* head = tp->tcp_rtx_queue.front();
  if (!head || (TCP_SKB_CB(head).sacked & TCPCB_LOST)) return;
  const uint32_t mss = head->gso_size ? head->gso_size : tp->mss_cache;
  if (TCP_SKB_CB(head).pcount > 1 && head->len > mss) tcp_fragment(tp, tp->tcp_rtx_queue, head, mss, mss);
  mark_lost(tp, head);
}

void identify_packet_loss(tcp_sock* tp, bool snd_una_advanced) {
  if (tcp_is_reno(tp))
    newreno_mark_lost(tp, snd_una_advanced);
  else
    sack_mark_lost(tp);
}

// Without SACK a duplicate ACK stands for one segment that has left the network.
void add_reno_sack(tcp_sock* tp, uint32_t num_dupack) {
  if (!num_dupack) return;
  const uint32_t most = tp->packets_out ? tp->packets_out - 1 : 0;
  const uint32_t added = std::min(num_dupack, most > tp->sacked_out ? most - tp->sacked_out : 0);
  tp->sacked_out += added;
  tp->delivered += added;
}

void enter_cwnd_reduction(tcp_sock* tp) {
  tp->high_seq = tp->snd_nxt;
  tp->snd_cwnd_cnt = 0;
  tp->prior_cwnd = tp->snd_cwnd;
  tp->prr_delivered = tp->prr_out = 0;
  tp->snd_ssthresh = tcp_ca_ssthresh(tp);
  tcp_ecn_queue_cwr(tp);
}

// A router marked a packet: the window shrinks as after a loss, but nothing is lost.
void enter_cwr(tcp_sock* tp) {
  tp->prior_ssthresh = 0;
  if (tp->icsk_ca_state >= CaState::CWR) return;
  tp->undo_marker = {};
  enter_cwnd_reduction(tp);
  tcp_set_ca_state(tp, CaState::CWR);
}

void enter_recovery(tcp_sock* tp) {
  count(tp, tcp_is_reno(tp) ? Mib::TcpExtTCPRenoRecovery : Mib::TcpExtTCPSackRecovery);
  tp->prior_ssthresh = tcp_current_ssthresh(tp);
  tp->undo_marker = tp->snd_una;
  tp->undo_retrans = static_cast<int32_t>(tp->retrans_out);
  enter_cwnd_reduction(tp);
  tcp_set_ca_state(tp, CaState::Recovery);
}

void end_cwnd_reduction(tcp_sock* tp) {
  if (tp->snd_ssthresh < TCP_INFINITE_SSTHRESH) tp->snd_cwnd = tp->snd_ssthresh;
  tp->snd_cwnd_stamp = now_of(tp);
}

// high_seq is acknowledged: the trouble is over.
void leave(tcp_sock* tp) {
  if (tcp_is_reno(tp)) tcp_reset_reno_sack(tp);
  if (tcp_in_cwnd_reduction(tp)) end_cwnd_reduction(tp);
  tcp_set_ca_state(tp, CaState::Open);
  tp->undo_marker = {};
  tp->retrans_stamp = {};
}

void try_to_open(tcp_sock* tp, uint32_t flag) {
  if (tp->retrans_out == 0) tp->retrans_stamp = {};
  if (flag & FLAG_ECE) enter_cwr(tp);
  if (tp->icsk_ca_state == CaState::CWR) return;
  tp->icsk_ca_state = tp->lost_out || tp->retrans_out || tp->sacked_out ? CaState::Disorder : CaState::Open;
  tp->high_seq = tp->snd_nxt;
}

void process_loss(tcp_sock* tp, uint32_t num_dupack, uint32_t flag) {
  const bool advanced = flag & FLAG_SND_UNA_ADVANCED;
  if (!tcp_is_reno(tp)) return sack_mark_lost(tp);
  if (advanced)
    tcp_reset_reno_sack(tp);
  else
    add_reno_sack(tp, num_dupack);
}

// RFC 2018 section 8: the receiver discarded what it had SACKed, its head is SACKed but not acknowledged.
bool sack_reneging(const tcp_sock* tp, uint32_t flag) {
  const sk_buff* head = tp->tcp_rtx_queue.front();
  return (flag & FLAG_SND_UNA_ADVANCED) && head && (TCP_SKB_CB(head).sacked & TCPCB_SACKED_ACKED);
}

}  // namespace

void tcp_reset_reno_sack(tcp_sock* tp) { tp->sacked_out = 0; }

void tcp_remove_reno_sacks(tcp_sock* tp, uint32_t acked) {
  // One ACKed segment filled the hole, the others had been counted by duplicate ACKs.
  if (acked > 1) tp->sacked_out -= std::min(tp->sacked_out, acked - 1);
  if (!tp->packets_out)
    tp->sacked_out = 0;
  else
    tp->sacked_out = std::min(tp->sacked_out, tp->packets_out - std::min(tp->packets_out, tp->lost_out));
}

uint32_t tcp_current_ssthresh(const tcp_sock* tp) {
  if (tcp_in_cwnd_reduction(tp)) return tp->snd_ssthresh;
  return std::max(tp->snd_ssthresh, (tp->snd_cwnd >> 1) + (tp->snd_cwnd >> 2));
}

void tcp_fastretrans_alert(tcp_sock* tp, uint32_t num_dupack, uint32_t flag) {
  const bool advanced = flag & FLAG_SND_UNA_ADVANCED;
  if (!tp->packets_out) tp->sacked_out = 0;
  if (sack_reneging(tp, flag)) {
    count(tp, Mib::TcpExtTCPSACKReneging);
    // Wait a little: the missing ACK may be under way. Then the time-out forgets all SACKs.
    const uint32_t wait_us = std::max(tp->srtt_us >> 4, 10'000u);
    return tcp_reset_xmit_timer(tp, ICSK_TIME_RETRANS, std::chrono::microseconds(wait_us));
  }
  if (tp->icsk_ca_state != CaState::Open && !before(tp->snd_una, tp->high_seq)) {
    // RFC 6582 section 3.2: without SACK, stay until something beyond high_seq is acknowledged, or stale duplicates
    // start anew.
    const bool wait = tcp_is_reno(tp) && tp->snd_una == tp->high_seq && tp->icsk_ca_state >= CaState::Recovery;
    if (!wait) leave(tp);
  }
  switch (tp->icsk_ca_state) {
    case CaState::Recovery:
      if (tcp_is_reno(tp) && !advanced) add_reno_sack(tp, num_dupack);
      identify_packet_loss(tp, advanced);
      return;
    case CaState::Loss: return process_loss(tp, num_dupack, flag);
    default: break;
  }
  if (tcp_is_reno(tp)) {
    if (advanced) tcp_reset_reno_sack(tp);
    add_reno_sack(tp, num_dupack);
  }
  identify_packet_loss(tp, advanced);
  if (!tp->lost_out) return try_to_open(tp, flag);
  enter_recovery(tp);
}

// The retransmission timer went off: everything not SACKed counts as lost, and slow start begins anew (RFC 5681
// section 3.1).
void tcp_enter_loss(tcp_sock* tp) {
  const bool again = tp->icsk_ca_state == CaState::Loss && tp->icsk_retransmits;
  if (tp->icsk_ca_state <= CaState::Disorder || (!after(tp->high_seq, tp->snd_una)) ||
      (tp->icsk_ca_state == CaState::Loss && !again)) {
    tp->prior_ssthresh = tcp_current_ssthresh(tp);
    tp->prior_cwnd = tp->snd_cwnd;
    tp->snd_ssthresh = tcp_ca_ssthresh(tp);
    tp->undo_marker = tp->snd_una;
    tp->undo_retrans = static_cast<int32_t>(tp->retrans_out);
  }
  const sk_buff* head = tp->tcp_rtx_queue.front();
  const bool reneged = head && (TCP_SKB_CB(head).sacked & TCPCB_SACKED_ACKED);
  if (reneged) count(tp, Mib::TcpExtTCPSACKReneging);
  if (tcp_is_reno(tp) || reneged) tp->sacked_out = 0;
  for (sk_buff* s = tp->tcp_rtx_queue.front(); s; s = s->next) {
    if (reneged) TCP_SKB_CB(s).sacked &= static_cast<uint8_t>(~TCPCB_SACKED_ACKED);
    mark_lost(tp, s);
  }
  tp->retransmit_skb_hint = nullptr;
  tp->snd_cwnd = tcp_packets_in_flight(tp) + 1;
  tp->snd_cwnd_cnt = 0;
  tp->snd_cwnd_stamp = now_of(tp);
  tp->reordering = std::min<uint32_t>(tp->reordering, static_cast<uint32_t>(net_of(tp).sysctl.tcp_reordering));
  tcp_set_ca_state(tp, CaState::Loss);
  tp->high_seq = tp->snd_nxt;
  tcp_ecn_queue_cwr(tp);
}

}  // namespace glass
