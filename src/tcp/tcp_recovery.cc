// Loss recovery: the states Open, Disorder, CWR, Recovery, Loss, and what moves a connection between them (RFC 5681,
// RFC 6582 NewReno, RFC 6675 SACK, RFC 8985 RACK).
#include <algorithm>

#include "tcp/tcp_cong.h"
#include "tcp/tcp_internal.h"
#include "tcp/tcp_mtu_probe.h"

namespace glass {

namespace {

// A retransmission of this trouble may still be out; otherwise its clock starts with the next one.
void retrans_stamp_cleanup(tcp_sock* tp) {
  if (!tcp_any_retrans_done(tp)) tp->retrans_stamp = {};
}

// RFC 2018 section 8: the segment after the ACK is SACKed, so the receiver has discarded what it had reported. Or the
// ACK that says otherwise is under way: wait for it a little, then the time-out forgets all SACKs.
bool check_sack_reneging(tcp_sock* tp, uint32_t& flag) {
  if (!(flag & FLAG_SACK_RENEGING) || !(flag & FLAG_SND_UNA_ADVANCED)) return false;
  const uint32_t wait_us = std::max(tp->srtt_us >> 4, 10'000u);
  tcp_reset_xmit_timer(tp, ICSK_TIME_RETRANS, std::chrono::microseconds(wait_us));
  flag &= ~static_cast<uint32_t>(FLAG_SET_XMIT_TIMER);
  return true;
}

// high_seq is acknowledged. True: stay in the state all the same.
bool high_seq_reached(tcp_sock* tp) {
  if (tp->icsk_ca_state == CaState::CWR) {
    if (tp->snd_una == tp->high_seq) return false;  // CWR has to reach the peer: wait for one byte more
    tcp_end_cwnd_reduction(tp);
    tcp_set_ca_state(tp, CaState::Open);
  } else if (tp->icsk_ca_state == CaState::Recovery) {
    if (tcp_is_reno(tp)) tcp_reset_reno_sack(tp);
    if (tcp_try_undo_recovery(tp)) return true;
    tcp_end_cwnd_reduction(tp);
  }
  return false;
}

// While recovering. False: the undo says that nothing is to be repeated now.
bool recovery_step(tcp_sock* tp, Seq prior_snd_una, uint32_t num_dupack, uint32_t& flag) {
  if (!(flag & FLAG_SND_UNA_ADVANCED)) {
    if (tcp_is_reno(tp)) tcp_add_reno_sack(tp, num_dupack, flag & FLAG_ECE);
  } else if (tcp_try_undo_partial(tp, prior_snd_una)) {
    return false;
  }
  if (tcp_try_undo_dsack(tp)) tcp_try_to_open(tp, flag);
  tcp_identify_packet_loss(tp, flag);
  if (tp->icsk_ca_state == CaState::Recovery) return true;
  if (!tp->lost_out) return false;          // undone
  tcp_enter_recovery(tp, flag & FLAG_ECE);  // undone, but something is lost for certain
  return true;
}

// RFC 4821 section 7.5: a probe that does not arrive was too large; that is no congestion.
bool mtu_probe_lost(tcp_sock* tp) {
  if (!tcp_mtup_under_way(tp) || tp->snd_una != tp->ext->icsk_mtup->probe_seq_start) return false;
  tcp_mtup_probe_failed(tp);
  ++tp->snd_cwnd;  // what it was taken for
  tcp_simple_retransmit(tp);
  return true;
}

// Open, Disorder, CWR, or a Loss that was undone. False: nothing is lost.
bool look_for_loss(tcp_sock* tp, uint32_t num_dupack, uint32_t& flag) {
  if (tcp_is_reno(tp)) {
    if (flag & FLAG_SND_UNA_ADVANCED) tcp_reset_reno_sack(tp);
    tcp_add_reno_sack(tp, num_dupack, flag & FLAG_ECE);
  }
  if (tp->icsk_ca_state <= CaState::Disorder) tcp_try_undo_dsack(tp);
  tcp_identify_packet_loss(tp, flag);
  if (!tp->lost_out) {
    tcp_try_to_open(tp, flag);
    return false;
  }
  if (tp->icsk_ca_state < CaState::CWR && mtu_probe_lost(tp)) return false;
  tcp_enter_recovery(tp, flag & FLAG_ECE);
  return true;
}

// RFC 5681 section 3.1: everything outstanding counts as lost, apart from what was sent too recently to tell.
void timeout_mark_lost(tcp_sock* tp) {
  sk_buff* head = tp->tcp_rtx_queue.front();
  const bool reneged = head && (TCP_SKB_CB(head).sacked & TCPCB_SACKED_ACKED);
  if (reneged) {
    count(tp, Mib::TcpExtTCPSACKReneging);
    tp->sacked_out = 0;
    tp->is_sack_reneg = true;
  } else if (tcp_is_reno(tp)) {
    tcp_reset_reno_sack(tp);
  }
  for (sk_buff* s = head; s; s = s->next) {
    if (reneged)
      TCP_SKB_CB(s).sacked &= static_cast<uint8_t>(~TCPCB_SACKED_ACKED);
    else if (s != head && tcp_rack_skb_timeout(tp, s, 0) > 0)
      continue;
    tcp_mark_skb_lost(tp, s);
  }
  tp->ext.make().retransmit_skb_hint = nullptr;
}

}  // namespace

void tcp_mark_skb_lost(tcp_sock* tp, sk_buff* s) {
  TcpCb& cb = TCP_SKB_CB(s);
  if (cb.sacked & TCPCB_SACKED_ACKED) return;
  const sk_buff* hint = tp->ext->retransmit_skb_hint;
  if (hint ? before(cb.seq, TCP_SKB_CB(hint).seq) : tp->retrans_out >= tp->lost_out)
    tp->ext.make().retransmit_skb_hint = s;
  if (cb.sacked & TCPCB_LOST) {
    if (!(cb.sacked & TCPCB_SACKED_RETRANS)) return;
    cb.sacked &= static_cast<uint8_t>(~TCPCB_SACKED_RETRANS);  // the retransmission was lost as well
    tp->retrans_out -= cb.pcount;
    count(tp, Mib::TcpExtTCPLostRetransmit, cb.pcount);
  } else {
    tp->lost_out += cb.pcount;
    cb.sacked |= TCPCB_LOST;
  }
  tp->lost += cb.pcount;
}

void tcp_init_undo(tcp_sock* tp) {
  tp->undo_marker = tp->snd_una;
  // Duplicates of these may be reported as well. None at all is not zero, which would mean "undo now".
  const uint32_t out = tp->retrans_out + (tp->tlp_high_seq.v && tp->tlp_retrans ? 1 : 0);
  tp->undo_retrans = out ? static_cast<int32_t>(out) : -1;
}

void tcp_enter_recovery(tcp_sock* tp, bool ece_ack) {
  retrans_stamp_cleanup(tp);
  count(tp, tcp_is_reno(tp) ? Mib::TcpExtTCPRenoRecovery : Mib::TcpExtTCPSackRecovery);
  tp->prior_ssthresh = 0;
  tcp_init_undo(tp);
  if (!tcp_in_cwnd_reduction(tp)) {
    if (!ece_ack) tp->prior_ssthresh = tcp_current_ssthresh(tp);
    tcp_init_cwnd_reduction(tp);
  }
  tcp_set_ca_state(tp, CaState::Recovery);
}

// Open, unless something is still missing.
void tcp_try_keep_open(tcp_sock* tp) {
  const CaState state = tcp_left_out(tp) || tcp_any_retrans_done(tp) ? CaState::Disorder : CaState::Open;
  if (tp->icsk_ca_state == state) return;
  tcp_set_ca_state(tp, state);
  tp->high_seq = tp->snd_nxt;
}

void tcp_try_to_open(tcp_sock* tp, uint32_t flag) {
  if (!tcp_any_retrans_done(tp)) tp->retrans_stamp = {};
  if (flag & FLAG_ECE) tcp_enter_cwr(tp);
  if (tp->icsk_ca_state != CaState::CWR) tcp_try_keep_open(tp);
}

void tcp_identify_packet_loss(tcp_sock* tp, uint32_t& flag) {
  if (tp->tcp_rtx_queue.empty()) return;
  if (tcp_is_reno(tp)) return tcp_newreno_mark_lost(tp, flag & FLAG_SND_UNA_ADVANCED);
  const uint32_t prior_retrans = tp->retrans_out;
  if (tcp_rack_mark_lost(tp)) flag &= ~static_cast<uint32_t>(FLAG_SET_XMIT_TIMER);
  if (prior_retrans > tp->retrans_out) flag |= FLAG_LOST_RETRANS;
}

Rexmit tcp_fastretrans_alert(tcp_sock* tp, Seq prior_snd_una, uint32_t num_dupack, uint32_t& flag) {
  PROBE(net_of(tp).trace);
  if (!tp->packets_out) tp->sacked_out = 0;
  if (flag & FLAG_ECE) tp->prior_ssthresh = 0;  // a marked window is not to be restored
  if (check_sack_reneging(tp, flag)) return Rexmit::none;
  if (tp->icsk_ca_state == CaState::Open)
    tp->retrans_stamp = {};
  else if (!before(tp->snd_una, tp->high_seq) && high_seq_reached(tp))
    return Rexmit::none;
  if (tp->icsk_ca_state == CaState::Recovery)
    return recovery_step(tp, prior_snd_una, num_dupack, flag) ? Rexmit::lost : Rexmit::none;
  if (tp->icsk_ca_state == CaState::Loss) {
    const Rexmit rexmit = tcp_process_loss(tp, flag, num_dupack);
    if (tp->icsk_ca_state != CaState::Loss) tcp_update_rto_time(tp);
    tcp_identify_packet_loss(tp, flag);
    if (tp->icsk_ca_state != CaState::Open && !(flag & FLAG_LOST_RETRANS)) return rexmit;
    // Undone, or a retransmission was lost: a loss found now starts a recovery of its own.
    return look_for_loss(tp, num_dupack, flag) ? Rexmit::lost : rexmit;
  }
  return look_for_loss(tp, num_dupack, flag) ? Rexmit::lost : Rexmit::none;
}

void tcp_xmit_recovery(tcp_sock* tp, Rexmit rexmit) {
  if (rexmit == Rexmit::none || tp->skc_state == tcp_state::SYN_SENT) return;
  if (rexmit == Rexmit::new_data) {
    __tcp_push_pending_frames(tp, tcp_current_mss(tp), TCP_NAGLE_OFF);
    if (after(tp->snd_nxt, tp->high_seq)) return;
    tp->frto = false;  // nothing could be sent: repeat what is lost
  }
  tcp_xmit_retransmit_queue(tp);
}

// The retransmission timer went off.
void tcp_enter_loss(tcp_sock* tp) {
  const Sysctl& sysctl = net_of(tp).sysctl;
  const bool new_recovery = tp->icsk_ca_state < CaState::Recovery;
  timeout_mark_lost(tp);
  // One reduction a window of data (RFC 5681 section 3.1), and not again when the same segment times out again.
  if (tp->icsk_ca_state <= CaState::Disorder || !after(tp->high_seq, tp->snd_una) ||
      (tp->icsk_ca_state == CaState::Loss && !tp->icsk_retransmits)) {
    tp->prior_ssthresh = tcp_current_ssthresh(tp);
    tp->prior_cwnd = tp->snd_cwnd;
    tp->snd_ssthresh = tcp_ca_ssthresh(tp);
    tcp_ca_event(tp, CaEvent::LOSS);
    tcp_init_undo(tp);
  }
  tp->snd_cwnd = tcp_packets_in_flight(tp) + 1;
  tp->snd_cwnd_cnt = 0;
  tp->snd_cwnd_stamp = now_of(tp);
  // So many duplicates and still a time-out: the degree of reordering was overestimated.
  if (tp->icsk_ca_state <= CaState::Disorder && tp->sacked_out >= sysctl.tcp_reordering)
    tp->reordering = static_cast<uint32_t>(std::min<int64_t>(tp->reordering, sysctl.tcp_reordering));
  tcp_set_ca_state(tp, CaState::Loss);
  tp->high_seq = tp->snd_nxt;
  tp->tlp_high_seq = {};
  tcp_ecn_queue_cwr(tp);
  // RFC 5682 section 3.1 step 1, 3.2: not while another recovery is under way, but when the same segment times out
  // again.
  tp->frto = sysctl.tcp_frto && (new_recovery || tp->icsk_retransmits);
}

}  // namespace glass
