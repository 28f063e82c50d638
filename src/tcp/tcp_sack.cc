// The scoreboard: what SACK blocks say about the retransmit queue (RFC 2018, RFC 6675).
#include <algorithm>

#include "tcp/tcp_internal.h"

namespace glass {

void tcp_sacktag_one(tcp_sock* tp, sk_buff* s, bool dup_sack, tcp_sacktag_state& st) {
  TcpCb& cb = TCP_SKB_CB(s);
  const auto clear = [&cb](uint8_t bits) { cb.sacked &= static_cast<uint8_t>(~bits); };
  if (dup_sack && (cb.sacked & TCPCB_RETRANS)) {
    if (tp->undo_marker.v && tp->undo_retrans > 0 && after(cb.end_seq, tp->undo_marker))
      tp->undo_retrans = std::max(0, tp->undo_retrans - cb.pcount);
    if ((cb.sacked & TCPCB_SACKED_ACKED) && before(cb.seq, st.reord)) st.reord = cb.seq;
  }
  if (!after(cb.end_seq, tp->snd_una)) return;
  if (!(cb.sacked & TCPCB_SACKED_ACKED)) {
    tcp_rack_advance(tp, cb, s->tstamp);
    if (cb.sacked & TCPCB_SACKED_RETRANS) {
      // Not marked lost: the retransmission was a probe's or another's, and is still out.
      if (cb.sacked & TCPCB_LOST) {
        clear(TCPCB_LOST | TCPCB_SACKED_RETRANS);
        tp->lost_out -= cb.pcount;
        tp->retrans_out -= cb.pcount;
      }
    } else {
      if (!(cb.sacked & TCPCB_RETRANS)) {
        // Sent once, and below what was SACKed before: it was overtaken.
        if (before(cb.seq, tcp_highest_sack_seq(tp)) && before(cb.seq, st.reord)) st.reord = cb.seq;
        if (!after(cb.end_seq, tp->high_seq)) st.flag |= FLAG_ORIG_SACK_ACKED;
        if (st.first_sackt == Instant{}) st.first_sackt = s->tstamp;
        st.last_sackt = s->tstamp;
      }
      if (cb.sacked & TCPCB_LOST) {
        clear(TCPCB_LOST);
        tp->lost_out -= cb.pcount;
      }
    }
    const bool higher = !before(cb.seq, tcp_highest_sack_seq(tp));
    cb.sacked |= TCPCB_SACKED_ACKED;
    st.flag |= FLAG_DATA_SACKED;
    tp->sacked_out += cb.pcount;
    st.sack_delivered += cb.pcount;
    if (higher) tp->ext.make().highest_sack = cb.end_seq;
  }
  // A duplicate of a retransmission: that one is not out any more.
  if (dup_sack && (cb.sacked & TCPCB_SACKED_RETRANS)) {
    clear(TCPCB_SACKED_RETRANS);
    tp->retrans_out -= cb.pcount;
  }
  tcp_rate_skb_delivered(tp, s, *st.rate);
  if (cb.sacked & TCPCB_SACKED_ACKED) tcp_tsorted_del(tp, s);
}

namespace {

// The blocks of one ACK in the order of sequence numbers.
struct Blocks {
  tcp_sack_block at[4];
  uint32_t count = 0;
  int dsack = -1;  // which of them
};

// Where to begin: the nearest of front, end and the last place, since blocks mostly grow there.
sk_buff* seek(tcp_sock* tp, Seq seq) {
  sk_buff *s = tp->tcp_rtx_queue.front(), *back = tp->tcp_rtx_queue.back();
  const auto distance = [seq](const sk_buff* from) {
    const auto d = static_cast<int32_t>(TCP_SKB_CB(from).seq.v - seq.v);
    return d < 0 ? -static_cast<int64_t>(d) : d;
  };
  for (sk_buff* candidate : {tp->ext->sack_hint, back})
    if (candidate && distance(candidate) < distance(s)) s = candidate;
  while (s->prev && after(TCP_SKB_CB(s).seq, seq)) s = s->prev;
  while (s && !after(TCP_SKB_CB(s).end_seq, seq)) s = s->next;
  return s;
}

enum class Match { outside, inside, impossible };

// Splits the segment where the block begins or ends inside it, so that it lies wholly inside or outside; SACK covers
// whole packets and perhaps the last small one.
Match match_skb_to_sack(tcp_sock* tp, sk_buff* s, const tcp_sack_block& b) {
  const TcpCb& cb = TCP_SKB_CB(s);
  const bool front_inside = !after(b.start_seq, cb.seq);
  if (front_inside && !before(b.end_seq, cb.end_seq)) return Match::inside;
  if (cb.pcount <= 1 || !after(cb.end_seq, b.start_seq)) return Match::outside;
  const uint32_t mss = tcp_skb_mss(tp, s);
  uint32_t len;
  if (front_inside) {
    len = (b.end_seq - cb.seq) / mss * mss;
    if (!len) return Match::impossible;
  } else {
    len = std::max((b.start_seq - cb.seq + mss - 1) / mss * mss, mss);
    if (len >= s->len) return Match::outside;
  }
  if (!tcp_may_fragment(tp, s)) return Match::impossible;
  tcp_fragment(tp, tp->tcp_rtx_queue, s, len, mss);
  return front_inside ? Match::inside : Match::outside;
}

// Tags what lies in the block, of the segments from `from` to `to`.
void walk(tcp_sock* tp, Seq from, Seq to, const tcp_sack_block& b, bool dup_sack, tcp_sacktag_state& st) {
  for (sk_buff* s = seek(tp, from); s && before(TCP_SKB_CB(s).seq, to); s = s->next) {
    tp->ext.make().sack_hint = s;
    if (sk_buff* done = tcp_shift_skb_data(tp, s, b, dup_sack, st)) {
      s = done;
      continue;
    }
    const Match match = match_skb_to_sack(tp, s, b);
    if (match == Match::impossible) return;
    if (match == Match::inside) tcp_sacktag_one(tp, s, dup_sack, st);
  }
}

// The parts of the block that the last ACK did not report: the others were walked then. A segment that lies partly in
// both is in neither.
void walk_news(tcp_sock* tp, const tcp_sack_block& b, tcp_sacktag_state& st) {
  Seq from = b.start_seq;
  for (const tcp_sack_block& known : tp->ext->recv_sack_cache) {
    if (!before(known.start_seq, known.end_seq) || !after(known.end_seq, from)) continue;
    if (!after(b.end_seq, known.start_seq)) break;
    if (before(from, known.start_seq)) walk(tp, from, known.start_seq, {b.start_seq, known.start_seq}, false, st);
    if (!after(b.end_seq, known.end_seq)) return;
    from = known.end_seq;
  }
  walk(tp, from, b.end_seq, b, false, st);
}

void discard(tcp_sock* tp, bool is_dsack, const TcpSackBlock& b, Seq ack) {
  if (is_dsack) return count(tp, tp->undo_marker.v ? Mib::TcpExtTCPDSACKIgnoredOld : Mib::TcpExtTCPDSACKIgnoredNoUndo);
  if (ack != tp->snd_una && !after(b.end, tp->snd_una)) return;  // an ACK that was overtaken
  count(tp, Mib::TcpExtTCPSACKDiscard);
}

Blocks usable_blocks(tcp_sock* tp, std::span<const TcpSackBlock> wire, bool found_dsack, Seq ack, Seq prior_snd_una) {
  Blocks out;
  Seq dsack_start;
  bool dsack = false;
  for (size_t i = 0; i < std::min<size_t>(wire.size(), 4); ++i) {
    const TcpSackBlock& b = wire[i];
    const bool is_dsack = i == 0 && found_dsack;
    if (!tcp_is_sackblock_valid(tp, is_dsack, b.start, b.end)) {
      discard(tp, is_dsack, b, ack);
    } else if (after(b.end, prior_snd_una)) {
      out.at[out.count++] = {b.start, b.end};
      if (is_dsack) dsack = true, dsack_start = b.start;
    }
  }
  std::stable_sort(out.at, out.at + out.count,
                   [](const tcp_sack_block& a, const tcp_sack_block& b) { return before(a.start_seq, b.start_seq); });
  for (uint32_t i = 0; dsack && i < out.count && out.dsack < 0; ++i)
    if (out.at[i].start_seq == dsack_start) out.dsack = static_cast<int>(i);
  return out;
}

}  // namespace

uint32_t tcp_sacktag_write_queue(tcp_sock* tp, const Skb& skb, Seq prior_snd_una, tcp_sacktag_state& st) {
  const TcpOptions options = parse_tcp_options(tcp_hdr(*skb).option_bytes());
  const std::span<const TcpSackBlock> wire = options.sack_blocks();
  if (wire.empty()) return 0;
  const Seq ack = TCP_SKB_CB(skb).ack_seq;
  st.flag = 0;
  st.reord = tp->snd_nxt;
  const bool found_dsack = tcp_check_dsack(tp, wire, ack, prior_snd_una, st);
  // Reports from far before the window come from a long delayed packet.
  if (before(ack, prior_snd_una - tp->max_window)) return 0;
  if (!tp->packets_out) return st.flag;
  const Blocks blocks = usable_blocks(tp, wire, found_dsack, ack, prior_snd_una);
  tcp_ext& ext = tp->ext.make();
  if (!tp->sacked_out) std::ranges::fill(ext.recv_sack_cache, tcp_sack_block{});
  if (blocks.dsack >= 0) {
    const tcp_sack_block& b = blocks.at[blocks.dsack];
    walk(tp, b.start_seq, b.end_seq, b, true, st);
  }
  for (uint32_t i = 0; i < blocks.count; ++i)
    if (static_cast<int>(i) != blocks.dsack) walk_news(tp, blocks.at[i], st);
  for (uint32_t i = 0; i < 4; ++i) ext.recv_sack_cache[i] = i < blocks.count ? blocks.at[i] : tcp_sack_block{};
  if (tp->icsk_ca_state != CaState::Loss || tp->undo_marker.v) tcp_check_sack_reordering(tp, st.reord, false);
  return st.flag;
}

}  // namespace glass
