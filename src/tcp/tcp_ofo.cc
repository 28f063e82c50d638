// The out-of-order queue: segments that wait for a hole to be filled, in a tree by sequence number.
#include "skb/rbtree.h"
#include "tcp/tcp_internal.h"

namespace glass {

namespace {

using Tree = boost::intrusive::rbtree_algorithms<SkbTreeTraits>;

// The tree's header node: a packet buffer of its own would be waste, so it is the root's parent kept in a slab object.
// The connection owns it from the first out-of-order segment to the last.
sk_buff* header_of(tcp_sock* tp) {
  if (!tp->out_of_order_root) {
    sk_buff* header = net_of(tp).pool.alloc_head();
    Tree::init_header(header);
    tp->out_of_order_root = header;
  }
  return tp->out_of_order_root;
}

void drop_header_if_empty(tcp_sock* tp) {
  if (!tp->out_of_order_root || tp->ooo_count) return;
  net_of(tp).pool.free_head(tp->out_of_order_root);
  tp->out_of_order_root = nullptr;
  tp->ooo_last_skb = nullptr;
}

Skb take(tcp_sock* tp, sk_buff* s) {
  sk_buff* header = tp->out_of_order_root;
  if (tp->ooo_last_skb == s) tp->ooo_last_skb = tp->ooo_count > 1 ? Tree::prev_node(s) : nullptr;
  Tree::erase(header, s);
  --tp->ooo_count;
  s->next = s->prev = nullptr;
  return Skb(s);
}

void insert(tcp_sock* tp, Skb skb) {
  skb_set_owner_r(skb, tp);
  net_of(tp).trace.queued(skb->id, skb->len);
  sk_buff* s = skb.release();
  sk_buff* header = header_of(tp);
  Tree::insert_equal_upper_bound(
      header, s, [](const sk_buff* a, const sk_buff* b) { return before(TCP_SKB_CB(a).seq, TCP_SKB_CB(b).seq); });
  if (!tp->ooo_last_skb || !before(TCP_SKB_CB(s).seq, TCP_SKB_CB(tp->ooo_last_skb).seq)) tp->ooo_last_skb = s;
  ++tp->ooo_count;
}

sk_buff* next_of(tcp_sock* tp, sk_buff* s) {
  sk_buff* n = Tree::next_node(s);
  return n == tp->out_of_order_root ? nullptr : n;
}

// The last queued segment that begins at or before `seq`; null if none.
sk_buff* predecessor(tcp_sock* tp, Seq seq) {
  if (!tp->ooo_count) return nullptr;
  if (!after(TCP_SKB_CB(tp->ooo_last_skb).seq, seq)) return tp->ooo_last_skb;
  sk_buff* header = tp->out_of_order_root;
  sk_buff* found = nullptr;
  for (sk_buff* n = SkbTreeTraits::get_parent(header); n;) {
    if (after(TCP_SKB_CB(n).seq, seq)) {
      n = SkbTreeTraits::get_left(n);
    } else {
      found = n;
      n = SkbTreeTraits::get_right(n);
    }
  }
  return found;
}

// Cuts the first `n` sequence numbers off a packet that is being queued.
void cut_front(const Skb& skb, uint32_t n) {
  skb_eat(skb, std::min(n, skb->len));
  TCP_SKB_CB(skb).seq += n;
}

void duplicate(tcp_sock* tp, Skb skb, Seq seq, Seq end) {
  count(tp, Mib::TcpExtTCPOFOMerge);
  tcp_dsack_set(tp, seq, end);
  kfree_skb_reason(std::move(skb), DROP(TCP_OFOMERGE));
}

// Queued segments that the new one covers are dropped; one it only touches is reported and stays.
void remove_covered(tcp_sock* tp, sk_buff* s) {
  const TcpCb& cb = TCP_SKB_CB(s);
  while (sk_buff* n = next_of(tp, s)) {
    const TcpCb& other = TCP_SKB_CB(n);
    if (!after(cb.end_seq, other.seq)) break;
    if (before(cb.end_seq, other.end_seq)) {
      tcp_dsack_extend(tp, other.seq, cb.end_seq);
      break;
    }
    tcp_dsack_extend(tp, other.seq, other.end_seq);
    count(tp, Mib::TcpExtTCPOFOMerge);
    kfree_skb_reason(take(tp, n), DROP(TCP_OFOMERGE));
  }
}

}  // namespace

void tcp_data_queue_ofo(tcp_sock* tp, Skb skb) {
  PROBE(net_of(tp).trace, skb);
  const TcpCb cb = TCP_SKB_CB(skb);
  tcp_data_ecn_check(tp, cb.ip_dsfield);
  if (!tcp_try_rmem_schedule(tp, *skb)) {
    count(tp, Mib::TcpExtTCPOFODrop);
    tcp_data_ready(tp);
    return kfree_skb_reason(std::move(skb), DROP(TCP_OFO_DROP));
  }
  tp->pred_flags = 0;
  inet_csk_schedule_ack(tp);
  ++tp->rcv_ooopack;
  count(tp, Mib::TcpExtTCPOFOQueue);
  if (skb->len) {
    tcp_measure_rcv_mss(tp, RcvSegment(*skb));
    ++tp->data_segs_in;
  }
  if (sk_buff* before_it = predecessor(tp, cb.seq)) {
    const TcpCb& held = TCP_SKB_CB(before_it);
    if (!after(cb.end_seq, held.end_seq)) return duplicate(tp, std::move(skb), cb.seq, cb.end_seq);
    if (cb.seq == held.seq) {  // begins alike and is longer: the old one goes
      tcp_dsack_set(tp, held.seq, held.end_seq);
      count(tp, Mib::TcpExtTCPOFOMerge);
      kfree_skb_reason(take(tp, before_it), DROP(TCP_OFOMERGE));
    } else if (before(cb.seq, held.end_seq)) {
      tcp_dsack_set(tp, cb.seq, held.end_seq);
      cut_front(skb, held.end_seq - cb.seq);
    }
  }
  sk_buff* s = skb.get();
  tcp_grow_window(tp, RcvSegment(*s));
  insert(tp, std::move(skb));
  remove_covered(tp, s);
  if (tcp_is_sack(tp)) tcp_sack_new_ofo_skb(tp, cb.seq, cb.end_seq);
}

void tcp_ofo_queue(tcp_sock* tp) {
  bool fin = false;
  while (tp->ooo_count && !fin) {
    sk_buff* first = Tree::begin_node(tp->out_of_order_root);
    const TcpCb cb = TCP_SKB_CB(first);
    if (after(cb.seq, tp->rcv_nxt)) break;
    Skb skb = take(tp, first);
    if (skb->destructor) skb->destructor(skb.get());  // tcp_queue_rcv charges it anew
    skb->destructor = nullptr;
    if (!after(cb.end_seq, tp->rcv_nxt)) {
      tcp_dsack_extend(tp, cb.seq, cb.end_seq);
      kfree_skb_reason(std::move(skb), DROP(TCP_OFO_DROP));
      continue;
    }
    if (before(cb.seq, tp->rcv_nxt)) {
      tcp_dsack_extend(tp, cb.seq, tp->rcv_nxt);
      cut_front(skb, tp->rcv_nxt - cb.seq);
    }
    fin = cb.tcp_flags & TCPHDR_FIN;
    tcp_queue_rcv(tp, std::move(skb));
  }
  drop_header_if_empty(tp);
  if (fin) tcp_fin(tp);
}

void tcp_ofo_purge(tcp_sock* tp, Verdict why) {
  while (tp->ooo_count) {
    Skb skb = take(tp, Tree::begin_node(tp->out_of_order_root));
    if (why)
      kfree_skb_reason(std::move(skb), why);
    else
      consume_skb(std::move(skb));
  }
  drop_header_if_empty(tp);
  tp->rx_opt.num_sacks = 0;
}

}  // namespace glass
