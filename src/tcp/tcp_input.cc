// A segment for an established connection: header prediction first, then the steps of RFC 9293 section 3.10.7.4.
//
// Header prediction (Van Jacobson): while a transfer runs in one direction, the next segment's flags, window and
// sequence number are known in advance (pred_flags, rcv_nxt). If they match, nothing of the long list of checks can
// apply.
#include <cstring>

#include "tcp/tcp_internal.h"

namespace glass {

namespace {

// The fourth word of the header: data offset, flags, window. PSH does not matter, and the reserved bits are left out.
constexpr uint32_t kPredMask = 0xf0f7ffff;

uint32_t flag_word(const tcphdr& th) {
  uint32_t w;
  std::memcpy(&w, &th.doff_res, 4);
  return ntohl(w);
}

// How a segment is carried on: to the slow path, or it has ended.
enum class Fast { done, slow };

// A pure ACK of the expected shape.
Fast fast_ack(tcp_sock* tp, Skb& skb) {
  const tcphdr& th = tcp_hdr(*skb);
  if (skb->len < th.doff()) return Fast::slow;
  if (tp->rcv_nxt == tp->rcv_wup && tp->tcp_header_len != sizeof(tcphdr)) tcp_store_ts_recent(tp);
  (void)tcp_ack(tp, skb, 0);
  consume_skb(std::move(skb));
  tcp_data_snd_check(tp);
  return Fast::done;
}

// The next bytes in order, with room for them.
Fast fast_data(tcp_sock* tp, Skb& skb) {
  if (tp->sk_rmem_alloc + static_cast<int32_t>(skb->truesize) > tp->sk_rcvbuf) return Fast::slow;
  if (tp->rcv_nxt == tp->rcv_wup && tp->tcp_header_len != sizeof(tcphdr)) tcp_store_ts_recent(tp);
  tcp_rcv_rtt_measure_ts(tp, *skb);
  count(tp, Mib::TcpExtTCPHPHits);
  const TcpCb cb = TCP_SKB_CB(skb);
  skb_pull(skb, tp->tcp_header_len);
  ++tp->data_segs_in;
  const RcvSegment segment(*skb);
  const bool acks = cb.ack_seq != tp->snd_una;
  if (acks)
    (void)tcp_ack(tp, skb, FLAG_DATA);
  else
    tp->snd_wl1 = cb.seq;
  tcp_queue_rcv(tp, std::move(skb));
  tcp_event_data_recv(tp, segment);
  if (acks) {
    tcp_data_snd_check(tp);
    if (!inet_csk_ack_scheduled(tp)) {
      tcp_data_ready(tp);
      return Fast::done;
    }
  }
  __tcp_ack_snd_check(tp, false);
  tcp_data_ready(tp);
  return Fast::done;
}

Fast fast_path(tcp_sock* tp, Skb& skb) {
  const tcphdr& th = tcp_hdr(*skb);
  const TcpCb& cb = TCP_SKB_CB(skb);
  tp->rx_opt.saw_tstamp = false;
  if ((flag_word(th) & kPredMask) != tp->pred_flags || cb.seq != tp->rcv_nxt || after(cb.ack_seq, tp->snd_nxt))
    return Fast::slow;
  if (tp->tcp_header_len == sizeof(tcphdr) + TCPOLEN_TSTAMP_ALIGNED) {
    if (!aligned_timestamp(th, tp->rx_opt.rcv_tsval, tp->rx_opt.rcv_tsecr)) return Fast::slow;
    tp->rx_opt.saw_tstamp = true;
    if (tp->rx_opt.rcv_tsecr) tp->rx_opt.rcv_tsecr -= tp->tsoffset;
    if (static_cast<int32_t>(tp->rx_opt.rcv_tsval - tp->rx_opt.ts_recent) < 0) return Fast::slow;
  }
  if (before(cb.ack_seq, tp->snd_una)) return Fast::slow;
  return skb->len <= tp->tcp_header_len ? fast_ack(tp, skb) : fast_data(tp, skb);
}

void slow_path(tcp_sock* tp, Skb skb) {
  const tcphdr& th = tcp_hdr(*skb);
  if (skb->len < th.doff()) {
    count(tp, Mib::TcpInErrs);
    return kfree_skb_reason(std::move(skb), DROP(PKT_TOO_SMALL));
  }
  if (!th.ack() && !th.rst() && !th.syn()) return kfree_skb_reason(std::move(skb), DROP(TCP_FLAGS));
  if (!tcp_validate_incoming(tp, skb, true)) return;  // ended there
  if (Verdict why = tcp_ack(tp, skb, FLAG_SLOWPATH | FLAG_UPDATE_TS_RECENT))
    return kfree_skb_reason(std::move(skb), why);
  tcp_rcv_rtt_measure_ts(tp, *skb);
  tcp_data_queue(tp, std::move(skb));
  tcp_data_snd_check(tp);
  tcp_ack_snd_check(tp);
}

}  // namespace

void tcp_rcv_established(tcp_sock* tp, Skb skb) {
  PROBE(net_of(tp).trace, skb);
  ++tp->segs_in;
  if (fast_path(tp, skb) == Fast::slow) slow_path(tp, std::move(skb));
}

void tcp_fast_path_on(tcp_sock* tp) {
  tp->pred_flags = static_cast<uint32_t>(tp->tcp_header_len) << 26 | uint32_t{TCPHDR_ACK} << 16 |
                   (tp->snd_wnd >> tp->rx_opt.snd_wscale & 0xffff);
}

void tcp_fast_path_check(tcp_sock* tp) {
  if (!tp->out_of_order_root && tp->rcv_wnd && tp->sk_rmem_alloc < tp->sk_rcvbuf) tcp_fast_path_on(tp);
}

void tcp_data_ready(tcp_sock* tp) {
  if (tp->skc_state != tcp_state::CLOSE) sock_def_readable(tp);
}

}  // namespace glass
