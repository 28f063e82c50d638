// Retransmission: one segment, or whatever is marked lost as far as the window allows.
#include <algorithm>

#include "tcp/tcp_cong.h"
#include "tcp/tcp_internal.h"
#include "tcp/tcp_mtu_probe.h"

namespace glass {

namespace {

// Only what a lone small packet can hold, that waits like it and ends where the windows do.
bool can_collapse(const tcp_sock* tp, const sk_buff* to, const sk_buff* next) {
  const TcpCb& cb = TCP_SKB_CB(next);
  return cb.pcount <= 1 && !(cb.sacked & TCPCB_SACKED_ACKED) && tcp_skb_can_collapse(to, next) &&
         !after(cb.end_seq, tcp_wnd_end(tp));
}

bool collapse_next(tcp_sock* tp, sk_buff* s) {
  sk_buff* next = s->next;
  TcpCb &cb = TCP_SKB_CB(s), &ncb = TCP_SKB_CB(next);
  if (next->len && !tcp_skb_shift(tp, s, next)) return false;
  cb.end_seq = ncb.end_seq;
  cb.tcp_flags |= ncb.tcp_flags;
  cb.sacked |= ncb.sacked & TCPCB_EVER_RETRANS;
  cb.eor = ncb.eor;
  const bool hinted = tp->ext->retransmit_skb_hint == next;
  tcp_adjust_pcount(tp, next, ncb.pcount);
  Skb gone = tcp_rtx_queue_unlink(tp, next);
  sk_wmem_queued_add(tp, -static_cast<int32_t>(gone->truesize));
  kfree_skb_partial(std::move(gone));
  if (hinted) tp->ext.make().retransmit_skb_hint = s;
  return true;
}

// Small neighbours go out again as one packet.
void retrans_try_collapse(tcp_sock* tp, sk_buff* s, uint32_t space) {
  if (!net_of(tp).sysctl.tcp_retrans_collapse || (TCP_SKB_CB(s).tcp_flags & TCPHDR_SYN)) return;
  if (TCP_SKB_CB(s).pcount > 1 || (TCP_SKB_CB(s).sacked & TCPCB_SACKED_ACKED)) return;
  while (s->next && can_collapse(tp, s, s->next) && s->len + s->next->len <= space)
    if (!collapse_next(tp, s)) return;
}

// The segment's size is brought into line with the present MSS and the windows. False: there is no memory for it.
bool fit(tcp_sock* tp, sk_buff* s, uint32_t mss, uint32_t avail, uint32_t segs) {
  uint32_t len = mss * segs;
  if (len > avail) len = avail >= mss ? avail / mss * mss : avail;
  if (s->len > len) {
    if (!tcp_may_fragment(tp, s)) return false;
    tcp_fragment(tp, tp->tcp_rtx_queue, s, len, mss);
    return true;
  }
  const int prior = TCP_SKB_CB(s).pcount;
  tcp_set_skb_tso_segs(s, mss);
  if (prior != TCP_SKB_CB(s).pcount) tcp_adjust_pcount(tp, s, prior - TCP_SKB_CB(s).pcount);
  const uint32_t one = std::min(avail, mss);
  if (s->len < one) retrans_try_collapse(tp, s, one);
  return true;
}

// What is acknowledged already is not sent again: the SYN of data that went with it, the front of a segment.
void trim_acknowledged(tcp_sock* tp, sk_buff* s) {
  TcpCb& cb = TCP_SKB_CB(s);
  if ((cb.tcp_flags & TCPHDR_SYN) && before(cb.seq, tp->snd_una)) {
    cb.tcp_flags &= static_cast<uint16_t>(~TCPHDR_SYN);
    cb.seq += 1;
  }
  if (before(cb.seq, tp->snd_una)) tcp_trim_head(tp, s, std::min(tp->snd_una - cb.seq, s->len));
}

void count_retransmission(tcp_sock* tp, const sk_buff* s) {
  const TcpCb& cb = TCP_SKB_CB(s);
  tp->total_retrans += cb.pcount;
  tp->ext.make().bytes_retrans += s->len;
  count(tp, Mib::TcpRetransSegs, cb.pcount);
  if (cb.tcp_flags & TCPHDR_SYN) count(tp, Mib::TcpExtTCPSynRetrans);
}

}  // namespace

Result<void> __tcp_retransmit_skb(tcp_sock* tp, sk_buff* s, uint32_t segs) {
  PROBE(net_of(tp).trace, s);
  TcpCb& cb = TCP_SKB_CB(s);
  tcp_mtup_inconclusive(tp);
  trim_acknowledged(tp, s);
  const uint32_t mss = tcp_current_mss(tp);
  uint32_t avail = after(tcp_wnd_end(tp), cb.seq) ? tcp_wnd_end(tp) - cb.seq : 0;
  if (!avail) {
    if (cb.seq != tp->snd_una) return Err(EAGAIN);  // the receiver took its window back
    avail = mss;                                    // the first segment serves as a zero-window probe
  }
  if (!fit(tp, s, mss, avail, segs)) return Err(ENOMEM);
  if (cb.tcp_flags & TCPHDR_SYN) tcp_ecn_clear_syn(tp, cb);
  count_retransmission(tp, s);
  Result<void> sent = __tcp_transmit_skb(tp, *s);
  if (sent)
    tcp_tsorted_sent(tp, s);
  else
    count(tp, Mib::TcpExtTCPRetransFail, cb.pcount);
  cb.sacked |= TCPCB_EVER_RETRANS;  // also if it did not leave: its time stamp is no sample any more
  return sent;
}

Result<void> tcp_retransmit_skb(tcp_sock* tp, sk_buff* s, uint32_t segs) {
  Result<void> sent = __tcp_retransmit_skb(tp, s, segs);
  const TcpCb& cb = TCP_SKB_CB(s);
  if (sent) {
    TCP_SKB_CB(s).sacked |= TCPCB_RETRANS;
    tp->retrans_out += cb.pcount;
  }
  if (tp->retrans_stamp == Instant{}) tp->retrans_stamp = s->tstamp;
  if (tp->undo_retrans < 0) tp->undo_retrans = 0;
  tp->undo_retrans += cb.pcount;
  return sent;
}

void tcp_xmit_retransmit_queue(tcp_sock* tp) {
  if (!tp->packets_out) return;
  const uint32_t mss = tcp_current_mss(tp), max_segs = tcp_tso_segs(tp, mss);
  const sk_buff *head = tp->tcp_rtx_queue.front(), *hole = nullptr;
  sk_buff* s = tp->ext->retransmit_skb_hint ? tp->ext->retransmit_skb_hint : tp->tcp_rtx_queue.front();
  bool rearm_timer = false;
  for (; s && !tcp_pacing_check(tp); s = s->next) {
    if (!hole) tp->ext.make().retransmit_skb_hint = s;
    const uint32_t in_flight = tcp_packets_in_flight(tp);
    if (in_flight >= tp->snd_cwnd || tp->retrans_out >= tp->lost_out) break;
    TcpCb& cb = TCP_SKB_CB(s);
    if (!(cb.sacked & TCPCB_LOST)) {
      // May be marked later; the next search begins here.
      if (!hole && !(cb.sacked & (TCPCB_SACKED_RETRANS | TCPCB_SACKED_ACKED))) hole = s;
      continue;
    }
    if (cb.sacked & (TCPCB_SACKED_ACKED | TCPCB_SACKED_RETRANS)) continue;
    if (!tcp_retransmit_skb(tp, s, std::min(tp->snd_cwnd - in_flight, max_segs))) break;
    count(tp, tp->icsk_ca_state == CaState::Loss ? Mib::TcpExtTCPSlowStartRetrans : Mib::TcpExtTCPFastRetrans,
          cb.pcount);
    if (tcp_in_cwnd_reduction(tp)) tp->ext.make().prr_out += cb.pcount;
    if (s == head && tp->icsk_pending != ICSK_TIME_REO_TIMEOUT) rearm_timer = true;
  }
  if (rearm_timer) tcp_reset_xmit_timer(tp, ICSK_TIME_RETRANS, std::chrono::microseconds(tp->icsk_rto_us), true);
}

// What is marked lost goes out again, but not because of congestion: the window stays.
void tcp_non_congestion_loss_retransmit(tcp_sock* tp) {
  if (tp->icsk_ca_state != CaState::Loss) {
    tp->high_seq = tp->snd_nxt;
    tp->snd_ssthresh = tcp_current_ssthresh(tp);
    tp->prior_ssthresh = 0;
    tp->undo_marker = {};
    tcp_set_ca_state(tp, CaState::Loss);
  }
  tcp_xmit_retransmit_queue(tp);
}

// The path's MTU fell: what is larger than the new MSS cannot have arrived (RFC 1191 section 6.4), nor can a SYN with
// data, which stands in the queue as two segments.
void tcp_simple_retransmit(tcp_sock* tp) {
  const bool all = tp->syn_data && tp->skc_state == tcp_state::SYN_SENT;
  const uint32_t mss = tcp_current_mss(tp);
  for (sk_buff* s = tp->tcp_rtx_queue.front(); s; s = s->next)
    if (all || tcp_skb_seglen(s) > mss) tcp_mark_skb_lost(tp, s);
  if (!tp->lost_out) return;
  if (tcp_is_reno(tp)) tcp_limit_reno_sacked(tp);
  tcp_non_congestion_loss_retransmit(tp);
}

}  // namespace glass
