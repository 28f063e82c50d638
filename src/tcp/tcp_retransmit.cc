// Retransmission: one segment, or whatever is marked lost as far as the window allows.
#include <algorithm>

#include "tcp/tcp_internal.h"

namespace glass {

namespace {

void account(tcp_sock* tp, sk_buff* s) {
  TcpCb& cb = TCP_SKB_CB(s);
  if (!(cb.sacked & TCPCB_SACKED_RETRANS)) tp->retrans_out += cb.pcount;
  cb.sacked |= TCPCB_SACKED_RETRANS | TCPCB_EVER_RETRANS;
  ++cb.retrans;
  if (tp->retrans_stamp == Instant{}) tp->retrans_stamp = s->tstamp;
  if (tp->undo_retrans < 0) tp->undo_retrans = 0;
  tp->undo_retrans += cb.pcount;
  tp->total_retrans += cb.pcount;
  tp->bytes_retrans += s->len;
  count(tp, Mib::TcpRetransSegs, cb.pcount);
  if (cb.tcp_flags & TCPHDR_SYN) count(tp, Mib::TcpExtTCPSynRetrans);
}

}  // namespace

Result<void> tcp_retransmit_skb(tcp_sock* tp, sk_buff* s, uint32_t segs) {
  PROBE(net_of(tp).trace, s);
  TcpCb& cb = TCP_SKB_CB(s);
  if (before(cb.seq, tp->snd_una)) tcp_trim_head(tp, s, std::min(tp->snd_una - cb.seq, s->len));
  const uint32_t mss = tcp_current_mss(tp);
  const uint32_t room = before(cb.seq, tcp_wnd_end(tp)) ? tcp_wnd_end(tp) - cb.seq : 0;
  const bool bare = s->len == 0;                                    // SYN, FIN
  if (!room && !bare && cb.seq != tp->snd_una) return Err(EAGAIN);  // the receiver took its window back
  uint32_t len = mss * segs;
  if (room && room < len) len = room;
  if (s->len > len) {
    tcp_fragment(tp, tp->tcp_rtx_queue, s, len, mss);
  } else if (s->len && (s->gso_size ? s->gso_size != mss : s->len > mss)) {
    const uint32_t before_it = cb.pcount;
    tcp_set_skb_tso_segs(s, mss);
    const uint32_t less = before_it - cb.pcount;
    tp->packets_out -= less;
    if (cb.sacked & TCPCB_LOST) tp->lost_out -= less;
    if (cb.sacked & TCPCB_SACKED_RETRANS) tp->retrans_out -= less;
  }
  if (cb.tcp_flags & TCPHDR_SYN) tcp_ecn_clear_syn(tp, cb);
  s->tstamp = now_of(tp);
  Result<void> sent = __tcp_transmit_skb(tp, *s);
  if (!sent) {
    count(tp, Mib::TcpExtTCPRetransFail);
    return sent;
  }
  account(tp, s);
  return {};
}

void tcp_xmit_retransmit_queue(tcp_sock* tp) {
  if (!tp->packets_out || !tp->lost_out) return;
  sk_buff* s = tp->retransmit_skb_hint ? tp->retransmit_skb_hint : tp->tcp_rtx_queue.front();
  bool head_sent = false;
  for (; s; s = s->next) {
    const uint32_t in_flight = tcp_packets_in_flight(tp);
    if (in_flight >= tp->snd_cwnd) break;
    TcpCb& cb = TCP_SKB_CB(s);
    tp->retransmit_skb_hint = s;
    if ((cb.sacked & (TCPCB_SACKED_ACKED | TCPCB_SACKED_RETRANS)) || !(cb.sacked & TCPCB_LOST)) continue;
    if (!tcp_retransmit_skb(tp, s, tp->snd_cwnd - in_flight)) break;
    count(tp, tp->icsk_ca_state == CaState::Loss ? Mib::TcpExtTCPSlowStartRetrans : Mib::TcpExtTCPFastRetrans,
          cb.pcount);
    if (tcp_in_cwnd_reduction(tp)) tp->prr_out += cb.pcount;
    head_sent |= s == tp->tcp_rtx_queue.front();
  }
  if (!s) tp->retransmit_skb_hint = tp->tcp_rtx_queue.back();
  if (head_sent) tcp_rearm_rto(tp);
}

// The path's MTU fell: what is larger than the new MSS cannot have arrived (RFC 1191 section 6.4).
void tcp_simple_retransmit(tcp_sock* tp) {
  const uint32_t mss = tcp_current_mss(tp);
  bool lost = false;
  for (sk_buff* s = tp->tcp_rtx_queue.front(); s; s = s->next) {
    TcpCb& cb = TCP_SKB_CB(s);
    const uint32_t piece = s->gso_size ? s->gso_size : s->len;
    if (piece <= mss || (cb.sacked & (TCPCB_SACKED_ACKED | TCPCB_LOST))) continue;
    if (cb.sacked & TCPCB_SACKED_RETRANS) {
      cb.sacked &= static_cast<uint8_t>(~TCPCB_SACKED_RETRANS);
      tp->retrans_out -= cb.pcount;
    }
    cb.sacked |= TCPCB_LOST;
    tp->lost_out += cb.pcount;
    lost = true;
  }
  if (!lost) return;
  tp->retransmit_skb_hint = nullptr;
  if (tp->icsk_ca_state != CaState::Loss) {  // not congestion: the window stays
    tp->high_seq = tp->snd_nxt;
    tp->snd_ssthresh = tcp_current_ssthresh(tp);
    tp->prior_ssthresh = 0;
    tp->undo_marker = {};
    tp->icsk_ca_state = CaState::Loss;
  }
  tcp_xmit_retransmit_queue(tp);
}

}  // namespace glass
