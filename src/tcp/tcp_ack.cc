// What an acknowledgment says (RFC 9293 section 3.10.7.4, fifth; RFC 5681): which data has arrived, how large the
// window is, and whether something looks lost.
#include <algorithm>

#include "tcp/tcp_cong.h"
#include "tcp/tcp_internal.h"

namespace glass {

namespace {

// What one ACK cleared from the retransmit queue.
struct Cleaned {
  uint32_t flags = 0;
  uint32_t pkts_acked = 0;  // segments, once each
  Instant first_ackt{};     // oldest segment acknowledged that was sent only once
  bool has_sample = false;
};

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
      if (!tp->sk_write_queue.empty() && window > tp->max_window) tcp_sync_mss(tp, tp->icsk_pmtu);
      tp->max_window = std::max(tp->max_window, window);
    }
  }
  snd_una_update(tp, ack);
  return flag;
}

// A large segment of which only the front is acknowledged: the acknowledged part is cut off. Returns segments freed.
uint32_t tso_acked(tcp_sock* tp, sk_buff* skb) {
  const uint32_t before_cut = TCP_SKB_CB(skb).pcount;
  tcp_trim_head(tp, skb, tp->snd_una - TCP_SKB_CB(skb).seq);
  return before_cut - TCP_SKB_CB(skb).pcount;
}

void account_acked(tcp_sock* tp, const TcpCb& cb, uint32_t pcount, Instant sent, Cleaned& c) {
  if (cb.sacked & TCPCB_EVER_RETRANS) {
    if (cb.sacked & TCPCB_SACKED_RETRANS) tp->retrans_out -= pcount;
    c.flags |= FLAG_RETRANS_DATA_ACKED;
  } else if (!(cb.sacked & TCPCB_SACKED_ACKED)) {
    if (!c.has_sample) c.first_ackt = sent;
    c.has_sample = true;
    if (!after(cb.end_seq, tp->high_seq)) c.flags |= FLAG_ORIG_SACK_ACKED;
  }
  if (cb.sacked & TCPCB_SACKED_ACKED)
    tp->sacked_out -= pcount;
  else if (tcp_is_sack(tp))
    tp->delivered += pcount;
  if (cb.sacked & TCPCB_LOST) tp->lost_out -= pcount;
  tp->packets_out -= pcount;
  c.pkts_acked += pcount;
  c.flags |= cb.tcp_flags & TCPHDR_SYN ? FLAG_SYN_ACKED : FLAG_DATA_ACKED;
}

Cleaned clean_rtx_queue(tcp_sock* tp) {
  Cleaned c;
  while (sk_buff* skb = tp->tcp_rtx_queue.front()) {
    const TcpCb cb = TCP_SKB_CB(skb);
    if (after(cb.end_seq, tp->snd_una)) {
      if (cb.pcount > 1 && after(tp->snd_una, cb.seq)) {
        const uint32_t freed = tso_acked(tp, skb);
        if (freed) account_acked(tp, cb, freed, skb->tstamp, c);
      }
      break;
    }
    account_acked(tp, cb, cb.pcount, skb->tstamp, c);
    tcp_skb_forget(tp, skb);
    tcp_wmem_free_skb(tp, tp->tcp_rtx_queue.unlink(skb));
  }
  return c;
}

// Karn's rule: data that was sent twice gives no sample, unless a timestamp tells which copy is meant.
bool ack_update_rtt(tcp_sock* tp, const Cleaned& c) {
  int64_t rtt = c.has_sample ? to_usecs(now_of(tp) - c.first_ackt) : -1;
  if (rtt < 0 && (c.flags & FLAG_ACKED)) rtt = tcp_rtt_tsopt_us(tp);
  if (rtt < 0) return false;
  tcp_rtt_estimator(tp, rtt);
  tcp_set_rto(tp);
  tp->icsk_backoff = 0;  // RFC 6298 section 5.7: a valid sample ends the backoff
  return true;
}

