// A congestion control on its own, for tests: values go in, values come out.
#pragma once
#include <cstring>

#include "base/rng.h"
#include "tcp/tcp_cc_info.h"
#include "tcp/tcp_cong.h"
#include "trace/trace.h"

namespace glass {

struct CongFixture {
  explicit CongFixture(const tcp_congestion_ops& algorithm) : ops(algorithm) {
    std::memset(priv, 0, sizeof priv);
    vars.icsk_ca_priv = priv;
    vars.mss_cache = 1460;
    vars.app_limited = 0;
    vars.sk_pacing_rate = 0;
    v.rng = &rng;
    v.trace = &trace;
    v.now = Instant(1s);
    if (ops.init) ops.init(v);
  }

  // `acked` segments sent together are acknowledged after `rtt`; as many as the window allows are sent again.
  void ack(uint32_t acked, Duration rtt) {
    v->snd_una = v->snd_una + acked * v->mss_cache;
    v->delivered += acked;
    v->delivered_mstamp = v.now;
    if (ops.pkts_acked) ops.pkts_acked(v, {.pkts_acked = acked, .rtt_us = to_usecs(rtt), .in_flight = v->snd_cwnd});
    if (ops.in_ack_event) ops.in_ack_event(v, CA_ACK_SLOWPATH);
    if (ops.cong_avoid) ops.cong_avoid(v, acked);
    v->snd_nxt = v->snd_una + v->snd_cwnd * v->mss_cache;
  }
  // A round trip in which every segment of the window is acknowledged, one ACK for `per_ack` of them, evenly spread.
  void round(Duration rtt, uint32_t per_ack = 1) {
    const uint32_t acks = (v->snd_cwnd + per_ack - 1) / per_ack;
    for (uint32_t i = 0; i < acks; ++i) {
      v.now += rtt / acks;
      ack(per_ack, rtt);
    }
  }
  // What the sender does when segments are lost.
  void lose() {
    v->prior_cwnd = v->snd_cwnd;
    v->snd_ssthresh = ops.ssthresh(v);
    if (ops.set_state) ops.set_state(v, CaState::Recovery);
    v->icsk_ca_state = CaState::Recovery;
    v->snd_cwnd = v->snd_ssthresh;
    if (ops.set_state) ops.set_state(v, CaState::Open);
    v->icsk_ca_state = CaState::Open;
    v->snd_cwnd_cnt = 0;
  }

  const tcp_congestion_ops& ops;
  alignas(8) uint8_t priv[ICSK_CA_PRIV_SIZE];
  Rng rng{7};
  Trace trace;
  tcp_cong_vars vars;
  CongestionView v{.vars = &vars};
};

}  // namespace glass
