// From a queued segment to an IP packet: the header, its options, and the way down.
//
// Segments stay in the retransmit queue until they are acknowledged. What is sent is a fresh packet: its own header,
// and references to the same data, so a retransmission can never disturb a copy that is still under way.
#include <algorithm>
#include <cstring>

#include "base/checksum.h"
#include "tcp/tcp_cong.h"
#include "tcp/tcp_internal.h"
#include "tcp/tcp_syn_options.h"

namespace glass {

namespace {

void put_timestamps(OutOptions& o, const tcp_sock* tp) {
  o.put32(0x0101080a);
  o.put32(tcp_time_stamp(tp));
  o.put32(tp->rx_opt.ts_recent);
}

// D-SACK first, then the blocks, as many as fit.
void put_sacks(OutOptions& o, tcp_sock* tp) {
  const uint32_t dsack = tp->rx_opt.dsack ? 1 : 0, wanted = tp->rx_opt.num_sacks + dsack;
  if (!wanted) return;
  const uint32_t room = (MAX_TCP_OPTION_SPACE - o.size - 4) / 8;
  const uint32_t n = std::min(wanted, room);
  o.put32(0x01010500u | (2 + n * 8));
  for (uint32_t i = 0; i < n; ++i) {
    const tcp_sack_block& b = dsack && i == 0 ? tp->ext->duplicate_sack[0] : tp->ext->selective_acks[i - dsack];
    o.put32(b.start_seq.v);
    o.put32(b.end_seq.v);
  }
  tp->rx_opt.dsack = false;
}

OutOptions established_options(tcp_sock* tp) {
  OutOptions o;
  o.put_md5(tcp_md5_do_lookup(tp, tp->skc_daddr));
  if (tp->rx_opt.tstamp_ok) put_timestamps(o, tp);
  if (tp->rx_opt.num_sacks || tp->rx_opt.dsack) [[unlikely]]
    put_sacks(o, tp);
  return o;
}

uint16_t window_field(tcp_sock* tp, uint16_t flags) {
  if (flags & TCPHDR_SYN) {  // not scaled
    tp->rcv_wup = tp->rcv_nxt;
    return static_cast<uint16_t>(std::min<uint32_t>(tp->rcv_wnd, 65535));
  }
  return tcp_select_window(tp);
}

// RFC 9293 section 3.8.5: the pointer is an offset from this segment, and reaches 64 KiB.
void put_urgent(const tcp_sock* tp, tcphdr& th, Seq seq, uint16_t flags) {
  const uint32_t ahead = tp->snd_up - seq;
  if (ahead >= 0x10000 && !after(seq + 0xffff, tp->snd_nxt)) return;
  th.urg_ptr = htons(static_cast<uint16_t>(std::min(ahead, 0xffffu)));
  th.set_all_flags(flags | TCPHDR_URG);
}

void sign(const tcp_sock* tp, const Skb& skb, const OutOptions& o) {
  const Md5::Digest digest = tcp_v4_md5_hash_skb(*o.md5_key, tp->skc_rcv_saddr, tp->skc_daddr, skb);
  std::memcpy(reinterpret_cast<uint8_t*>(&tcp_hdr(*skb) + 1) + OutOptions::kDigestAt, digest.data(), digest.size());
}

void push_header(tcp_sock* tp, const Skb& skb, Seq seq, Seq ack, uint16_t flags, const OutOptions& o) {
  const uint32_t size = static_cast<uint32_t>(sizeof(tcphdr)) + o.size;
  auto* th = reinterpret_cast<tcphdr*>(skb_push(skb, size));
  skb_reset_transport_header(skb);
  th->source = htons(tp->skc_num);
  th->dest = htons(tp->skc_dport);
  th->seq = htonl(seq.v);
  th->ack_seq = htonl(flags & TCPHDR_ACK ? ack.v : 0);
  th->doff_res = static_cast<uint8_t>(size / 4 << 4);
  th->set_all_flags(flags);
  th->window = htons(window_field(tp, flags));
  th->urg_ptr = 0;
  if (tcp_urg_mode(tp) && before(seq, tp->snd_up)) [[unlikely]]
    put_urgent(tp, *th, seq, flags);
  std::memcpy(th + 1, o.bytes, o.size);
  if (o.md5_key) [[unlikely]]
    sign(tp, skb, o);
  th->check =
      static_cast<uint16_t>(~csum_fold(csum_pseudo(tp->skc_rcv_saddr, tp->skc_daddr, skb->len, IPPROTO_TCP, 0)));
  skb->ip_summed = IpSummed::partial;
  skb->csum_start = skb->transport_header;
  skb->csum_offset = offsetof(tcphdr, check);
}

bool dont_fragment(const tcp_sock* tp) { return tp->pmtudisc == IP_PMTUDISC_WANT || tp->pmtudisc == IP_PMTUDISC_DO; }

Result<void> send(tcp_sock* tp, Skb skb, uint32_t pcount) {
  tp->segs_out += pcount;
  dst_entry* dst = tcp_route(tp);
  if (!dst) {
    count(tp, Mib::IpOutNoRoutes);
    kfree_skb_reason(std::move(skb), DROP(IP_OUTNOROUTES));
    return Err(EHOSTUNREACH);
  }
  const uint16_t id = tp->inet_id;
  tp->inet_id = static_cast<uint16_t>(id + pcount);
  if (dst->dev->qdisc || skb->tx_flags) [[unlikely]]
    tcp_set_owner_w(tp, skb);
  const IpTx tx{.tos = tp->sk_tos,
                .ttl = tp->sk_ttl,
                .dont_fragment = dont_fragment(tp),
                .protocol = IPPROTO_TCP,
                .id = id,
                .options = tp->ext->inet_opt};
  Result<void> sent = tp->tcp().ip().ip_queue_xmit(std::move(skb), dst, tp->skc_rcv_saddr, tp->skc_daddr, tx);
  if (tcp_local_congestion(sent)) [[unlikely]]
    tcp_enter_cwr(tp);
  return sent;
}

// The data part of what is sent: short linear data is copied, fragments are shared.
Skb share_data(const tcp_sock* tp, const sk_buff& from, uint32_t header) {
  net& n = net_of(tp);
  Skb skb = alloc_skb(n.pool, n.trace, header + from.headlen(), 64u + tp->icsk_ext_hdr_len);
  skb->data += header;
  if (from.headlen()) std::memcpy(skb_put(skb, from.headlen()), from.data, from.headlen());
  for (unsigned i = 0; i < from.nr_frags; ++i) {
    const skb_frag& f = from.frag_at(i);
    f.block->get();
    skb_add_frag(skb, f.block, f.offset, f.size);
  }
  skb->id = from.id;
  skb->gso_size = from.gso_size;
  skb->gso_segs = from.gso_segs;
  skb->truesize = from.truesize;
  if (from.tx_flags) [[unlikely]] {
    skb->tx_flags = from.tx_flags;
    skb->tskey = from.tskey;
  }
  return skb;
}

// Data goes out: the peer's quick answer means an interactive exchange.
void event_data_sent(tcp_sock* tp) {
  const Instant now = now_of(tp);
  if (!tcp_packets_in_flight(tp)) tcp_ca_event(tp, CaEvent::TX_START);
  tp->lsndtime = now;
  if (now - tp->icsk_ack.lrcvtime < std::chrono::microseconds(tp->icsk_ack.ato_us)) inet_csk_inc_pingpong_cnt(tp);
}

}  // namespace

uint32_t tcp_established_options_size(tcp_sock* tp) {
  uint32_t size = tp->rx_opt.tstamp_ok ? static_cast<uint32_t>(TCPOLEN_TSTAMP_ALIGNED) : 0;
  if (tcp_md5_do_lookup(tp, tp->skc_daddr)) [[unlikely]]
    size += static_cast<uint32_t>(TCPOLEN_MD5SIG_ALIGNED);
  const uint32_t blocks = tp->rx_opt.num_sacks + (tp->rx_opt.dsack ? 1u : 0u);
  if (blocks) size += 4 + 8 * std::min<uint32_t>(blocks, static_cast<uint32_t>(MAX_TCP_OPTION_SPACE - size - 4) / 8);
  return size;
}

Result<void> __tcp_transmit_skb(tcp_sock* tp, sk_buff& queued) {
  PROBE(net_of(tp).trace, (&queued));
  const TcpCb& cb = TCP_SKB_CB(&queued);
  const bool syn = cb.tcp_flags & TCPHDR_SYN;
  auto flags = static_cast<uint16_t>(cb.tcp_flags | (syn ? 0 : tcp_ecn_send(tp, cb.seq, queued.len)));
  if (cb.pcount > 1) flags |= TCPHDR_PSH;  // receivers need not wait to merge more into it
  const Instant prior_wstamp = tp->tcp_wstamp;
  tcp_stamp_departure(tp, &queued);
  const OutOptions o = syn ? tcp_syn_options(tp) : established_options(tp);
  Skb skb = share_data(tp, queued, static_cast<uint32_t>(sizeof(tcphdr)) + o.size);
  if (queued.len) {
    event_data_sent(tp);
    tp->data_segs_out += cb.pcount;
    tp->bytes_sent += queued.len;
  }
  push_header(tp, skb, cb.seq, tp->rcv_nxt, flags, o);
  const uint32_t length = skb->len, pcount = std::max<uint32_t>(cb.pcount, 1);
  if (flags & TCPHDR_ACK) tcp_event_ack_sent(tp);
  if (after(cb.end_seq, tp->snd_nxt) || cb.seq == cb.end_seq) count(tp, Mib::TcpOutSegs, pcount);
  Result<void> sent = send(tp, std::move(skb), pcount);
  if (sent) {
    tcp_pace_sent(tp, length, prior_wstamp);
    tcp_rate_skb_sent(tp, &queued);
  }
  return sent;
}

Result<void> __tcp_transmit_skb(tcp_sock* tp, Seq seq, uint16_t flags) {
  return __tcp_transmit_skb(tp, seq, flags, tp->rcv_nxt);
}

Result<void> __tcp_transmit_skb(tcp_sock* tp, Seq seq, uint16_t flags, Seq ack) {
  net& n = net_of(tp);
  const OutOptions o = established_options(tp);
  const uint32_t header = static_cast<uint32_t>(sizeof(tcphdr)) + o.size;
  Skb skb = alloc_skb(n.pool, n.trace, header, 64u + tp->icsk_ext_hdr_len);
  skb->data += header;
  PROBE(n.trace, skb);
  flags = static_cast<uint16_t>(flags | tcp_ecn_send(tp, seq, 0));
  push_header(tp, skb, seq, ack, flags, o);
  if ((flags & TCPHDR_ACK) && ack == tp->rcv_nxt) tcp_event_ack_sent(tp);
  count(tp, Mib::TcpOutSegs);
  return send(tp, std::move(skb), 1);
}

}  // namespace glass