uint32_t finish_clean(tcp_sock* tp, Cleaned c) {
  ack_update_rtt(tp, c);
  if (!(c.flags & FLAG_ACKED)) return c.flags;
  c.flags |= FLAG_SET_XMIT_TIMER;
  if (tcp_is_reno(tp)) {
    tcp_remove_reno_sacks(tp, c.pkts_acked);
    tp->delivered += c.pkts_acked;
    // A retransmission filled the hole: what it uncovers was delivered before and is no sign of growth.
    if (c.flags & FLAG_RETRANS_DATA_ACKED) c.flags &= ~static_cast<uint32_t>(FLAG_ORIG_SACK_ACKED);
  }
  return c.flags;
}

bool ack_is_dubious(const tcp_sock* tp, uint32_t flag) {
  return !(flag & FLAG_NOT_DUP) || (flag & FLAG_CA_ALERT) || tp->icsk_ca_state != CaState::Open;
}

bool may_raise_cwnd(const tcp_sock* tp, uint32_t flag) {
  if (tp->reordering > net_of(tp).sysctl.tcp_reordering) return flag & (FLAG_DATA_ACKED | FLAG_DATA_SACKED);
  return flag & FLAG_DATA_ACKED;
}

// The window opened while a probe was due.
void ack_probe(tcp_sock* tp) {
  const sk_buff* head = tp->sk_write_queue.front();
  if (!head) return;
  if (!after(TCP_SKB_CB(head).end_seq, tcp_wnd_end(tp))) {
    tp->icsk_backoff = 0;
    tp->icsk_probes_out = 0;
    if (tp->icsk_pending == ICSK_TIME_PROBE0) {
      tp->icsk_pending = 0;
      tcp_clear_timer(tp, TcpTimer::retransmit);
    }
  } else {
    tcp_reset_xmit_timer(tp, ICSK_TIME_PROBE0, std::chrono::microseconds(tcp_probe0_when_us(tp)));
  }
}

void prr_cwnd_reduction(tcp_sock* tp, uint32_t delivered, uint32_t flag) {
  if (!delivered || !tp->prior_cwnd) return;
  const auto in_flight = static_cast<int64_t>(tcp_packets_in_flight(tp));
  const int64_t delta = static_cast<int64_t>(tp->snd_ssthresh) - in_flight;
  tp->prr_delivered += delivered;
  int64_t sndcnt;
  if (delta < 0) {
    const uint64_t dividend = uint64_t{tp->snd_ssthresh} * tp->prr_delivered + tp->prior_cwnd - 1;
    sndcnt = static_cast<int64_t>(dividend / tp->prior_cwnd) - tp->prr_out;
  } else {
    sndcnt = std::max<int64_t>(static_cast<int64_t>(tp->prr_delivered) - tp->prr_out, delivered);
    if ((flag & FLAG_SND_UNA_ADVANCED) && !(flag & FLAG_LOST_RETRANS)) ++sndcnt;
    sndcnt = std::min(delta, sndcnt);
  }
  sndcnt = std::max<int64_t>(sndcnt, tp->prr_out ? 0 : 1);  // the first transmission of a recovery always goes
  tp->snd_cwnd = static_cast<uint32_t>(std::max<int64_t>(in_flight + sndcnt, 1));
}

// RFC 6937 while recovering, the algorithm otherwise.
void cong_control(tcp_sock* tp, uint32_t delivered, uint32_t flag) {
  if (tp->icsk_ca_ops->cong_control) return tcp_ca_cong_control(tp, {});
  if (tcp_in_cwnd_reduction(tp))
    prr_cwnd_reduction(tp, delivered, flag);
  else if (delivered && may_raise_cwnd(tp, flag))
    tcp_cong_avoid(tp, delivered);
  tcp_update_pacing_rate(tp);
}

uint32_t slow_path_update(tcp_sock* tp, const Skb& skb, Seq ack, Seq ack_seq, Seq prior_snd_una) {
  uint32_t flag = 0;
  if (ack_seq != TCP_SKB_CB(skb).end_seq)
    flag |= FLAG_DATA;
  else
    count(tp, Mib::TcpExtTCPPureAcks);
  flag |= ack_update_window(tp, skb, ack, ack_seq);
  if (tp->rx_opt.sack_ok && tcp_hdr(*skb).doff() > tp->tcp_header_len)
    flag |= tcp_sacktag_write_queue(tp, skb, prior_snd_una);
  if (tcp_ecn_rcv_ecn_echo(tp, tcp_hdr(*skb))) flag |= FLAG_ECE;
  return flag;
}

