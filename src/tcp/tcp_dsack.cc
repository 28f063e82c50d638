// D-SACK (RFC 2883): the first block may report a segment that arrived twice. It takes back a reduction of the window
// (RFC 3708), and tells RACK that it waited too short a time.
#include <algorithm>

#include "tcp/tcp_internal.h"

namespace glass {

namespace {

// Counts the duplicate packets; 0: the report cannot be true, or cannot be about retransmissions of ours.
uint32_t dsack_seen(tcp_sock* tp, const TcpSackBlock& b, tcp_sacktag_state& st) {
  if (!before(b.start, b.end)) return 0;
  const uint32_t length = b.end - b.start, mss = tp->mss_cache;
  if (length > tp->max_window) return 0;
  uint32_t dup_segs = 1;
  if (length > mss)
    dup_segs = (length + mss - 1) / mss;
  else if (tp->tlp_high_seq.v && tp->tlp_high_seq == b.end)
    st.flag |= FLAG_DSACK_TLP;
  tp->ext.make().dsack_dups += dup_segs;
  if (tp->ext->dsack_dups > tp->total_retrans) return 0;  // the network made this one
  // Without reordering RACK had no reason to wait, and the probe is not RACK's doing.
  if (tp->ext->reord_seen && !(st.flag & FLAG_DSACK_TLP)) tp->rack.dsack_seen = true;
  st.flag |= FLAG_DSACKING_ACK;
  st.sack_delivered += dup_segs;
  return dup_segs;
}

}  // namespace

// The block repeats data that is acknowledged, or lies inside the second.
bool tcp_check_dsack(tcp_sock* tp, std::span<const TcpSackBlock> blocks, Seq ack, Seq prior_snd_una,
                     tcp_sacktag_state& st) {
  const TcpSackBlock& first = blocks[0];
  const bool below = before(first.start, ack);
  if (!below) {
    if (blocks.size() < 2) return false;
    if (after(first.end, blocks[1].end) || before(first.start, blocks[1].start)) return false;
  }
  count(tp, below ? Mib::TcpExtTCPDSACKRecv : Mib::TcpExtTCPDSACKOfoRecv);
  const uint32_t dup_segs = dsack_seen(tp, first, st);
  if (!dup_segs) {
    count(tp, Mib::TcpExtTCPDSACKIgnoredDubious);
    return false;
  }
  count(tp, Mib::TcpExtTCPDSACKRecvSegs, dup_segs);
  // About segments that are acknowledged and forgotten nothing is known but their number.
  const bool forgotten = !after(first.end, prior_snd_una) && after(first.end, tp->undo_marker);
  if (tp->undo_marker.v && tp->undo_retrans > 0 && forgotten)
    tp->undo_retrans = std::max(0, tp->undo_retrans - static_cast<int32_t>(dup_segs));
  return true;
}

// A block must lie within what is outstanding; a D-SACK may also lie below, as far as the undo marker's recovery goes.
bool tcp_is_sackblock_valid(const tcp_sock* tp, bool is_dsack, Seq start, Seq end) {
  if (after(end, tp->snd_nxt) || !before(start, end) || !before(start, tp->snd_nxt)) return false;
  if (after(start, tp->snd_una)) return true;
  if (!is_dsack || !tp->undo_marker.v || after(end, tp->snd_una)) return false;
  if (!before(start, tp->undo_marker)) return true;
  // It crosses the marker: taken if it cannot be older than a window.
  return after(end, tp->undo_marker) && !before(start, end - tp->max_window);
}

}  // namespace glass
