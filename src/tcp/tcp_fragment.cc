// Splitting queued segments, and cutting acknowledged bytes off their front.
#include <algorithm>

#include "tcp/tcp_internal.h"

namespace glass {

void tcp_set_skb_tso_segs(sk_buff* skb, uint32_t mss_now) {
  if (skb->len <= mss_now) {
    TCP_SKB_CB(skb).pcount = 1;
    skb->gso_size = 0;
    skb->gso_segs = 0;
    return;
  }
  const auto segs = static_cast<uint16_t>((skb->len + mss_now - 1) / mss_now);
  TCP_SKB_CB(skb).pcount = segs;
  skb->gso_size = static_cast<uint16_t>(mss_now);
  skb->gso_segs = segs;
}

// The counters that include this segment change by the packets it lost or won. Without SACK nobody knows which of them
// the duplicates stood for.
void tcp_adjust_pcount(tcp_sock* tp, const sk_buff* s, int decr) {
  const uint8_t sacked = TCP_SKB_CB(s).sacked;
  const auto less = static_cast<uint32_t>(decr);  // modulo 2^32: may be negative
  tp->packets_out -= less;
  if (sacked & TCPCB_SACKED_ACKED) tp->sacked_out -= less;
  if (sacked & TCPCB_SACKED_RETRANS) tp->retrans_out -= less;
  if (sacked & TCPCB_LOST) tp->lost_out -= less;
  if (tcp_is_reno(tp) && decr > 0) tp->sacked_out -= std::min(tp->sacked_out, less);
}

// A peer whose SACKs cut the queue into small pieces makes it cost many times its data. Beyond what a full send buffer
// and two of the largest packets may cost nothing between head and tail is cut any more.
bool tcp_may_fragment(tcp_sock* tp, const sk_buff* s) {
  constexpr int64_t kLargest = 65536;
  const int64_t limit = int64_t{tp->sk_sndbuf} + 2 * static_cast<int64_t>(SKB_TRUESIZE(kLargest));
  if (tp->sk_wmem_queued >> 1 <= limit || s == tp->tcp_rtx_queue.front() || s == tp->tcp_rtx_queue.back()) [[likely]]
    return true;
  count(tp, Mib::TcpExtTCPWqueueTooBig);
  return false;
}

void tcp_fragment(tcp_sock* tp, sk_buff_list& queue, sk_buff* s, uint32_t len, uint32_t mss_now) {
  PROBE(net_of(tp).trace, s);
  TcpCb& cb = TCP_SKB_CB(s);
  const bool sent = &queue == &tp->tcp_rtx_queue;
  const uint32_t linear_rest = s->headlen() > len ? s->headlen() - len : 0;
  Skb rest = tcp_stream_alloc_skb(tp, linear_rest);
  Skb whole(s);  // borrowed: it stays in the queue
  skb_split(whole, rest, len);
  (void)whole.release();
  TcpCb& rcb = TCP_SKB_CB(rest);
  rcb = cb;
  rcb.seq = cb.seq + len;
  cb.end_seq = rcb.seq;
  cb.tcp_flags &= static_cast<uint16_t>(~(TCPHDR_FIN | TCPHDR_PSH));
  rcb.eor = std::exchange(cb.eor, false);
  rest->tstamp = s->tstamp;
  rest->id = s->id;
  const uint32_t pcount_before = cb.pcount;
  tcp_set_skb_tso_segs(s, mss_now);
  tcp_set_skb_tso_segs(rest.get(), mss_now);
  if (sent) {
    tcp_adjust_pcount(tp, s, static_cast<int>(pcount_before) - cb.pcount - rcb.pcount);
    tcp_tsorted_split(tp, s, rest.get());
  }
  tcp_fragment_tstamp(s, rest.get());
  sk_wmem_queued_add(tp, static_cast<int32_t>(rest->truesize));
  rest->truesize += rest->len;
  s->truesize -= rest->len;
  queue.insert_after(s, std::move(rest));
}

bool tcp_skb_can_collapse(const sk_buff* to, const sk_buff* from) {
  return !TCP_SKB_CB(to).eor && TCP_SKB_CB(to).zerocopy == TCP_SKB_CB(from).zerocopy;
}

bool tcp_skb_shift(tcp_sock* tp, sk_buff* to, sk_buff* from) {
  Skb target(to), source(from);  // borrowed: both stay in the queue
  const uint32_t len = from->len;
  const bool moved = skb_try_coalesce(target, source);
  (void)target.release();
  (void)source.release();
  if (!moved && !tcp_move_bytes(net_of(tp), to, from, len)) return false;
  to->truesize += len;
  sk_wmem_queued_add(tp, static_cast<int32_t>(len));
  return true;
}

void tcp_trim_head(tcp_sock* tp, sk_buff* s, uint32_t len) {
  TcpCb& cb = TCP_SKB_CB(s);
  const uint32_t mss = s->gso_size ? s->gso_size : tp->mss_cache;
  Skb whole(s);
  skb_eat(whole, len);
  (void)whole.release();
  cb.seq += len;
  s->truesize -= len;
  sk_wmem_queued_add(tp, -static_cast<int32_t>(len));
  if (cb.pcount > 1) tcp_set_skb_tso_segs(s, mss);
}

}  // namespace glass
