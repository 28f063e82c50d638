#include "tcp/tcp_cong.h"

#include <algorithm>

#include "tcp/tcp_internal.h"

namespace glass {

namespace {
constexpr const tcp_congestion_ops* kAlgorithms[] = {&tcp_reno};
}

const tcp_congestion_ops& tcp_default_congestion_control() { return *kAlgorithms[0]; }

const tcp_congestion_ops* tcp_ca_find(std::string_view name) {
  for (const tcp_congestion_ops* ops : kAlgorithms)
    if (ops->name == name) return ops;
  return nullptr;
}

CongestionView tcp_congestion_view(const tcp_sock* tp) {
  return {tp->snd_cwnd,        tp->snd_cwnd_cnt, tp->snd_ssthresh, tp->prior_cwnd,
          tp->is_cwnd_limited, tp->srtt_us >> 3, now_of(tp)};
}

void tcp_cong_avoid(tcp_sock* tp, uint32_t acked) {
  CongestionView v = tcp_congestion_view(tp);
  // In slow start the window may grow while half of it was used; afterwards only when all of it was.
  v.is_cwnd_limited = tp->is_cwnd_limited || (tcp_in_slow_start(tp) && tp->snd_cwnd < 2 * tp->max_packets_out);
  tp->icsk_ca_ops->cong_avoid(v, acked);
  tp->snd_cwnd = v.cwnd;
  tp->snd_cwnd_cnt = v.cwnd_cnt;
  tp->snd_ssthresh = v.ssthresh;
  tp->snd_cwnd_stamp = now_of(tp);
}

uint32_t tcp_slow_start(CongestionView& v, uint32_t acked) {
  const uint32_t cwnd = std::min(v.cwnd + acked, v.ssthresh);
  acked -= cwnd - v.cwnd;
  v.cwnd = cwnd;
  return acked;
}

void tcp_cong_avoid_ai(CongestionView& v, uint32_t per_window, uint32_t acked) {
  if (v.cwnd_cnt >= per_window) {
    v.cwnd_cnt = 0;
    ++v.cwnd;
  }
  v.cwnd_cnt += acked;
  if (v.cwnd_cnt >= per_window) {
    const uint32_t grow = v.cwnd_cnt / per_window;
    v.cwnd_cnt -= grow * per_window;
    v.cwnd += grow;
  }
}

}  // namespace glass
