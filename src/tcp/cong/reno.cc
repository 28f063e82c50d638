// Reno (RFC 5681): slow start, then one segment a round trip; half on loss.
#include <algorithm>

#include "tcp/tcp_cong.h"

namespace glass {

uint32_t tcp_slow_start(CongestionView& v, uint32_t acked) {
  const uint32_t cwnd = std::min(v->snd_cwnd + acked, v->snd_ssthresh);
  acked -= cwnd - v->snd_cwnd;
  v->snd_cwnd = cwnd;
  return acked;
}

void tcp_cong_avoid_ai(CongestionView& v, uint32_t per_window, uint32_t acked) {
  // Credit from a time when less was needed for a step is spent at once.
  if (v->snd_cwnd_cnt >= per_window) {
    v->snd_cwnd_cnt = 0;
    ++v->snd_cwnd;
  }
  v->snd_cwnd_cnt += acked;
  if (v->snd_cwnd_cnt >= per_window) {
    const uint32_t grow = v->snd_cwnd_cnt / per_window;
    v->snd_cwnd_cnt -= grow * per_window;
    v->snd_cwnd += grow;
  }
}

void tcp_reno_cong_avoid(CongestionView& v, uint32_t acked) {
  if (v->snd_cwnd < v->snd_ssthresh) {
    acked = tcp_slow_start(v, acked);
    if (!acked) return;
  }
  tcp_cong_avoid_ai(v, v->snd_cwnd, acked);
}

uint32_t tcp_reno_ssthresh(CongestionView& v) { return std::max(v->snd_cwnd / 2, 2u); }

uint32_t tcp_reno_undo_cwnd(CongestionView& v) { return std::max(v->snd_cwnd, v->prior_cwnd); }

const tcp_congestion_ops tcp_reno{.name = "reno",
                                  .flags = TCP_CONG_NON_RESTRICTED,
                                  .ssthresh = tcp_reno_ssthresh,
                                  .cong_avoid = tcp_reno_cong_avoid,
                                  .undo_cwnd = tcp_reno_undo_cwnd};

}  // namespace glass
