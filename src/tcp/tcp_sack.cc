// The scoreboard: what SACK blocks say about the retransmit queue (RFC 2018, RFC 6675, D-SACK by RFC 2883).
#include <algorithm>

#include "tcp/tcp_internal.h"

namespace glass {

void tcp_skb_forget(tcp_sock* tp, sk_buff* skb) {
  if (tp->sack_hint == skb) tp->sack_hint = nullptr;
  if (tp->retransmit_skb_hint == skb) tp->retransmit_skb_hint = nullptr;
}

namespace {

// The first block repeats data already acknowledged, or lies inside the second: a duplicate arrived.
bool check_dsack(tcp_sock* tp, std::span<const TcpSackBlock> blocks, Seq ack) {
  const TcpSackBlock& first = blocks[0];
  const bool below = before(first.start, ack);
  const bool inside = blocks.size() > 1 && !after(first.end, blocks[1].end) && !before(first.start, blocks[1].start);
  if (!below && !inside) return false;
  count(tp, below ? Mib::TcpExtTCPDSACKRecv : Mib::TcpExtTCPDSACKOfoRecv);
  ++tp->dsack_dups;
  if (tp->undo_marker.v && tp->undo_retrans > 0) --tp->undo_retrans;
  return true;
}

bool valid_block(const tcp_sock* tp, const TcpSackBlock& b) {
  return before(b.start, b.end) && !after(b.end, tp->snd_nxt) && !before(b.start, tp->snd_una);
}

// Where to begin: from the last place, since blocks mostly grow there; backwards if the block starts before it.
sk_buff* find_start(tcp_sock* tp, Seq seq) {
  sk_buff* s = tp->sack_hint ? tp->sack_hint : tp->tcp_rtx_queue.front();
  while (s && s->prev && after(TCP_SKB_CB(s).seq, seq)) s = s->prev;
  while (s && !after(TCP_SKB_CB(s).end_seq, seq)) s = s->next;
  return s;
}

// Bytes of the segment before `at`, cut down to whole packets of the wire.
uint32_t whole_packets(const tcp_sock* tp, const sk_buff* s, Seq at, bool round_up) {
  const uint32_t mss = s->gso_size ? s->gso_size : tp->mss_cache;
  const uint32_t bytes = at - TCP_SKB_CB(s).seq;
  return (round_up ? (bytes + mss - 1) / mss : bytes / mss) * mss;
}

// Splits the segment so that it lies wholly inside or outside the block. Null: no whole packet of it is inside.
sk_buff* match_block(tcp_sock* tp, sk_buff* s, const TcpSackBlock& b) {
  if (before(TCP_SKB_CB(s).seq, b.start)) {
    const uint32_t len = whole_packets(tp, s, b.start, true);
    if (len >= s->len) return nullptr;
    tcp_fragment(tp, tp->tcp_rtx_queue, s, len, s->gso_size ? s->gso_size : tp->mss_cache);
    s = s->next;
  }
  if (after(TCP_SKB_CB(s).end_seq, b.end)) {
    const uint32_t len = whole_packets(tp, s, b.end, false);
    if (!len || len >= s->len) return nullptr;
    tcp_fragment(tp, tp->tcp_rtx_queue, s, len, s->gso_size ? s->gso_size : tp->mss_cache);
  }
  return s;
}

uint32_t tag(tcp_sock* tp, sk_buff* s) {
  TcpCb& cb = TCP_SKB_CB(s);
  if (cb.sacked & TCPCB_SACKED_ACKED) return 0;
  uint32_t flag = FLAG_DATA_SACKED;
  if (cb.sacked & TCPCB_SACKED_RETRANS) {
    cb.sacked &= static_cast<uint8_t>(~TCPCB_SACKED_RETRANS);
    tp->retrans_out -= cb.pcount;
  } else if (!(cb.sacked & TCPCB_EVER_RETRANS) && !after(cb.end_seq, tp->high_seq)) {
    flag |= FLAG_ORIG_SACK_ACKED;
  }
  if (cb.sacked & TCPCB_LOST) {
    cb.sacked &= static_cast<uint8_t>(~TCPCB_LOST);
    tp->lost_out -= cb.pcount;
  }
  cb.sacked |= TCPCB_SACKED_ACKED;
  tp->sacked_out += cb.pcount;
  tp->delivered += cb.pcount;
  if (!tp->sacked_out || after(cb.end_seq, tp->highest_sack) || tp->sacked_out == cb.pcount)
    tp->highest_sack = cb.end_seq;
  return flag;
}

uint32_t apply_block(tcp_sock* tp, const TcpSackBlock& b) {
  uint32_t flag = 0;
  for (sk_buff* s = find_start(tp, b.start); s && before(TCP_SKB_CB(s).seq, b.end); s = s->next) {
    tp->sack_hint = s;
    if (TCP_SKB_CB(s).sacked & TCPCB_SACKED_ACKED) continue;
    sk_buff* inside =
        before(TCP_SKB_CB(s).seq, b.start) || after(TCP_SKB_CB(s).end_seq, b.end) ? match_block(tp, s, b) : s;
    if (!inside) continue;
    flag |= tag(tp, inside);
    s = inside;
  }
  return flag;
}

}  // namespace

uint32_t tcp_sacktag_write_queue(tcp_sock* tp, const Skb& skb, Seq prior_snd_una) {
  const TcpOptions options = parse_tcp_options(tcp_hdr(*skb).option_bytes());
  std::span<const TcpSackBlock> blocks = options.sack_blocks();
  if (blocks.empty()) return 0;
  uint32_t flag = 0;
  const bool dsack = check_dsack(tp, blocks, TCP_SKB_CB(skb).ack_seq);
  if (dsack) flag |= FLAG_DSACKING_ACK;
  // Reports from far before the window come from a long delayed packet.
  if (before(TCP_SKB_CB(skb).ack_seq, prior_snd_una - tp->max_window)) return flag;
  if (!tp->packets_out) return flag;
  for (size_t i = dsack ? 1 : 0; i < blocks.size(); ++i) {
    if (!valid_block(tp, blocks[i])) {
      if (before(blocks[i].start, blocks[i].end) && !after(blocks[i].end, tp->snd_una)) continue;  // news of yesterday
      count(tp, Mib::TcpExtTCPSACKDiscard);
      continue;
    }
    flag |= apply_block(tp, blocks[i]);
  }
  return flag;
}

}  // namespace glass
