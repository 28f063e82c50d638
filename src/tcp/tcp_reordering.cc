// How far segments overtake each other on this path: a segment is not given up before more than `reordering` later ones
// have arrived, and RACK waits once any reordering was seen.
#include <algorithm>

#include "tcp/tcp_internal.h"

namespace glass {

namespace {

uint32_t bounded(const tcp_sock* tp, uint32_t degree) {
  return static_cast<uint32_t>(std::min<int64_t>(degree, net_of(tp).sysctl.tcp_max_reordering));
}

}  // namespace

// A segment that was sent once arrived after ones above it: from there to the highest SACK goes the distance.
void tcp_check_sack_reordering(tcp_sock* tp, Seq low_seq, bool by_timestamp) {
  const Seq fack = tcp_highest_sack_seq(tp);
  if (!before(low_seq, fack)) return;
  const uint32_t distance = fack - low_seq, mss = tp->mss_cache;
  if (mss && distance > tp->reordering * mss) tp->reordering = bounded(tp, (distance + mss - 1) / mss);
  ++tp->ext.make().reord_seen;
  count(tp, by_timestamp ? Mib::TcpExtTCPTSReorder : Mib::TcpExtTCPSACKReorder);
}

// Without SACK the arrivals are not known, but more duplicates than can be explained are a sign.
bool tcp_limit_reno_sacked(tcp_sock* tp) {
  const uint32_t holes = std::min(std::max(tp->lost_out, 1u), tp->packets_out);
  if (tp->sacked_out + holes <= tp->packets_out) return false;
  tp->sacked_out = tp->packets_out - holes;
  return true;
}

void tcp_check_reno_reordering(tcp_sock* tp, uint32_t addend) {
  if (!tcp_limit_reno_sacked(tp)) return;
  tp->reordering = bounded(tp, tp->packets_out + addend);
  ++tp->ext.make().reord_seen;
  count(tp, Mib::TcpExtTCPRenoReorder);
}

}  // namespace glass
