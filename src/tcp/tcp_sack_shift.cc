// SACKed neighbours become one segment, so that a scoreboard after many losses stays short: what a block reports is
// moved into the SACKed segment before it, and that one grows together with the one behind.
#include <algorithm>

#include "tcp/tcp_internal.h"

namespace glass {

namespace {

bool plainly_sacked(const sk_buff* s) { return (TCP_SKB_CB(s).sacked & TCPCB_TAGBITS) == TCPCB_SACKED_ACKED; }

// All of `s` goes to the end of `prev`, and `s` goes.
bool merge(tcp_sock* tp, sk_buff* prev, sk_buff* s) {
  TcpCb &to = TCP_SKB_CB(prev), from = TCP_SKB_CB(s);
  const uint32_t size = tcp_skb_seglen(prev);
  if (uint32_t{to.pcount} + from.pcount > 0xffff || !tcp_skb_shift(tp, prev, s)) return false;
  to.end_seq = from.end_seq;
  to.pcount = static_cast<uint16_t>(to.pcount + from.pcount);
  to.tcp_flags |= from.tcp_flags;
  to.sacked |= from.sacked & TCPCB_EVER_RETRANS;
  to.eor = from.eor;
  prev->gso_size = static_cast<uint16_t>(size);
  prev->gso_segs = to.pcount;
  const bool hinted = tp->ext->sack_hint == s;
  Skb gone = tcp_rtx_queue_unlink(tp, s);
  sk_wmem_queued_add(tp, -static_cast<int32_t>(gone->truesize));
  kfree_skb_partial(std::move(gone));
  if (hinted) tp->ext.make().sack_hint = prev;
  return true;
}

// How many bytes at the front of the segment the block covers, in whole packets; 0: none.
uint32_t covered_front(const sk_buff* s, const tcp_sack_block& b) {
  const TcpCb& cb = TCP_SKB_CB(s);
  if (after(b.start_seq, cb.seq)) return 0;
  if (!before(b.end_seq, cb.end_seq)) return s->len;
  const uint32_t mss = tcp_skb_seglen(s), bytes = b.end_seq - cb.seq;
  return bytes / mss * mss;
}

bool may_shift(const sk_buff* s, bool dup_sack) {
  const uint8_t tags = TCP_SKB_CB(s).sacked & (TCPCB_LOST | TCPCB_SACKED_RETRANS);
  return s->len && (dup_sack || tags != TCPCB_SACKED_RETRANS);  // a retransmission that is out keeps its tag
}

}  // namespace

// Null: the segment has to be looked at on its own. Otherwise where to go on after: the segment itself, of which the
// block covers no whole packet, or the one it was moved into.
sk_buff* tcp_shift_skb_data(tcp_sock* tp, sk_buff* s, const tcp_sack_block& b, bool dup_sack, tcp_sacktag_state& st) {
  const auto fallback = [tp] {
    count(tp, Mib::TcpExtTCPSackShiftFallback);
    return nullptr;
  };
  sk_buff* prev = s->prev;
  if (!may_shift(s, dup_sack) || !after(TCP_SKB_CB(s).end_seq, tp->snd_una)) return fallback();
  if (!prev || !plainly_sacked(prev) || !tcp_skb_can_collapse(prev, s)) return fallback();
  const uint32_t mss = tcp_skb_seglen(s), len = covered_front(s, b);
  if (!len) return after(b.start_seq, TCP_SKB_CB(s).seq) && TCP_SKB_CB(s).pcount > 1 ? fallback() : s;
  if (mss != tcp_skb_seglen(prev) || !after(TCP_SKB_CB(s).seq + len, tp->snd_una)) return fallback();
  const bool whole = len == s->len;
  if (!whole) tcp_fragment(tp, tp->tcp_rtx_queue, s, len, mss);
  tcp_sacktag_one(tp, s, dup_sack, st);
  if (!merge(tp, prev, s)) {
    count(tp, Mib::TcpExtTCPSackShiftFallback);
    return s;  // tagged where it is
  }
  count(tp, whole ? Mib::TcpExtTCPSackMerged : Mib::TcpExtTCPSackShifted);
  if (!whole) return prev;
  sk_buff* next = prev->next;  // the hole is filled: both runs are one
  if (next && plainly_sacked(next) && next->len && tcp_skb_seglen(next) == mss && tcp_skb_can_collapse(prev, next) &&
      merge(tp, prev, next))
    count(tp, Mib::TcpExtTCPSackMerged);
  return prev;
}

}  // namespace glass
