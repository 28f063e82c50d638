// The retransmit queue. Its segments stand in two orders: that of their sequence numbers, and that in which they were
// last sent (tsorted), where RACK finds the overdue ones at the front and never has to look at the rest.
#include "tcp/tcp_internal.h"

namespace glass {

namespace {

bool in_tsorted(const tcp_sock* tp, const sk_buff* s) {
  return TCP_SKB_CB(s).tsorted_prev || TCP_SKB_CB(s).tsorted_next || tp->tsorted_head == s;
}

// Between two neighbours; null: the end of the list.
void tsorted_link(tcp_sock* tp, sk_buff* s, sk_buff* before, sk_buff* behind) {
  TCP_SKB_CB(s).tsorted_prev = before;
  TCP_SKB_CB(s).tsorted_next = behind;
  (before ? TCP_SKB_CB(before).tsorted_next : tp->tsorted_head) = s;
  (behind ? TCP_SKB_CB(behind).tsorted_prev : tp->tsorted_tail) = s;
}

}  // namespace

void tcp_tsorted_del(tcp_sock* tp, sk_buff* s) {
  if (!in_tsorted(tp, s)) return;
  TcpCb& cb = TCP_SKB_CB(s);
  (cb.tsorted_prev ? TCP_SKB_CB(cb.tsorted_prev).tsorted_next : tp->tsorted_head) = cb.tsorted_next;
  (cb.tsorted_next ? TCP_SKB_CB(cb.tsorted_next).tsorted_prev : tp->tsorted_tail) = cb.tsorted_prev;
  cb.tsorted_prev = cb.tsorted_next = nullptr;
}

void tcp_tsorted_sent(tcp_sock* tp, sk_buff* s) {
  tcp_tsorted_del(tp, s);
  tsorted_link(tp, s, tp->tsorted_tail, nullptr);
  TCP_SKB_CB(s).sent = ++tp->sent_count;
}

// `rest` was sent together with `first`, and is watched if that is.
void tcp_tsorted_split(tcp_sock* tp, sk_buff* first, sk_buff* rest) {
  const bool watched = in_tsorted(tp, first);
  TCP_SKB_CB(rest).tsorted_prev = TCP_SKB_CB(rest).tsorted_next = nullptr;
  if (watched) tsorted_link(tp, rest, first, TCP_SKB_CB(first).tsorted_next);
}

void tcp_rtx_queue_add(tcp_sock* tp, Skb skb) {
  TCP_SKB_CB(skb).tsorted_prev = TCP_SKB_CB(skb).tsorted_next = nullptr;
  tsorted_link(tp, skb.get(), tp->tsorted_tail, nullptr);
  TCP_SKB_CB(skb).sent = ++tp->sent_count;
  tp->tcp_rtx_queue.push_back(std::move(skb));
}

Skb tcp_rtx_queue_unlink(tcp_sock* tp, sk_buff* s) {
  tcp_tsorted_del(tp, s);
  if (tp->ext->sack_hint == s) tp->ext.make().sack_hint = nullptr;
  if (tp->ext->retransmit_skb_hint == s) tp->ext.make().retransmit_skb_hint = nullptr;
  return tp->tcp_rtx_queue.unlink(s);
}

void tcp_rtx_queue_purge(tcp_sock* tp) {
  tp->tcp_rtx_queue.purge(nullptr);
  tp->tsorted_head = tp->tsorted_tail = nullptr;
  if (tcp_ext* ext = tp->ext.own()) ext->sack_hint = ext->retransmit_skb_hint = nullptr;
}

}  // namespace glass
