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

// How a segment is carried on: it has ended, or it goes the slow path from the beginning, from the window test, or from
// its ACK on.
enum class Fast { done, slow, unchecked, checked };

// A pure ACK of the expected shape.
Fast fast_ack(tcp_sock* tp, Skb& skb) {
  const tcphdr& th = tcp_hdr(*skb);
  if (skb->len < th.doff()) return Fast::slow;
  tcp_ecn_received_counters(tp, *skb, TCP_SKB_CB(skb).ip_dsfield, 0);
  if (tp->rcv_nxt == tp->rcv_wup && tp->tcp_header_len != sizeof(tcphdr)) tcp_store_ts_recent(tp);
  (void)tcp_ack(tp, skb, 0);
  consume_skb(std::move(skb));
  tcp_data_snd_check(tp);
  tp->rcv_rtt_last_tsecr = tp->rx_opt.rcv_tsecr;
  return Fast::done;
}

// The next bytes in order, with room for them. Their ACK is looked at after they are queued, so that what it sets off
// acknowledges them; if it is unacceptable, the data was good all the same.
Fast fast_data(tcp_sock* tp, Skb& skb) {
  if (static_cast<int32_t>(skb->truesize) > tp->sk_forward_alloc) return Fast::checked;
  if (tp->rcv_nxt == tp->rcv_wup && tp->tcp_header_len != sizeof(tcphdr)) tcp_store_ts_recent(tp);
  tcp_rcv_rtt_measure_ts(tp, *skb);
  count(tp, Mib::TcpExtTCPHPHits);
  const TcpCb cb = TCP_SKB_CB(skb);
  skb_pull(skb, tp->tcp_header_len);
  tcp_ecn_received_counters(tp, *skb, cb.ip_dsfield, skb->len);
  const RcvSegment segment(*skb);
  sk_buff* const at = skb.get();
  const bool eaten = tcp_queue_rcv(tp, skb);
  tcp_event_data_recv(tp, segment);
  bool ack_due = true;
  if (cb.ack_seq != tp->snd_una) {
    Skb header(at);  // borrowed: in the queue, or still ours
    (void)tcp_ack(tp, header, FLAG_DATA);
    (void)header.release();
    tcp_data_snd_check(tp);
    ack_due = inet_csk_ack_scheduled(tp);
  } else {
    tp->snd_wl1 = cb.seq;
  }
  if (ack_due) __tcp_ack_snd_check(tp, false);
  if (eaten) kfree_skb_partial(std::move(skb));
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
  if (skb->len <= tp->tcp_header_len) return fast_ack(tp, skb);
  if (after(cb.end_seq, tp->rcv_nxt + tcp_receive_window(tp))) return Fast::unchecked;
  return fast_data(tp, skb);
}

void slow_path(tcp_sock* tp, Skb skb, Fast from) {
  const tcphdr& th = tcp_hdr(*skb);
  if (from == Fast::slow) {
    if (skb->len < th.doff()) {
      count(tp, Mib::TcpInErrs);
      return kfree_skb_reason(std::move(skb), DROP(PKT_TOO_SMALL));
    }
    if (!th.ack() && !th.rst() && !th.syn()) return kfree_skb_reason(std::move(skb), DROP(TCP_FLAGS));
  }
  if (from != Fast::checked && !tcp_validate_incoming(tp, skb, true)) return;  // ended there
  tcp_ecn_received_counters(tp, *skb, TCP_SKB_CB(skb).ip_dsfield, skb->len - th.doff());
  if (Verdict why = tcp_ack(tp, skb, FLAG_SLOWPATH | FLAG_UPDATE_TS_RECENT)) {
    if (why->reason == DropReason::TCP_ACK_UNSENT_DATA) tcp_send_challenge_ack(tp);  // RFC 5961 section 5.2
    return kfree_skb_reason(std::move(skb), why);
  }
  tcp_rcv_rtt_measure_ts(tp, *skb);
  tcp_urg(tp, skb);
  tcp_data_queue(tp, std::move(skb));
  tcp_data_snd_check(tp);
  tcp_ack_snd_check(tp);
}

}  // namespace

void tcp_segs_in(tcp_sock* tp, const sk_buff& skb) {
  const uint32_t segs = std::max<uint32_t>(1, skb.gso_segs);
  tp->segs_in += segs;
  if (skb.len > tcp_hdr(skb).doff()) tp->data_segs_in += segs;
}

void tcp_rcv_established(tcp_sock* tp, Skb skb) {
  PROBE(net_of(tp).trace, skb);
  tcp_segs_in(tp, *skb);
  const Fast how = fast_path(tp, skb);
  if (how != Fast::done) slow_path(tp, std::move(skb), how);
}

void tcp_fast_path_on(tcp_sock* tp) {
  tp->pred_flags = static_cast<uint32_t>(tp->tcp_header_len) << 26 | uint32_t{TCPHDR_ACK} << 16 |
                   (tp->snd_wnd >> tp->rx_opt.snd_wscale & 0xffff);
}

void tcp_fast_path_check(tcp_sock* tp) {
  if (!tp->out_of_order_root && tp->rcv_wnd && tp->sk_rmem_alloc < tp->sk_rcvbuf && !tp->urg_data) tcp_fast_path_on(tp);
}

void tcp_data_ready(tcp_sock* tp) {
  if (tcp_epollin_ready(tp, tp->sk_rcvlowat) || sock_flag(tp, SOCK_DONE)) sock_def_readable(tp);
}

}  // namespace glass
