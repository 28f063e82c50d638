// The out-of-order queue: segments that wait for a hole to be filled (RFC 9293 section 3.10.7.4, RFC 2018, RFC 2883).
#include "tcp/tcp_ofo.h"

#include <optional>

namespace glass {

namespace {

// Queued segments that the new one covers are dropped; one it only touches is reported and stays.
void merge_right(tcp_sock* tp, sk_buff* s, Seq end_seq) {
  while (sk_buff* n = ofo::next(tp, s)) {
    const TcpCb other = TCP_SKB_CB(n);
    if (!after(end_seq, other.seq)) break;
    if (before(end_seq, other.end_seq)) {
      tcp_dsack_extend(tp, other.seq, end_seq);
      break;
    }
    tcp_dsack_extend(tp, other.seq, other.end_seq);
    count(tp, Mib::TcpExtTCPOFOMerge);
    kfree_skb_reason(ofo::take(tp, n), DROP(TCP_OFOMERGE));
  }
}

enum class Placed { insert, covered, joined };

bool join(tcp_sock* tp, Skb& skb, sk_buff* held) {
  Skb to(held);  // borrowed: it stays in the tree
  const bool joined = tcp_try_coalesce(tp, to, skb);
  (void)to.release();
  return joined;
}

// A segment that begins inside `held`, or where it begins. Nothing: its place is farther to the right.
std::optional<Placed> overlap(tcp_sock* tp, const Skb& skb, sk_buff* held) {
  const TcpCb cb = TCP_SKB_CB(skb), other = TCP_SKB_CB(held);
  if (!after(cb.end_seq, other.end_seq)) {
    count(tp, Mib::TcpExtTCPOFOMerge);
    tcp_dsack_set(tp, cb.seq, cb.end_seq);
    return Placed::covered;
  }
  if (cb.seq != other.seq) {
    tcp_dsack_set(tp, cb.seq, other.end_seq);
    return std::nullopt;
  }
  tcp_dsack_extend(tp, other.seq, other.end_seq);  // begins alike and is longer: the old one goes
  count(tp, Mib::TcpExtTCPOFOMerge);
  kfree_skb_reason(ofo::take(tp, held), DROP(TCP_OFOMERGE));
  return Placed::insert;
}

// Mostly it comes behind all others. Else the way leads down the tree, and the first segment on it that settles the
// matter does, as in Linux: so which one the new one joins depends on the tree's shape.
Placed place(tcp_sock* tp, Skb& skb) {
  if (!tp->ext->ooo_count) return Placed::insert;
  const Seq seq = TCP_SKB_CB(skb).seq;
  sk_buff* const last = tp->ext->ooo_last_skb;
  if (!before(seq, TCP_SKB_CB(last).end_seq)) return join(tp, skb, last) ? Placed::joined : Placed::insert;
  for (sk_buff* n = SkbTreeTraits::get_parent(tp->out_of_order_root); n;) {
    const TcpCb& other = TCP_SKB_CB(n);
    if (before(seq, other.seq)) {
      n = SkbTreeTraits::get_left(n);
      continue;
    }
    if (before(seq, other.end_seq)) {
      if (const std::optional<Placed> placed = overlap(tp, skb, n)) return *placed;
    } else if (join(tp, skb, n)) {
      return Placed::joined;
    }
    n = SkbTreeTraits::get_right(n);
  }
  return Placed::insert;
}

void account_ofo(tcp_sock* tp, const sk_buff& skb) {
  tcp_measure_rcv_mss(tp, RcvSegment(skb));
  tp->pred_flags = 0;
  inet_csk_schedule_ack(tp);
  tp->ext.make().rcv_ooopack += std::max<uint32_t>(1, skb.gso_segs);
  count(tp, Mib::TcpExtTCPOFOQueue);
}

}  // namespace

void tcp_data_queue_ofo(tcp_sock* tp, Skb skb) {
  PROBE(net_of(tp).trace, skb);
  const TcpCb cb = TCP_SKB_CB(skb);
  tcp_data_ecn_check(tp, cb.ip_dsfield);
  if (!tcp_try_rmem_schedule(tp, *skb)) {
    count(tp, Mib::TcpExtTCPOFODrop);
    sock_def_readable(tp);
    return kfree_skb_reason(std::move(skb), DROP(PROTO_MEM));
  }
  account_ofo(tp, *skb);
  const RcvSegment segment(*skb);
  const Placed placed = place(tp, skb);
  if (placed == Placed::covered) {
    kfree_skb_reason(std::move(skb), DROP(TCP_OFOMERGE));
  } else {
    // Without SACK the window stays as it is, so that the sender sees plain duplicate ACKs.
    if (tcp_is_sack(tp)) tcp_grow_window(tp, segment);
    if (placed == Placed::joined) {
      kfree_skb_partial(std::move(skb));
    } else {
      sk_buff* s = skb.get();
      net_of(tp).trace.queued(s->id, s->len);
      ofo::insert(tp, std::move(skb));
      merge_right(tp, s, cb.end_seq);
    }
  }
  if (tcp_is_sack(tp)) tcp_sack_new_ofo_skb(tp, cb.seq, cb.end_seq);
  if (placed != Placed::covered && tp->sk_socket) tcp_rcvbuf_grow(tp, tp->rcvq_space.space);
}

void tcp_ofo_queue(tcp_sock* tp) {
  const Seq dsack_high = tp->rcv_nxt;
  while (sk_buff* head = ofo::first(tp)) {
    const TcpCb cb = TCP_SKB_CB(head);
    if (after(cb.seq, tp->rcv_nxt)) break;
    if (before(cb.seq, dsack_high)) tcp_dsack_extend(tp, cb.seq, earlier(cb.end_seq, dsack_high));
    Skb skb = ofo::take(tp, head);
    if (!after(cb.end_seq, tp->rcv_nxt)) {
      kfree_skb_reason(std::move(skb), DROP(TCP_OFO_DROP));
      continue;
    }
    skb->destructor(skb.get());  // charged anew where it is queued
    skb->destructor = nullptr;
    sk_forced_mem_schedule(tp, skb->truesize);
    if (tcp_queue_rcv(tp, skb)) kfree_skb_partial(std::move(skb));
    if (cb.tcp_flags & TCPHDR_FIN) {
      tcp_fin(tp);  // what lies behind it is purged there
      break;
    }
  }
  ofo::drop_header_if_empty(tp);
}

void tcp_ofo_purge(tcp_sock* tp, Verdict why) {
  while (sk_buff* head = ofo::first(tp)) {
    Skb skb = ofo::take(tp, head);
    if (why)
      kfree_skb_reason(std::move(skb), why);
    else
      consume_skb(std::move(skb));
  }
  ofo::drop_header_if_empty(tp);
  tp->rx_opt.num_sacks = 0;
  tp->rx_opt.dsack = false;
}

}  // namespace glass
