// Data of an acceptable segment (RFC 9293 section 3.10.7.4, seventh and eighth): in order, old, out of order or beyond
// the window.
#include <optional>

#include "tcp/tcp_internal.h"

namespace glass {

namespace {

constexpr uint32_t kHeadObject = 256;  // of a packet's charge, what is freed when its data moves to another

void rcv_nxt_update(tcp_sock* tp, Seq seq) {
  tp->bytes_received += seq - tp->rcv_nxt;
  tp->rcv_nxt = seq;
}

// Bytes that fit the room behind the last packet are copied there at no charge; fragments move and are charged.
// Nothing: neither.
std::optional<uint32_t> join(const Skb& to, const Skb& from) {
  TcpCb& cb = TCP_SKB_CB(to);
  if (from->len <= cb.tailroom && !to->data_len) {
    cb.tailroom = static_cast<uint16_t>(cb.tailroom - from->len);
    if (from->len) {
      if (skb_tailroom(*to) < from->len) skb_expand_tail(to, from->len + cb.tailroom);
      skb_copy_bits(*from, 0, skb_put(to, from->len), from->len);
    }
    return 0;
  }
  if (!from->len) return 0;
  if (from->headlen() || !skb_try_coalesce(to, from)) return std::nullopt;
  cb.tailroom = 0;
  return from->truesize - std::min(from->truesize, kHeadObject);
}

void out_of_window(tcp_sock* tp, Skb skb, Verdict why) {
  tcp_enter_quickack_mode(tp, TCP_MAX_QUICKACKS);
  inet_csk_schedule_ack(tp);
  kfree_skb_reason(std::move(skb), why);
}

// Data that was received before.
void old_segment(tcp_sock* tp, Skb skb) {
  const TcpCb cb = TCP_SKB_CB(skb);
  count(tp, Mib::TcpExtDelayedACKLost);
  tcp_dsack_set(tp, cb.seq, cb.end_seq);
  out_of_window(tp, std::move(skb), DROP(TCP_OLD_DATA));
}

// There is no memory for it: the window closes at once. False: the packet has ended. A bare FIN, or the only packet of
// the queue, is taken all the same.
bool take_without_memory(tcp_sock* tp, Skb& skb) {
  tp->icsk_ack.pending |= ICSK_ACK_NOMEM | ICSK_ACK_NOW;
  inet_csk_schedule_ack(tp);
  sock_def_readable(tp);
  if (!tp->sk_receive_queue.empty() && skb->len) {
    count(tp, Mib::TcpExtTCPRcvQDrop);
    kfree_skb_reason(std::move(skb), DROP(PROTO_MEM));
    return false;
  }
  sk_forced_mem_schedule(tp, skb->truesize);
  return true;
}

void in_order(tcp_sock* tp, Skb skb) {
  if (!tcp_try_rmem_schedule(tp, *skb) && !take_without_memory(tp, skb)) return;  // keeps nothing: it ended there
  const RcvSegment segment(*skb);
  const bool fin = TCP_SKB_CB(skb).tcp_flags & TCPHDR_FIN;
  if (tcp_queue_rcv(tp, skb)) kfree_skb_partial(std::move(skb));
  if (segment.len) tcp_event_data_recv(tp, segment);
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

// The front is old, the rest new. It is queued whole; the reader starts where it left off.
void partly_old(tcp_sock* tp, Skb skb) {
  tcp_dsack_set(tp, TCP_SKB_CB(skb).seq, tp->rcv_nxt);
  if (!tcp_receive_window(tp)) {
    count(tp, Mib::TcpExtTCPZeroWindowDrop);
    return out_of_window(tp, std::move(skb), DROP(TCP_ZEROWINDOW));
  }
  in_order(tp, std::move(skb));
}

}  // namespace

bool tcp_try_coalesce(tcp_sock* tp, const Skb& to, const Skb& from) {
  TcpCb& cb = TCP_SKB_CB(to);
  const TcpCb& more = TCP_SKB_CB(from);
  if (more.seq != cb.end_seq) return false;
  const std::optional<uint32_t> delta = join(to, from);
  if (!delta) return false;
  to->truesize += *delta;
  tp->sk_rmem_alloc += static_cast<int32_t>(*delta);
  sk_mem_charge(tp, *delta);
  count(tp, Mib::TcpExtTCPRcvCoalesce);
  cb.end_seq = more.end_seq;
  cb.ack_seq = more.ack_seq;
  cb.tcp_flags |= more.tcp_flags;
  to->tstamp = from->tstamp;
  return true;
}

bool tcp_queue_rcv(tcp_sock* tp, Skb& skb) {
  PROBE(net_of(tp).trace, skb);
  const Seq end = TCP_SKB_CB(skb).end_seq;
  bool eaten = false;
  if (sk_buff* tail = tp->sk_receive_queue.back()) {
    Skb to(tail);  // borrowed: it stays in the queue
    eaten = tcp_try_coalesce(tp, to, skb);
    (void)to.release();
  }
  if (!eaten) {
    tcp_set_owner_r(skb, tp);
    net_of(tp).trace.queued(skb->id, skb->len);
    tp->sk_receive_queue.push_back(std::move(skb));
  }
  rcv_nxt_update(tp, end);
  return eaten;
}

void tcp_data_queue(tcp_sock* tp, Skb skb) {
  PROBE(net_of(tp).trace, skb);
  const TcpCb cb = TCP_SKB_CB(skb);
  if (cb.seq == cb.end_seq) return consume_skb(std::move(skb));  // nothing but its ACK
  skb_pull(skb, static_cast<uint32_t>(tcp_hdr(*skb).doff()));
  tp->rx_opt.dsack = false;
  const uint32_t window = tcp_receive_window(tp);
  if (cb.seq == tp->rcv_nxt) {
    const bool bare_fin = skb->len == 0 && (cb.tcp_flags & TCPHDR_FIN);  // costs nothing, and ends a peer's retries
    if (window || bare_fin) return in_order(tp, std::move(skb));
    count(tp, Mib::TcpExtTCPZeroWindowDrop);
    return out_of_window(tp, std::move(skb), DROP(TCP_ZEROWINDOW));
  }
  if (!after(cb.end_seq, tp->rcv_nxt)) return old_segment(tp, std::move(skb));
  if (!before(cb.seq, tp->rcv_nxt + window)) return out_of_window(tp, std::move(skb), DROP(TCP_OVERWINDOW));
  if (before(cb.seq, tp->rcv_nxt)) return partly_old(tp, std::move(skb));
  tcp_data_queue_ofo(tp, std::move(skb));
}

}  // namespace glass
