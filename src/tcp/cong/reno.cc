// Reno (RFC 5681): slow start, then one segment a round trip; half on loss.
#include <algorithm>

#include "tcp/tcp_cong.h"

namespace glass {

namespace {

uint32_t reno_ssthresh(const CongestionView& v) { return std::max(v.cwnd / 2, 2u); }

void reno_cong_avoid(CongestionView& v, uint32_t acked) {
  if (!v.is_cwnd_limited) return;
  if (v.cwnd < v.ssthresh) {
    acked = tcp_slow_start(v, acked);
    if (!acked) return;
  }
  tcp_cong_avoid_ai(v, v.cwnd, acked);
}

uint32_t reno_undo_cwnd(const CongestionView& v) { return std::max(v.cwnd, v.prior_cwnd); }

}  // namespace

const tcp_congestion_ops tcp_reno{"reno", reno_ssthresh, reno_cong_avoid, reno_undo_cwnd};

}  // namespace glass
