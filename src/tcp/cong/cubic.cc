// CUBIC (RFC 9438): after a reduction the window follows a cubic function of the time since, flat around the size where
// the loss was, so growth does not depend on the round trip. HyStart (Ha and Rhee, as in Linux; RFC 9406 is its heir)
// ends slow start before the first loss: when ACKs of one round come in for longer than half a round trip, or when the
// round trip grows.
//
// Times of the curve are milliseconds, of HyStart microseconds; the curve's unit is 1/1024 s.
#include <algorithm>
#include <limits>

#include "tcp/tcp_cong.h"
#include "trace/trace.h"

namespace glass {

namespace {

// Linux's module parameters at their defaults.
constexpr uint32_t kBetaScale = 1024, kBeta = 717;  // 0.7: what is left after a loss
constexpr uint32_t kScale = 41;                     // C = 0.4: how steep the curve is
constexpr uint32_t kHystartLowWindow = 16, kHystartMinSamples = 8;
constexpr uint32_t kHystartAckDeltaUs = 2000, kHystartDelayMinUs = 4000, kHystartDelayMaxUs = 16000;

constexpr unsigned kBictcpHz = 10;
constexpr uint64_t kCubeRttScale = kScale * 10;
constexpr uint64_t kCubeFactor = (1ull << (10 + 3 * kBictcpHz)) / kCubeRttScale;
// Eighths of a window that have to be acknowledged before Reno with this beta would grow by one.
constexpr uint32_t kFriendlyScale = 8 * (kBetaScale + kBeta) / 3 / (kBetaScale - kBeta);

struct Bictcp {
  // The curve; all zero begins a new one.
  uint32_t cnt;                      // ACKs for a step of one segment
  uint32_t last_max_cwnd;            // window before the last loss
  uint32_t last_cwnd, last_time;     // of the last calculation
  uint32_t bic_origin_point, bic_K;  // where the curve is flat, and when
  uint32_t delay_min_us;             // smallest round trip
  uint32_t epoch_start;              // 0: the next ACK begins the curve
  uint32_t ack_cnt, tcp_cwnd;        // what Reno would have by now
  // HyStart
  uint32_t round_start_us, last_ack_us;  // this round's first ACK, the last one that came close behind another
  uint32_t curr_rtt_us;                  // smallest of this round
  Seq end_seq;                           // of this round
  uint8_t sample_cnt;
  bool found;  // slow start was ended
};
static_assert(sizeof(Bictcp) <= ICSK_CA_PRIV_SIZE);

uint32_t now_ms(const CongestionView& v) { return std::max(msecs32(v.now), 1u); }

void hystart_reset(Bictcp& ca, const CongestionView& v) {
  ca.round_start_us = ca.last_ack_us = usecs32(v.now);
  ca.end_seq = v->snd_nxt;
  ca.curr_rtt_us = std::numeric_limits<uint32_t>::max();
  ca.sample_cnt = 0;
}

void cubic_init(CongestionView& v) {
  v.state<Bictcp>() = {};
  hystart_reset(v.state<Bictcp>(), v);
}

// --- the curve

uint32_t cubic_root(uint64_t a) {
  uint64_t low = 0, high = 1u << 21;  // its cube is just below 2^63
  while (low + 1 < high) {
    const uint64_t mid = (low + high) / 2;
    (mid * mid * mid <= a ? low : high) = mid;
  }
  return static_cast<uint32_t>(low);
}

void begin_epoch(Bictcp& ca, uint32_t now, uint32_t cwnd, uint32_t acked) {
  ca.epoch_start = now;
  ca.ack_cnt = acked;
  ca.tcp_cwnd = cwnd;
  if (ca.last_max_cwnd <= cwnd) {
    ca.bic_K = 0;
    ca.bic_origin_point = cwnd;
  } else {
    ca.bic_K = cubic_root(kCubeFactor * (ca.last_max_cwnd - cwnd));
    ca.bic_origin_point = ca.last_max_cwnd;
  }
}

// W(t + RTT) = C (t + RTT - K)^3 + origin: where the window should be a round trip from now.
uint32_t bic_target(const Bictcp& ca, uint32_t now) {
  const uint64_t t = (uint64_t{now - ca.epoch_start + (ca.delay_min_us + 999) / 1000} << kBictcpHz) / 1000;
  const bool below = t < ca.bic_K;
  const uint64_t offs = below ? ca.bic_K - t : t - ca.bic_K;
  const auto delta = static_cast<uint32_t>((kCubeRttScale * offs * offs * offs) >> (10 + 3 * kBictcpHz));
  return below ? ca.bic_origin_point - delta : ca.bic_origin_point + delta;
}

// Where Reno would be faster, be as fast as Reno (RFC 9438 section 4.3).
void tcp_friendliness(Bictcp& ca, uint32_t cwnd) {
  const uint32_t per_segment = std::max(cwnd * kFriendlyScale >> 3, 1u);
  if (ca.ack_cnt > per_segment) {
    const uint32_t steps = (ca.ack_cnt - 1) / per_segment;
    ca.ack_cnt -= steps * per_segment;
    ca.tcp_cwnd += steps;
  }
  if (ca.tcp_cwnd > cwnd) ca.cnt = std::min(ca.cnt, cwnd / (ca.tcp_cwnd - cwnd));
}

void bictcp_update(Bictcp& ca, uint32_t now, uint32_t cwnd, uint32_t acked) {
  ca.ack_cnt += acked;
  if (ca.last_cwnd == cwnd && static_cast<int32_t>(now - ca.last_time) <= 1000 / 32) return;
  if (!ca.epoch_start || now != ca.last_time) {  // the curve needs no more than one look a tick
    ca.last_cwnd = cwnd;
    ca.last_time = now;
    if (!ca.epoch_start) begin_epoch(ca, now, cwnd, acked);
    const uint32_t target = bic_target(ca, now);
    ca.cnt = target > cwnd ? cwnd / (target - cwnd) : 100 * cwnd;
    // As long as nothing is known of the path, a twentieth a round trip at least.
    if (!ca.last_max_cwnd) ca.cnt = std::min(ca.cnt, 20u);
  }
  tcp_friendliness(ca, cwnd);
  ca.cnt = std::max(ca.cnt, 2u);  // at most one and a half times the window a round trip
}

void cubic_cong_avoid(CongestionView& v, uint32_t acked) {
  if (v->snd_cwnd < v->snd_ssthresh) {
    acked = tcp_slow_start(v, acked);
    if (!acked) return;
  }
  Bictcp& ca = v.state<Bictcp>();
  bictcp_update(ca, now_ms(v), v->snd_cwnd, acked);
  tcp_cong_avoid_ai(v, ca.cnt, acked);
}

uint32_t cubic_ssthresh(CongestionView& v) {
  Bictcp& ca = v.state<Bictcp>();
  ca.epoch_start = 0;
  // Fast convergence: a window that did not reach the last maximum makes room for others.
  const bool shrinking = v->snd_cwnd < ca.last_max_cwnd;
  ca.last_max_cwnd = shrinking ? v->snd_cwnd * (kBetaScale + kBeta) / (2 * kBetaScale) : v->snd_cwnd;
  return std::max(v->snd_cwnd * kBeta / kBetaScale, 2u);
}

void cubic_set_state(CongestionView& v, CaState state) {
  if (state != CaState::Loss) return;
  cubic_init(v);
}

// Time in which nothing was sent is no time of the curve.
void cubic_cwnd_event(CongestionView& v, CaEvent event) {
  if (event != CaEvent::TX_START) return;
  Bictcp& ca = v.state<Bictcp>();
  const uint32_t now = now_ms(v);
  const auto idle = static_cast<int32_t>(now - msecs32(v->lsndtime));
  if (!ca.epoch_start || idle <= 0) return;
  ca.epoch_start += static_cast<uint32_t>(idle);
  if (static_cast<int32_t>(ca.epoch_start - now) > 0) ca.epoch_start = now;
}

// --- HyStart

void end_slow_start(Bictcp& ca, CongestionView& v, Mib detect, Mib cwnd) {
  ca.found = true;
  v.trace->count(detect);
  v.trace->count(cwnd, v->snd_cwnd);
  v->snd_ssthresh = v->snd_cwnd;
}

// How long packets of many segments may hold ACKs together on the receiver's side.
uint32_t hystart_ack_delay(const CongestionView& v) {
  if (!v->sk_pacing_rate) return 0;
  return static_cast<uint32_t>(std::min<uint64_t>(1000, uint64_t{v.gso_max_size} * 4 * 1'000'000 / v->sk_pacing_rate));
}

// The ACKs of a round that came one close behind the other cover more than half of the smallest round trip: the pipe is
// about full.
void hystart_ack_train(Bictcp& ca, CongestionView& v) {
  const uint32_t now = usecs32(v.now);
  if (static_cast<int32_t>(now - ca.last_ack_us) > static_cast<int32_t>(kHystartAckDeltaUs)) return;
  ca.last_ack_us = now;
  uint32_t threshold = ca.delay_min_us + hystart_ack_delay(v);
  if (!v->sk_pacing_needed) threshold >>= 1;
  if (static_cast<int32_t>(now - ca.round_start_us) > static_cast<int32_t>(threshold))
    end_slow_start(ca, v, Mib::TcpExtTCPHystartTrainDetect, Mib::TcpExtTCPHystartTrainCwnd);
}

// The smallest of a round's first samples is an eighth above the smallest ever: a queue builds up.
void hystart_delay(Bictcp& ca, CongestionView& v, uint32_t delay_us) {
  ca.curr_rtt_us = std::min(ca.curr_rtt_us, delay_us);
  if (ca.sample_cnt < kHystartMinSamples) {
    ++ca.sample_cnt;
    return;
  }
  const uint32_t rise = std::clamp(ca.delay_min_us >> 3, kHystartDelayMinUs, kHystartDelayMaxUs);
  if (ca.curr_rtt_us > ca.delay_min_us + rise)
    end_slow_start(ca, v, Mib::TcpExtTCPHystartDelayDetect, Mib::TcpExtTCPHystartDelayCwnd);
}

void cubic_pkts_acked(CongestionView& v, const ack_sample& sample) {
  Bictcp& ca = v.state<Bictcp>();
  if (sample.rtt_us < 0) return;
  // What was sent during the recovery waited in queues that are no more.
  if (ca.epoch_start && static_cast<int32_t>(now_ms(v) - ca.epoch_start) < 1000) return;
  const auto delay = static_cast<uint32_t>(std::max<int64_t>(sample.rtt_us, 1));
  if (!ca.delay_min_us || ca.delay_min_us > delay) ca.delay_min_us = delay;
  if (ca.found || v->snd_cwnd >= v->snd_ssthresh) return;
  if (after(v->snd_una, ca.end_seq)) hystart_reset(ca, v);
  if (v->snd_cwnd < kHystartLowWindow) return;
  hystart_ack_train(ca, v);
  hystart_delay(ca, v, delay);
}

}  // namespace

const tcp_congestion_ops tcp_cubic{.name = "cubic",
                                   .flags = TCP_CONG_NON_RESTRICTED,
                                   .priv_size = sizeof(Bictcp),
                                   .init = cubic_init,
                                   .ssthresh = cubic_ssthresh,
                                   .cong_avoid = cubic_cong_avoid,
                                   .set_state = cubic_set_state,
                                   .cwnd_event = cubic_cwnd_event,
                                   .pkts_acked = cubic_pkts_acked,
                                   .undo_cwnd = tcp_reno_undo_cwnd};

}  // namespace glass
