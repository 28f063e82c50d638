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

namespace {

// The counters that include this segment change by the segments it lost or won.
void adjust_pcount(tcp_sock* tp, uint8_t sacked, uint32_t before_it, uint32_t after_it) {
  const uint32_t less = before_it - after_it;  // modulo 2^32: may be negative
  tp->packets_out -= less;
  if (sacked & TCPCB_SACKED_ACKED) tp->sacked_out -= less;
  if (sacked & TCPCB_SACKED_RETRANS) tp->retrans_out -= less;
  if (sacked & TCPCB_LOST) tp->lost_out -= less;
}

}  // namespace

void tcp_fragment(tcp_sock* tp, sk_buff_head& queue, sk_buff* s, uint32_t len, uint32_t mss_now) {
  PROBE(net_of(tp).trace, s);
  net& n = net_of(tp);
  TcpCb& cb = TCP_SKB_CB(s);
  const bool sent = &queue == &tp->tcp_rtx_queue;
  const uint32_t linear_rest = s->headlen() > len ? s->headlen() - len : 0;
  Skb rest = alloc_skb(n.pool, n.trace, linear_rest, 0);
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
  if (sent) adjust_pcount(tp, cb.sacked, pcount_before, cb.pcount + uint32_t{rcb.pcount});
  rest->truesize = SKB_TRUESIZE(rest->len);
  tp->sk_wmem_queued += static_cast<int32_t>(rest->truesize);
  queue.insert_after(s, std::move(rest));
}

void tcp_trim_head(tcp_sock* tp, sk_buff* s, uint32_t len) {
  TcpCb& cb = TCP_SKB_CB(s);
  const uint32_t mss = s->gso_size ? s->gso_size : tp->mss_cache;
  Skb whole(s);
  skb_eat(whole, len);
  (void)whole.release();
  cb.seq += len;
  tcp_set_skb_tso_segs(s, mss);
}

}  // namespace glass
