// The out-of-order queue as a tree by sequence number: for tcp_ofo.cc and tcp_collapse.cc only.
//
// tp->out_of_order_root is the tree's header node, kept from the first out-of-order segment to the last; the packets in
// between belong to the tree. Queued segments may overlap, as they came.
#pragma once
#include "skb/rbtree.h"
#include "tcp/tcp_internal.h"

namespace glass::ofo {

using Tree = boost::intrusive::rbtree_algorithms<SkbTreeTraits>;

inline sk_buff* first(const tcp_sock* tp) {
  return tp->ext->ooo_count ? Tree::begin_node(tp->out_of_order_root) : nullptr;
}

inline sk_buff* next(const tcp_sock* tp, sk_buff* s) {
  sk_buff* n = Tree::next_node(s);
  return n == tp->out_of_order_root ? nullptr : n;
}

inline sk_buff* prev(const tcp_sock* tp, sk_buff* s) {
  return s == Tree::begin_node(tp->out_of_order_root) ? nullptr : Tree::prev_node(s);
}

// Out of the tree. The header node goes with the last one: drop_header_if_empty().
inline Skb take(tcp_sock* tp, sk_buff* s) {
  tcp_ext& ext = tp->ext.make();
  if (ext.ooo_last_skb == s) ext.ooo_last_skb = prev(tp, s);
  Tree::erase(tp->out_of_order_root, s);
  --ext.ooo_count;
  s->next = s->prev = nullptr;
  return Skb(s);
}

inline void drop_header_if_empty(tcp_sock* tp) {
  if (!tp->out_of_order_root || tp->ext->ooo_count) return;
  net_of(tp).pool.free_head(tp->out_of_order_root);
  tp->out_of_order_root = nullptr;
  tp->ext.make().ooo_last_skb = nullptr;
}

// Into its place; charged to the socket.
inline void insert(tcp_sock* tp, Skb skb) {
  tcp_set_owner_r(skb, tp);
  sk_buff* s = skb.release();
  if (!tp->out_of_order_root) {
    tp->out_of_order_root = net_of(tp).pool.alloc_head();
    Tree::init_header(tp->out_of_order_root);
  }
  const auto before_it = [](const sk_buff* a, const sk_buff* b) {
    return before(TCP_SKB_CB(a).seq, TCP_SKB_CB(b).seq);
  };
  // Most segments come behind all that is queued: the hint makes that a constant step.
  Tree::insert_equal(tp->out_of_order_root, tp->out_of_order_root, s, before_it);
  tcp_ext& ext = tp->ext.make();
  if (!ext.ooo_last_skb || !before(TCP_SKB_CB(s).seq, TCP_SKB_CB(ext.ooo_last_skb).seq)) ext.ooo_last_skb = s;
  ++ext.ooo_count;
}

}  // namespace glass::ofo
