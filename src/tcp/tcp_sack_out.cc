// The SACK and D-SACK blocks this host sends (RFC 2018 section 4, RFC 2883).
#include <algorithm>

#include "tcp/tcp_internal.h"

namespace glass {

namespace {

// Blocks a lost ACK is likely to take along: before one more is pushed back, what was held back is said.
constexpr uint8_t TCP_SACK_BLOCKS_EXPECTED = 2;

bool extend(tcp_sack_block& block, Seq seq, Seq end_seq) {
  if (after(seq, block.end_seq) || after(block.start_seq, end_seq)) return false;
  block.start_seq = earlier(block.start_seq, seq);
  block.end_seq = later(block.end_seq, end_seq);
  return true;
}

// The first block has grown: those it has run into are part of it now.
void maybe_coalesce(tcp_sock* tp) {
  tcp_sack_block* b = tp->ext.make().selective_acks;
  uint8_t kept = 1;
  for (uint8_t i = 1; i < tp->rx_opt.num_sacks; ++i)
    if (!extend(b[0], b[i].start_seq, b[i].end_seq)) b[kept++] = b[i];
  tp->rx_opt.num_sacks = kept;
}

}  // namespace

// RFC 2018 section 4: the block with the most recent segment comes first.
void tcp_sack_new_ofo_skb(tcp_sock* tp, Seq seq, Seq end_seq) {
  tcp_sack_block* b = tp->ext.make().selective_acks;
  uint8_t& n = tp->rx_opt.num_sacks;
  for (uint8_t i = 0; i < n; ++i) {
    if (!extend(b[i], seq, end_seq)) continue;
    if (i >= TCP_SACK_BLOCKS_EXPECTED) tcp_sack_compress_send_ack(tp);
    std::rotate(b, b + i, b + i + 1);
    return maybe_coalesce(tp);
  }
  if (n >= TCP_SACK_BLOCKS_EXPECTED) tcp_sack_compress_send_ack(tp);
  if (n == TCP_NUM_SACKS) --n;  // the oldest is forgotten
  std::copy_backward(b, b + n, b + n + 1);
  b[0] = {seq, end_seq};
  ++n;
}

void tcp_sack_remove(tcp_sock* tp) {
  if (!tp->out_of_order_root) {
    tp->rx_opt.num_sacks = 0;
    return;
  }
  tcp_sack_block* b = tp->ext.make().selective_acks;
  tcp_sack_block* end = std::remove_if(b, b + tp->rx_opt.num_sacks,
                                       [tp](const tcp_sack_block& s) { return !before(tp->rcv_nxt, s.start_seq); });
  tp->rx_opt.num_sacks = static_cast<uint8_t>(end - b);
}

void tcp_dsack_set(tcp_sock* tp, Seq seq, Seq end_seq) {
  if (!tcp_is_sack(tp) || !net_of(tp).sysctl.tcp_dsack) return;
  count(tp, before(seq, tp->rcv_nxt) ? Mib::TcpExtTCPDSACKOldSent : Mib::TcpExtTCPDSACKOfoSent);
  tp->rx_opt.dsack = true;
  tp->ext.make().duplicate_sack[0] = {seq, end_seq};
}

void tcp_dsack_extend(tcp_sock* tp, Seq seq, Seq end_seq) {
  if (!tp->rx_opt.dsack) return tcp_dsack_set(tp, seq, end_seq);
  extend(tp->ext.make().duplicate_sack[0], seq, end_seq);
}

}  // namespace glass
