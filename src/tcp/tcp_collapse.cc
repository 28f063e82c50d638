// When the receive buffer is full: small packets are copied together, then what waits behind holes is given up, the
// newest first (RFC 2018 section 8 allows a receiver to forget what it has SACKed), then the new data is refused.
#include <algorithm>

#include "tcp/tcp_ofo.h"

namespace glass {

namespace {

constexpr uint32_t kCollapsed = 3776;  // data bytes that fit one page with the buffer's own needs

// A queue to collapse: the receive queue or the out-of-order tree, behind one face.
struct Queue {
  tcp_sock* tp;
  bool ofo;

  sk_buff* next(sk_buff* s) const { return ofo ? ofo::next(tp, s) : s->next; }
  // One packet whose bytes live elsewhere now.
  sk_buff* remove(sk_buff* s) const {
    sk_buff* n = next(s);
    kfree_skb_partial(ofo ? ofo::take(tp, s) : tp->sk_receive_queue.unlink(s));
    count(tp, Mib::TcpExtTCPRcvCollapsed);
    return n;
  }
  void insert_before(sk_buff* where, Skb skb) const {
    if (ofo) return ofo::insert(tp, std::move(skb));
    tcp_set_owner_r(skb, tp);
    if (where)
      tp->sk_receive_queue.insert_before(where, std::move(skb));
    else
      tp->sk_receive_queue.push_back(std::move(skb));
  }
};

bool has_syn_or_fin(const sk_buff* s) { return TCP_SKB_CB(s).tcp_flags & (TCPHDR_SYN | TCPHDR_FIN); }

// Where collapsing pays: a packet that costs more than the window counts for it, has old bytes in front, or overlaps
// the next. Null: nowhere before `tail`.
sk_buff* first_to_collapse(const Queue& q, sk_buff* skb, const sk_buff* tail, Seq& start) {
  while (skb && skb != tail) {
    const TcpCb& cb = TCP_SKB_CB(skb);
    if (!before(start, cb.end_seq)) {
      skb = q.remove(skb);
      continue;
    }
    const bool bloated = tcp_win_from_space(q.tp, static_cast<int>(skb->truesize)) > static_cast<int>(skb->len);
    if (!has_syn_or_fin(skb) && (bloated || before(cb.seq, start))) return skb;
    const sk_buff* n = q.next(skb);
    if (n && n != tail && cb.end_seq != TCP_SKB_CB(n).seq) return has_syn_or_fin(skb) ? nullptr : skb;
    start = cb.end_seq;
    skb = q.next(skb);
  }
  return nullptr;
}

// Fills `to` with up to `room` bytes from `start` on; packets that are used up go. False: stop collapsing here.
bool fill(const Queue& q, const Skb& to, sk_buff*& from, const sk_buff* tail, Seq& start, uint32_t room) {
  while (room) {
    const TcpCb cb = TCP_SKB_CB(from);
    const auto left = static_cast<int32_t>(cb.end_seq - start);
    if (left > 0) {
      const uint32_t n = std::min(room, static_cast<uint32_t>(left));
      skb_copy_bits(*from, start - cb.seq, skb_put(to, n), n);
      TCP_SKB_CB(to).end_seq += n;
      room -= n;
      start += n;
    }
    if (before(start, cb.end_seq)) continue;
    from = q.remove(from);
    if (!from || from == tail || has_syn_or_fin(from)) return false;
  }
  return true;
}

void tcp_collapse(const Queue& q, sk_buff* skb, const sk_buff* tail, Seq start, Seq end) {
  skb = first_to_collapse(q, skb, tail, start);
  if (!skb) return;
  net& n = net_of(q.tp);
  sk_buff_head made;  // into the tree only when all are done, so that they are not met again
  for (bool more = true; more && before(start, end);) {
    const uint32_t copy = std::min(kCollapsed, end - start);
    Skb to = alloc_skb(n.pool, n.trace, copy, 0);
    to->truesize = skb_alloc_charge(copy);
    to->tstamp = skb->tstamp;
    TCP_SKB_CB(to) = TCP_SKB_CB(skb);
    TCP_SKB_CB(to).seq = TCP_SKB_CB(to).end_seq = start;
    more = fill(q, to, skb, tail, start, copy);
    // What Linux's allocator rounds up is room for what follows.
    TCP_SKB_CB(to).tailroom = static_cast<uint16_t>(to->truesize - SKB_TRUESIZE(0) - to->len);
    made.push_back(std::move(to));
  }
  while (Skb to = made.pop_front()) {
    sk_forced_mem_schedule(q.tp, to->truesize);
    q.insert_before(skb, std::move(to));
  }
}

void tcp_collapse_ofo_queue(tcp_sock* tp) {
  const Queue q{tp, true};
  uint32_t sum_tiny = 0;
  for (sk_buff* head = ofo::first(tp); head;) {
    Seq start = TCP_SKB_CB(head).seq, end = TCP_SKB_CB(head).end_seq;
    uint32_t range_truesize = head->truesize;
    sk_buff* skb = q.next(head);
    for (; skb && !after(TCP_SKB_CB(skb).seq, end) && !before(TCP_SKB_CB(skb).end_seq, start); skb = q.next(skb)) {
      range_truesize += skb->truesize;
      end = later(end, TCP_SKB_CB(skb).end_seq);
    }
    if (range_truesize != head->truesize || end - start >= kCollapsed) {
      tcp_collapse(q, head, skb, start, end);
    } else {
      sum_tiny += range_truesize;  // single packets gain nothing: do not look at hundreds of them
      if (sum_tiny > static_cast<uint32_t>(tp->sk_rcvbuf) >> 3) return;
    }
    head = skb;
  }
}

bool tcp_can_ingest(const tcp_sock* tp) { return tp->sk_rmem_alloc <= tp->sk_rcvbuf; }

// The newest out-of-order segments are given up, an eighth of the buffer at a time. True: some were.
bool tcp_prune_ofo_queue(tcp_sock* tp, const sk_buff& incoming) {
  const int32_t step = tp->sk_rcvbuf >> 3;
  int32_t goal = step;
  bool pruned = false;
  while (sk_buff* last = tp->ext->ooo_last_skb) {
    if (after(TCP_SKB_CB(&incoming).seq, TCP_SKB_CB(last).seq)) break;  // the incoming one is the newest itself
    pruned = true;
    goal -= static_cast<int32_t>(last->truesize);
    kfree_skb_reason(ofo::take(tp, last), DROP(TCP_OFO_QUEUE_PRUNE));
    if (tp->ext->ooo_last_skb && goal > 0) continue;
    if (tcp_can_ingest(tp) && !tcp_under_memory_pressure(tp)) break;
    goal = step;
  }
  ofo::drop_header_if_empty(tp);
  if (!pruned) return false;
  count(tp, Mib::TcpExtOfoPruned);
  tp->rx_opt.num_sacks = 0;  // reports would promise what may be gone
  tp->rx_opt.dsack = false;
  return true;
}

// The window has outgrown the memory: the buffer grows while it may, and the window falls back to two segments.
void tcp_clamp_window(tcp_sock* tp) {
  const Sysctl& s = net_of(tp).sysctl;
  tp->icsk_ack.quick = 0;
  if (tp->sk_rcvbuf < s.tcp_rmem[2] && !(tp->sk_userlocks & SOCK_RCVBUF_LOCK) && !tcp_under_memory_pressure(tp) &&
      tp->tcp().memory_allocated < s.tcp_mem[0])
    tp->sk_rcvbuf = static_cast<int32_t>(std::min<int64_t>(tp->sk_rmem_alloc, s.tcp_rmem[2]));
  if (tp->sk_rmem_alloc > tp->sk_rcvbuf) tp->rcv_ssthresh = std::min(tp->window_clamp, 2u * tp->advmss);
}

bool tcp_prune_queue(tcp_sock* tp, const sk_buff& incoming) {
  if (!tp->sk_rmem_alloc) return false;
  count(tp, Mib::TcpExtPruneCalled);
  if (!tcp_can_ingest(tp))
    tcp_clamp_window(tp);
  else if (tcp_under_memory_pressure(tp))
    tcp_adjust_rcv_ssthresh(tp);
  if (tcp_can_ingest(tp)) return true;
  tcp_collapse_ofo_queue(tp);
  if (sk_buff* head = tp->sk_receive_queue.front())
    tcp_collapse({tp, false}, head, nullptr, tp->copied_seq, tp->rcv_nxt);
  if (tcp_can_ingest(tp)) return true;
  (void)tcp_prune_ofo_queue(tp, incoming);
  if (tcp_can_ingest(tp)) return true;
  count(tp, Mib::TcpExtRcvPruned);
  tp->pred_flags = 0;
  return false;
}

}  // namespace

bool tcp_try_rmem_schedule(tcp_sock* tp, const sk_buff& skb) {
  if (tcp_can_ingest(tp) && sk_rmem_schedule(tp, skb.truesize)) return true;
  if (!tcp_prune_queue(tp, skb)) return false;
  while (!sk_rmem_schedule(tp, skb.truesize))
    if (!tcp_prune_ofo_queue(tp, skb)) return false;
  return true;
}

}  // namespace glass