Verdict ack_too_old(tcp_sock* tp, const Skb& skb, uint32_t flag, Seq ack, Seq prior_snd_una) {
  // RFC 5961 section 5.2: acceptable is what lies within the largest window ever seen.
  const uint64_t reach = std::min<uint64_t>(tp->max_window, tp->bytes_acked);
  if (before(ack, prior_snd_una - static_cast<uint32_t>(reach))) {
    if (!(flag & FLAG_NO_CHALLENGE_ACK)) tcp_send_challenge_ack(tp);
    return DROP(TCP_TOO_OLD_ACK);
  }
  if (tp->rx_opt.sack_ok && tcp_hdr(*skb).doff() > tp->tcp_header_len) {
    const uint32_t sacked = flag | tcp_sacktag_write_queue(tp, skb, prior_snd_una);
    tcp_fastretrans_alert(tp, 0, sacked);
    if (tp->icsk_ca_state >= CaState::Recovery) tcp_xmit_retransmit_queue(tp);
  }
  return nullptr;
}

}  // namespace

bool tcp_ack_is_old(const tcp_sock* tp, const Skb& skb) { return before(TCP_SKB_CB(skb).ack_seq, tp->snd_una); }

void tcp_rearm_rto(tcp_sock* tp) {
  if (!tp->packets_out) {
    tp->icsk_pending = 0;
    tcp_clear_timer(tp, TcpTimer::retransmit);
  } else {
    tcp_reset_xmit_timer(tp, ICSK_TIME_RETRANS, std::chrono::microseconds(tp->icsk_rto_us));
  }
}

Verdict tcp_ack(tcp_sock* tp, const Skb& skb, uint32_t flag) {
  PROBE(net_of(tp).trace, skb);
  const TcpCb& cb = TCP_SKB_CB(skb);
  const Seq ack = cb.ack_seq, ack_seq = cb.seq, prior_snd_una = tp->snd_una;
  if (before(ack, prior_snd_una)) return ack_too_old(tp, skb, flag, ack, prior_snd_una);
  if (after(ack, tp->snd_nxt)) return DROP(TCP_ACK_UNSENT_DATA);
  if (after(ack, prior_snd_una)) {
    flag |= FLAG_SND_UNA_ADVANCED;
    tp->icsk_retransmits = 0;
  }
  if (flag & FLAG_UPDATE_TS_RECENT) tcp_replace_ts_recent(tp, ack_seq);
  const uint32_t delivered = tp->delivered, prior_packets = tp->packets_out;

  if ((flag & (FLAG_SLOWPATH | FLAG_SND_UNA_ADVANCED)) == FLAG_SND_UNA_ADVANCED) {
    // The window is what it was (header prediction), the ACK is new: nothing can be wrong with it.
    tp->snd_wl1 = ack_seq;
    snd_una_update(tp, ack);
    flag |= FLAG_WIN_UPDATE;
    count(tp, Mib::TcpExtTCPHPAcks);
  } else {
    flag |= slow_path_update(tp, skb, ack, ack_seq, prior_snd_una);
  }
  tcp_ecn_accept_cwr(tp, skb);
  tp->sk_err_soft = 0;
  tp->icsk_probes_out = 0;
  tp->rcv_tstamp = now_of(tp);
  if (!prior_packets) {
    ack_probe(tp);
    return nullptr;
  }
  flag |= finish_clean(tp, clean_rtx_queue(tp));
  if (ack_is_dubious(tp, flag)) {
    const bool dup = !(flag & (FLAG_SND_UNA_ADVANCED | FLAG_NOT_DUP | FLAG_DSACKING_ACK));
    tcp_fastretrans_alert(tp, dup ? 1 : 0, flag);
  }
  if (flag & FLAG_SET_XMIT_TIMER) tcp_rearm_rto(tp);
  cong_control(tp, tp->delivered - delivered, flag);
  if (tp->icsk_ca_state >= CaState::Recovery) tcp_xmit_retransmit_queue(tp);
  return nullptr;
}

}  // namespace glass
