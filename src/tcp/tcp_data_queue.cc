// Data of an acceptable segment (RFC 9293 section 3.10.7.4, seventh and eighth): in order, old, out of order or beyond
// the window.
#include "tcp/tcp_internal.h"

namespace glass {

namespace {

constexpr uint32_t kMaxCoalesced = 1u << 16;

// Where this one follows directly on the last one queued, its data joins that packet: fewer packets to read.
bool try_coalesce(tcp_sock* tp, Skb& skb) {
  sk_buff* tail = tp->sk_receive_queue.back();
  if (!tail || TCP_SKB_CB(tail).end_seq != TCP_SKB_CB(skb).seq || (TCP_SKB_CB(tail).tcp_flags & TCPHDR_FIN) ||
      tail->len + skb->len > kMaxCoalesced)
    return false;
  Skb to(tail);  // borrowed: it stays in the queue
  const bool joined = skb_try_coalesce(to, skb);
  (void)to.release();
  if (!joined) return false;
  TCP_SKB_CB(tail).end_seq = TCP_SKB_CB(skb).end_seq;
  TCP_SKB_CB(tail).ack_seq = TCP_SKB_CB(skb).ack_seq;
  TCP_SKB_CB(tail).tcp_flags |= TCP_SKB_CB(skb).tcp_flags;
  tail->truesize += skb->truesize;
  tp->sk_rmem_alloc += static_cast<int32_t>(skb->truesize);
  count(tp, Mib::TcpExtTCPRcvCoalesce);
  kfree_skb_partial(std::move(skb));
  return true;
}

void rcv_nxt_update(tcp_sock* tp, Seq seq) {
  tp->bytes_received += seq - tp->rcv_nxt;
  tp->rcv_nxt = seq;
}

// Data that was received before, wholly or so far that nothing is left.
void old_segment(tcp_sock* tp, Skb skb) {
  const TcpCb cb = TCP_SKB_CB(skb);
  count(tp, Mib::TcpExtDelayedACKLost);
  tcp_dsack_set(tp, cb.seq, cb.end_seq);
  tcp_enter_quickack_mode(tp, TCP_MAX_QUICKACKS);
  inet_csk_schedule_ack(tp);
  kfree_skb_reason(std::move(skb), DROP(TCP_OLD_DATA));
}

void out_of_window(tcp_sock* tp, Skb skb, Verdict why) {
  tcp_enter_quickack_mode(tp, TCP_MAX_QUICKACKS);
  inet_csk_schedule_ack(tp);
  kfree_skb_reason(std::move(skb), why);
}

void in_order(tcp_sock* tp, Skb skb) {
  const TcpCb cb = TCP_SKB_CB(skb);
  const RcvSegment segment(*skb);
  const bool fin = cb.tcp_flags & TCPHDR_FIN;
  tcp_queue_rcv(tp, std::move(skb));
  if (segment.len) {
    ++tp->data_segs_in;
    tcp_event_data_recv(tp, segment);
  }
  if (fin) tcp_fin(tp);
  if (tp->out_of_order_root) {
    tcp_ofo_queue(tp);
    // RFC 5681 section 4.2: a gap was filled, say so at once.
    if (!tp->out_of_order_root) tp->icsk_ack.pending |= ICSK_ACK_NOW;
  }
  if (tp->rx_opt.num_sacks) tcp_sack_remove(tp);
  tcp_fast_path_check(tp);
  if (!sock_flag(tp, SOCK_DEAD)) tcp_data_ready(tp);
}

}  // namespace

void tcp_queue_rcv(tcp_sock* tp, Skb skb) {
  PROBE(net_of(tp).trace, skb);
  const Seq end = TCP_SKB_CB(skb).end_seq;
  if (!try_coalesce(tp, skb)) {
    skb_set_owner_r(skb, tp);
    net_of(tp).trace.queued(skb->id, skb->len);
    tp->sk_receive_queue.push_back(std::move(skb));
  }
  rcv_nxt_update(tp, end);
}

void tcp_data_queue(tcp_sock* tp, Skb skb) {
  PROBE(net_of(tp).trace, skb);
  const TcpCb cb = TCP_SKB_CB(skb);
  if (cb.seq == cb.end_seq) return consume_skb(std::move(skb));  // nothing but its ACK
  const uint32_t doff = static_cast<uint32_t>(tcp_hdr(*skb).doff());
  skb_pull(skb, doff);
  tp->rx_opt.dsack = false;
  if (cb.seq == tp->rcv_nxt) {
    const uint32_t window = tcp_receive_window(tp);
    const bool bare_fin = skb->len == 0 && (cb.tcp_flags & TCPHDR_FIN);
    if (window == 0 && !bare_fin) {
      count(tp, Mib::TcpExtTCPZeroWindowDrop);
      return out_of_window(tp, std::move(skb), DROP(TCP_ZEROWINDOW));
    }
    if (!tcp_try_rmem_schedule(tp, *skb)) {
      count(tp, Mib::TcpExtTCPRcvQDrop);
      inet_csk_schedule_ack(tp);
      tp->icsk_ack.pending |= ICSK_ACK_NOMEM | ICSK_ACK_NOW;
      tcp_data_ready(tp);
      return kfree_skb_reason(std::move(skb), DROP(PROTO_MEM));
    }
    return in_order(tp, std::move(skb));
  }
  if (!after(cb.end_seq, tp->rcv_nxt)) return old_segment(tp, std::move(skb));
  if (!before(cb.seq, tp->rcv_nxt + tcp_receive_window(tp)))
    return out_of_window(tp, std::move(skb), DROP(TCP_OVERWINDOW));
  if (before(cb.seq, tp->rcv_nxt)) {  // the front is old, the rest new
    tcp_dsack_set(tp, cb.seq, tp->rcv_nxt);
    if (!tcp_receive_window(tp)) {
      count(tp, Mib::TcpExtTCPZeroWindowDrop);
      return out_of_window(tp, std::move(skb), DROP(TCP_ZEROWINDOW));
    }
    tcp_enter_quickack_mode(tp, TCP_MAX_QUICKACKS);
    const uint32_t old_bytes = tp->rcv_nxt - cb.seq;
    skb_eat(skb, std::min(old_bytes, skb->len));
    TCP_SKB_CB(skb).seq = tp->rcv_nxt;
    return in_order(tp, std::move(skb));
  }
  tcp_data_queue_ofo(tp, std::move(skb));
}

}  // namespace glass
