// Taking back a reduction of the window that proved needless: every retransmission was reported as a duplicate
// (RFC 3708), or the ACK echoes a timestamp from before the first of them (Eifel, RFC 3522 and RFC 4015).
#include <algorithm>

#include "tcp/tcp_cong.h"
#include "tcp/tcp_internal.h"

namespace glass {

namespace {

// The original arrived, only late.
bool packet_delayed(const tcp_sock* tp) {
  if (tp->retrans_stamp != Instant{}) return tcp_tsopt_ecr_before(tp, tp->retrans_stamp);
  // Nothing was retransmitted, or the stamp was cleared although something was: at the end of a recovery without SACK,
  // and when a SYN is acknowledged.
  if (tcp_is_reno(tp) && !before(tp->snd_una, tp->high_seq)) return false;
  return tp->skc_state != tcp_state::SYN_SENT;
}

bool may_undo(const tcp_sock* tp) { return tp->undo_marker.v && (!tp->undo_retrans || packet_delayed(tp)); }

void unmark_lost(tcp_sock* tp) {
  for (sk_buff* s = tp->tcp_rtx_queue.front(); s; s = s->next)
    TCP_SKB_CB(s).sacked &= static_cast<uint8_t>(~TCPCB_LOST);
  tp->lost_out = 0;
  if (tcp_ext* ext = tp->ext.own()) ext->retransmit_skb_hint = nullptr;
}

void undo_cwnd_reduction(tcp_sock* tp, bool unmark) {
  if (unmark) unmark_lost(tp);
  if (tp->prior_ssthresh) {
    tp->snd_cwnd = tcp_ca_undo_cwnd(tp);
    if (tp->prior_ssthresh > tp->snd_ssthresh) {
      tp->snd_ssthresh = tp->prior_ssthresh;
      tcp_ecn_withdraw_cwr(tp);
    }
  }
  tp->snd_cwnd_stamp = now_of(tp);
  tp->undo_marker = {};
  tp->rack.advanced = true;  // what was marked by mistake may be lost all the same
}

// RFC 6582 section 3.2: without SACK the state is kept until more than high_seq is acknowledged, lest stale duplicates
// start another recovery.
bool non_sack_preventing_reopen(tcp_sock* tp) {
  if (tp->snd_una != tp->high_seq || tcp_is_sack(tp)) return false;
  if (!tcp_any_retrans_done(tp)) tp->retrans_stamp = {};
  return true;
}

void open(tcp_sock* tp) {
  tcp_set_ca_state(tp, CaState::Open);
  tp->is_sack_reneg = false;
}

}  // namespace

bool tcp_tsopt_ecr_before(const tcp_sock* tp, Instant when) {
  const tcp_options_received& o = tp->rx_opt;
  return o.saw_tstamp && o.rcv_tsecr && static_cast<int32_t>(o.rcv_tsecr - msecs32(when)) < 0;
}

bool tcp_any_retrans_done(const tcp_sock* tp) {
  const sk_buff* head = tp->tcp_rtx_queue.front();
  return tp->retrans_out || (head && (TCP_SKB_CB(head).sacked & TCPCB_EVER_RETRANS));
}

bool tcp_try_undo_recovery(tcp_sock* tp) {
  if (may_undo(tp)) {
    count(tp, tp->icsk_ca_state == CaState::Loss ? Mib::TcpExtTCPLossUndo : Mib::TcpExtTCPFullUndo);
    undo_cwnd_reduction(tp, false);
  } else if (tp->rack.reo_wnd_persist) {
    --tp->rack.reo_wnd_persist;
  }
  if (non_sack_preventing_reopen(tp)) return true;
  open(tp);
  return false;
}

bool tcp_try_undo_dsack(tcp_sock* tp) {
  if (!tp->undo_marker.v || tp->undo_retrans) return false;
  tp->rack.reo_wnd_persist = static_cast<uint8_t>(std::min(16, tp->rack.reo_wnd_persist + 1));
  undo_cwnd_reduction(tp, false);
  count(tp, Mib::TcpExtTCPDSACKUndo);
  return true;
}

// A partial ACK that the original of the first hole brought. True: retransmissions are still out, so nothing more is
// marked or repeated; new data may go.
bool tcp_try_undo_partial(tcp_sock* tp, Seq prior_snd_una) {
  if (!tp->undo_marker.v || !packet_delayed(tp)) return false;
  tcp_check_sack_reordering(tp, prior_snd_una, true);
  if (tp->retrans_out) return true;
  if (!tcp_any_retrans_done(tp)) tp->retrans_stamp = {};
  undo_cwnd_reduction(tp, true);
  count(tp, Mib::TcpExtTCPPartialUndo);
  tcp_try_keep_open(tp);
  return false;
}

bool tcp_try_undo_loss(tcp_sock* tp, bool frto_undo) {
  if (!frto_undo && !may_undo(tp)) return false;
  undo_cwnd_reduction(tp, true);
  count(tp, Mib::TcpExtTCPLossUndo);
  if (frto_undo) count(tp, Mib::TcpExtTCPSpuriousRTOs);
  tp->icsk_retransmits = 0;
  if (!non_sack_preventing_reopen(tp) && (frto_undo || tcp_is_sack(tp))) open(tp);
  return true;
}

}  // namespace glass
