// What an acknowledgment says (RFC 9293 section 3.10.7.4, fifth; RFC 5681): which data has arrived, how large the
// window is, and whether something looks lost.
#include <algorithm>

#include "tcp/tcp_cong.h"
#include "tcp/tcp_internal.h"

namespace glass {

namespace {

// RFC 9293 3.10.7.4: SND.WL1 and SND.WL2 keep old segments from moving the window.
bool may_update_window(const tcp_sock* tp, Seq ack, Seq ack_seq, uint32_t window) {
  return after(ack, tp->snd_una) || after(ack_seq, tp->snd_wl1) ||
         (ack_seq == tp->snd_wl1 && (window > tp->snd_wnd || !window));
}

void snd_una_update(tcp_sock* tp, Seq ack) {
  tp->bytes_acked += ack - tp->snd_una;
  tp->snd_una = ack;
}

uint32_t ack_update_window(tcp_sock* tp, const Skb& skb, Seq ack, Seq ack_seq) {
  uint32_t flag = 0;
  uint32_t window = ntohs(tcp_hdr(*skb).window);
  if (!tcp_hdr(*skb).syn()) window <<= tp->rx_opt.snd_wscale;
  if (may_update_window(tp, ack, ack_seq, window)) {
    flag |= FLAG_WIN_UPDATE;
    tp->snd_wl1 = ack_seq;
    if (tp->snd_wnd != window) {
      tp->snd_wnd = window;
      tp->pred_flags = 0;
      tcp_fast_path_check(tp);
      if (!tp->sk_write_queue.empty()) tcp_slow_start_after_idle_check(tp);
      if (window > tp->max_window) {
        tp->max_window = window;
        tcp_sync_mss(tp, tp->icsk_pmtu);
      }
    }
  }
  snd_una_update(tp, ack);
  return flag;
}

bool ack_is_dubious(const tcp_sock* tp, uint32_t flag) {
  return !(flag & FLAG_NOT_DUP) || (flag & FLAG_CA_ALERT) || tp->icsk_ca_state != CaState::Open;
}

bool may_raise_cwnd(const tcp_sock* tp, uint32_t flag) {
  if (tp->reordering > net_of(tp).sysctl.tcp_reordering) return flag & (FLAG_DATA_ACKED | FLAG_DATA_SACKED);
  return flag & FLAG_DATA_ACKED;
}

void tcp_in_ack_event(tcp_sock* tp, uint32_t flag) {
  uint32_t ca_flags = flag & FLAG_WIN_UPDATE ? CA_ACK_WIN_UPDATE : 0;
  if (flag & FLAG_SLOWPATH) ca_flags |= CA_ACK_SLOWPATH | (flag & FLAG_ECE ? CA_ACK_ECE : 0);
  tcp_ca_in_ack_event(tp, ca_flags);
}

// PRR while recovering, the algorithm otherwise, or all the time if it wants to.
void tcp_cong_control(tcp_sock* tp, uint32_t acked_sacked, uint32_t flag, const rate_sample& rs) {
  if (tp->icsk_ca_ops->cong_control) return tcp_ca_cong_control(tp, rs);
  if (tcp_in_cwnd_reduction(tp))
    tcp_cwnd_reduction(tp, acked_sacked, rs.losses, flag);
  else if (may_raise_cwnd(tp, flag))
    tcp_cong_avoid(tp, acked_sacked);
  tcp_update_pacing_rate(tp);
}

bool has_sack_room(const tcp_sock* tp, const Skb& skb) {
  return tcp_is_sack(tp) && tcp_hdr(*skb).doff() > tp->tcp_header_len;
}

uint32_t slow_path_update(tcp_sock* tp, const Skb& skb, Seq prior_snd_una, tcp_sacktag_state& st) {
  const TcpCb& cb = TCP_SKB_CB(skb);
  uint32_t flag = 0;
  if (cb.seq != cb.end_seq)
    flag |= FLAG_DATA;
  else
    count(tp, Mib::TcpExtTCPPureAcks);
  flag |= ack_update_window(tp, skb, cb.ack_seq, cb.seq);
  if (has_sack_room(tp, skb)) flag |= tcp_sacktag_write_queue(tp, skb, prior_snd_una, st);
  if (tcp_ecn_rcv_ecn_echo(tp, tcp_hdr(*skb))) flag |= FLAG_ECE;
  if (st.sack_delivered) tcp_count_delivered(tp, st.sack_delivered, flag & FLAG_ECE);
  return flag;
}

// RFC 5961 section 5.2: acceptable is what lies within the largest window ever seen. It may bring news of SACK.
Verdict old_ack(tcp_sock* tp, const Skb& skb, uint32_t flag, tcp_sacktag_state& st) {
  const Seq prior_snd_una = tp->snd_una;
  const uint32_t delivered = tp->delivered;
  const uint64_t reach = std::min<uint64_t>(tp->max_window, tp->bytes_acked);
  if (before(TCP_SKB_CB(skb).ack_seq, prior_snd_una - static_cast<uint32_t>(reach))) {
    if (!(flag & FLAG_NO_CHALLENGE_ACK)) tcp_send_challenge_ack(tp);
    return DROP(TCP_TOO_OLD_ACK);
  }
  if (has_sack_room(tp, skb)) {
    flag |= tcp_sacktag_write_queue(tp, skb, prior_snd_una, st);
    const Rexmit rexmit = tcp_fastretrans_alert(tp, prior_snd_una, 0, flag);
    tcp_newly_delivered(tp, delivered, flag);
    tcp_xmit_recovery(tp, rexmit);
  }
  return nullptr;
}

// Nothing was outstanding: the ACK is about the window, or reports a duplicate.
void ack_without_queue(tcp_sock* tp, Seq ack, Seq prior_snd_una, uint32_t flag) {
  const uint32_t delivered = tp->delivered;
  tcp_in_ack_event(tp, flag);
  if (flag & FLAG_DSACKING_ACK) {
    (void)tcp_fastretrans_alert(tp, prior_snd_una, 0, flag);
    tcp_newly_delivered(tp, delivered, flag);
  }
  tcp_ack_probe(tp);
  if (tp->tlp_high_seq.v) tcp_process_tlp_ack(tp, ack, flag);
}

// What the ACK took off the queue and reported as arrived is known: loss, window, retransmission.
void ack_of_queue(tcp_sock* tp, Seq ack, Seq prior_snd_una, uint32_t flag, uint32_t prior_delivered,
                  tcp_sacktag_state& st) {
  const bool was_reneg = tp->is_sack_reneg;
  const uint32_t prior_lost = tp->lost;
  rate_sample& rs = *st.rate;
  tcp_rack_update_reo_wnd(tp, rs);
  tcp_in_ack_event(tp, flag);
  if (tp->tlp_high_seq.v) tcp_process_tlp_ack(tp, ack, flag);
  Rexmit rexmit = Rexmit::none;
  if (ack_is_dubious(tp, flag)) {
    const bool dup = !(flag & (FLAG_SND_UNA_ADVANCED | FLAG_NOT_DUP | FLAG_DSACKING_ACK));
    rexmit = tcp_fastretrans_alert(tp, prior_snd_una, dup ? 1 : 0, flag);
  }
  if (flag & FLAG_SET_XMIT_TIMER) tcp_set_xmit_timer(tp);
  const uint32_t delivered = tcp_newly_delivered(tp, prior_delivered, flag), lost = tp->lost - prior_lost;
  rs.is_ack_delayed = flag & FLAG_ACK_MAYBE_DELAYED;
  tcp_rate_gen(tp, delivered, lost, was_reneg, rs);
  tcp_cong_control(tp, delivered, flag, rs);
  tcp_xmit_recovery(tp, rexmit);
}

}  // namespace

Verdict tcp_ack(tcp_sock* tp, const Skb& skb, uint32_t flag) {
  PROBE(net_of(tp).trace, skb);
  const TcpCb& cb = TCP_SKB_CB(skb);
  const Seq ack = cb.ack_seq, prior_snd_una = tp->snd_una;
  rate_sample rs;
  tcp_sacktag_state st;
  st.rate = &rs;
  if (before(ack, prior_snd_una)) return old_ack(tp, skb, flag, st);
  if (after(ack, tp->snd_nxt)) return DROP(TCP_ACK_UNSENT_DATA);
  if (after(ack, prior_snd_una)) {
    flag |= FLAG_SND_UNA_ADVANCED;
    tp->icsk_retransmits = 0;
  }
  const Seq prior_fack = tcp_is_sack(tp) ? tcp_highest_sack_seq(tp) : tp->snd_una;
  const uint32_t delivered = tp->delivered, prior_packets = tp->packets_out;
  rs.prior_in_flight = tcp_packets_in_flight(tp);
  if (flag & FLAG_UPDATE_TS_RECENT) tcp_replace_ts_recent(tp, cb.seq);

  if ((flag & (FLAG_SLOWPATH | FLAG_SND_UNA_ADVANCED)) == FLAG_SND_UNA_ADVANCED) {
    // The window is what it was (header prediction), the ACK is new: nothing can be wrong with it.
    tp->snd_wl1 = cb.seq;
    snd_una_update(tp, ack);
    flag |= FLAG_WIN_UPDATE;
    count(tp, Mib::TcpExtTCPHPAcks);
  } else {
    flag |= slow_path_update(tp, skb, prior_snd_una, st);
  }
  tcp_ecn_accept_cwr(tp, skb);
  tp->sk_err_soft = 0;
  tp->icsk_probes_out = 0;
  tp->rcv_tstamp = now_of(tp);
  if (!prior_packets) {
    ack_without_queue(tp, ack, prior_snd_una, flag);
    return nullptr;
  }
  flag |= tcp_clean_rtx_queue(tp, flag, prior_fack, prior_snd_una, st);
  ack_of_queue(tp, ack, prior_snd_una, flag, delivered, st);
  return nullptr;
}

}  // namespace glass
