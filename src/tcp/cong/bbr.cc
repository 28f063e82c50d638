// BBR, version 1 (Cardwell and others, "BBR: Congestion-Based Congestion Control"; draft-cardwell-iccrg-bbr-00): a
// model of the path, its bandwidth and its round trip, decides how fast to send and how much may be under way.
//
//   STARTUP   doubles the rate each round until the bandwidth no longer grows
//   DRAIN     empties the queue that made
//   PROBE_BW  sends at the measured rate; now and then a quarter faster, then a quarter slower
//   PROBE_RTT every ten seconds: nearly nothing in flight for 200 ms, to see the round trip without a queue
//
// Bandwidths are segments a microsecond, times 2^24; gains are times 256.
#include <algorithm>

#include "base/rng.h"
#include "tcp/cong/windowed_max.h"
#include "tcp/tcp_cc_info.h"
#include "tcp/tcp_cong.h"

namespace glass {

namespace {

constexpr unsigned BW_SCALE = 24, BBR_SCALE = 8;
constexpr uint64_t BW_UNIT = 1ull << BW_SCALE;
constexpr uint32_t BBR_UNIT = 1u << BBR_SCALE;
constexpr uint32_t kInitCwnd = 10, kInfiniteSsthresh = 0x7fffffff;

constexpr uint32_t CYCLE_LEN = 8, kCycleRand = 7;
constexpr uint32_t kBwRounds = CYCLE_LEN + 2;  // window of the bandwidth filter
constexpr Duration kMinRttWindow = 10s, kProbeRttTime = 200ms;
constexpr uint64_t kMinTsoRate = 1'200'000;                 // bits a second: below, single segments
constexpr uint64_t kPacingMarginPercent = 1;                // paced a little slower than measured, so that queues drain
constexpr uint32_t kHighGain = BBR_UNIT * 2885 / 1000 + 1;  // 2/ln 2: doubles each round
constexpr uint32_t kDrainGain = BBR_UNIT * 1000 / 2885;
constexpr uint32_t kCwndGain = BBR_UNIT * 2;  // room for delayed and stretched ACKs
constexpr uint32_t kPacingGain[CYCLE_LEN] = {BBR_UNIT * 5 / 4, BBR_UNIT * 3 / 4, BBR_UNIT, BBR_UNIT,
                                             BBR_UNIT,         BBR_UNIT,         BBR_UNIT, BBR_UNIT};
constexpr uint32_t kCwndMinTarget = 4;
constexpr uint32_t kFullBwThresh = BBR_UNIT * 5 / 4, kFullBwCount = 3;  // growth below a quarter, three rounds
// A token bucket on the path shows itself by long stretches of loss at one rate.
constexpr uint32_t kLtIntervalMinRounds = 4, kLtLossThresh = 50, kLtBwMaxRounds = 48;
constexpr uint64_t kLtBwRatio = BBR_UNIT / 8, kLtBwDiff = 4000 / 8;
// ACKs that come in lumps.
constexpr uint32_t kExtraAckedGain = BBR_UNIT, kExtraAckedWinRounds = 5;
constexpr uint32_t kAckEpochResetThresh = 1u << 20, kExtraAckedMaxUs = 100'000;

enum class Mode : uint8_t { STARTUP, DRAIN, PROBE_BW, PROBE_RTT };

struct Bbr {
  uint32_t min_rtt_us;
  uint32_t rtt_cnt;             // rounds
  uint32_t next_rtt_delivered;  // `delivered` at which the round ends
  Instant min_rtt_stamp;
  Instant probe_rtt_done_stamp;  // zero: not yet few enough in flight
  WindowedMax bw;
  Instant cycle_mstamp;      // when this phase began
  Instant ack_epoch_mstamp;  // when this lump of ACKs began
  uint64_t lt_last_stamp_ms;
  uint32_t lt_bw, lt_last_delivered, lt_last_lost;
  uint32_t prior_cwnd;  // before recovery or PROBE_RTT
  uint32_t full_bw;
  uint32_t extra_acked[2];  // the largest lump of this and of the last few rounds
  uint32_t ack_epoch_acked;
  uint16_t pacing_gain, cwnd_gain;
  Mode mode;
  CaState prev_ca_state;
  uint8_t full_bw_cnt, cycle_idx, lt_rtt_cnt, extra_acked_win_rtts;
  bool packet_conservation : 1, round_start : 1, idle_restart : 1, probe_rtt_round_done : 1, lt_is_sampling : 1,
      lt_use_bw : 1, full_bw_reached : 1, has_seen_rtt : 1, extra_acked_win_idx : 1;
};
static_assert(sizeof(Bbr) <= ICSK_CA_PRIV_SIZE);

// One call: the algorithm's state and the view of the connection together.
class BbrCall {
 public:
  explicit BbrCall(CongestionView& v) : v_(v), b_(v.state<Bbr>()) {}

  void init();
  void main(const rate_sample&);
  void tx_start();
  void set_state(CaState);
  uint32_t undo_cwnd();
  void save_cwnd();
  uint32_t min_tso_segs() const { return v_->sk_pacing_rate < kMinTsoRate >> 3 ? 1 : 2; }
  size_t get_info(tcp_cc_info&) const;

 private:
  uint32_t bw() const { return b_.lt_use_bw ? b_.lt_bw : b_.bw.get(); }

  // --- rate
  uint64_t rate_bytes_per_sec(uint64_t bw, uint32_t gain) const;
  uint64_t bw_to_pacing_rate(uint32_t bw, uint32_t gain) const;
  void init_pacing_rate_from_rtt();
  void set_pacing_rate(uint32_t bw, uint32_t gain);

  // --- window
  uint32_t tso_segs_goal() const;
  uint32_t bdp(uint32_t bw, uint32_t gain) const;
  uint32_t quantization_budget(uint32_t cwnd) const;
  uint32_t inflight(uint32_t bw, uint32_t gain) const { return quantization_budget(bdp(bw, gain)); }
  uint32_t packets_in_net_at_edt(uint32_t inflight_now) const;
  uint32_t ack_aggregation_cwnd() const;
  bool set_cwnd_to_recover_or_restore(const rate_sample&, uint32_t acked, uint32_t& cwnd);
  void set_cwnd(const rate_sample&, uint32_t acked, uint32_t bw, uint32_t gain);

  // --- model
  void update_bw(const rate_sample&);
  void update_ack_aggregation(const rate_sample&);
  void update_cycle_phase(const rate_sample&);
  bool is_next_cycle_phase(const rate_sample&) const;
  void check_full_bw_reached(const rate_sample&);
  void check_drain();
  void update_min_rtt(const rate_sample&);
  void probe_rtt();
  void check_probe_rtt_done();
  void update_gains();
  void advance_cycle_phase();
  void reset_probe_bw_mode();
  void reset_mode();

  // --- long-term bandwidth
  void reset_lt_bw_sampling_interval();
  void reset_lt_bw_sampling();
  void lt_bw_interval_done(uint32_t bw);
  void lt_bw_sampling(const rate_sample&);

  CongestionView& v_;
  Bbr& b_;
};

// --- rate

uint64_t BbrCall::rate_bytes_per_sec(uint64_t bw, uint32_t gain) const {
  uint64_t rate = bw * v_->mss_cache * gain >> BBR_SCALE;
  rate *= 1'000'000 / 100 * (100 - kPacingMarginPercent);
  return rate >> BW_SCALE;
}

uint64_t BbrCall::bw_to_pacing_rate(uint32_t bw, uint32_t gain) const {
  return std::min(rate_bytes_per_sec(bw, gain), v_.sk_max_pacing_rate);
}

// Before the first sample: the initial window in the handshake's round trip, or in a millisecond if that is unknown.
void BbrCall::init_pacing_rate_from_rtt() {
  uint32_t rtt_us = 1000;
  if (v_->srtt_us) {
    rtt_us = std::max(v_->srtt_us >> 3, 1u);
    b_.has_seen_rtt = true;
  }
  v_->sk_pacing_rate = bw_to_pacing_rate(static_cast<uint32_t>(v_->snd_cwnd * BW_UNIT / rtt_us), kHighGain);
}

void BbrCall::set_pacing_rate(uint32_t bw, uint32_t gain) {
  const uint64_t rate = bw_to_pacing_rate(bw, gain);
  if (!b_.has_seen_rtt && v_->srtt_us) init_pacing_rate_from_rtt();
  if (b_.full_bw_reached || rate > v_->sk_pacing_rate) v_->sk_pacing_rate = rate;
}

// --- window

// Segments of a packet at this rate, as the sender will make it.
uint32_t BbrCall::tso_segs_goal() const {
  const uint64_t bytes = std::min<uint64_t>(v_->sk_pacing_rate >> 10, 65536 - 1 - 320);
  const uint32_t segs = std::max(static_cast<uint32_t>(bytes / std::max<uint32_t>(v_->mss_cache, 1)), min_tso_segs());
  return std::min(segs, 0x7fu);
}

uint32_t BbrCall::bdp(uint32_t bw, uint32_t gain) const {
  if (b_.min_rtt_us == ~0u) return kInitCwnd;  // nothing is known yet
  const uint64_t w = uint64_t{bw} * b_.min_rtt_us;
  return static_cast<uint32_t>(((w * gain >> BBR_SCALE) + BW_UNIT - 1) / BW_UNIT);
}

// Room for what is cut into large packets here, in the qdisc and at the receiver; even, and more while probing.
uint32_t BbrCall::quantization_budget(uint32_t cwnd) const {
  cwnd += 3 * tso_segs_goal();
  cwnd = (cwnd + 1) & ~1u;
  if (b_.mode == Mode::PROBE_BW && b_.cycle_idx == 0) cwnd += 2;
  return cwnd;
}

// What will be in the network when the next packet may leave: pacing lets what is under way arrive meanwhile.
uint32_t BbrCall::packets_in_net_at_edt(uint32_t inflight_now) const {
  const Instant edt = std::max(v_->tcp_wstamp, v_.now);
  const auto interval_us = static_cast<uint64_t>(to_usecs(edt - v_.now));
  const auto delivered = static_cast<uint32_t>(bw() * interval_us >> BW_SCALE);
  uint32_t at_edt = inflight_now;
  if (b_.pacing_gain > BBR_UNIT) at_edt += tso_segs_goal();
  return at_edt - std::min(at_edt, delivered);
}

uint32_t BbrCall::ack_aggregation_cwnd() const {
  if (!b_.full_bw_reached) return 0;
  const auto most = static_cast<uint32_t>(uint64_t{bw()} * kExtraAckedMaxUs / BW_UNIT);
  return std::min(kExtraAckedGain * std::max(b_.extra_acked[0], b_.extra_acked[1]) >> BBR_SCALE, most);
}

void BbrCall::save_cwnd() {
  const bool as_usual = b_.prev_ca_state < CaState::Recovery && b_.mode != Mode::PROBE_RTT;
  b_.prior_cwnd = as_usual ? v_->snd_cwnd : std::max(b_.prior_cwnd, v_->snd_cwnd);
}

// In the first round of a recovery only what leaves the network is replaced. True: `cwnd` is final.
bool BbrCall::set_cwnd_to_recover_or_restore(const rate_sample& rs, uint32_t acked, uint32_t& cwnd) {
  const CaState prev = b_.prev_ca_state, state = v_->icsk_ca_state;
  if (rs.losses) cwnd = cwnd > rs.losses ? cwnd - rs.losses : 1;
  if (state == CaState::Recovery && prev != CaState::Recovery) {
    b_.packet_conservation = true;
    b_.next_rtt_delivered = v_->delivered;  // the round begins now
    cwnd = tcp_packets_in_flight(v_.vars) + acked;
  } else if (prev >= CaState::Recovery && state < CaState::Recovery) {
    cwnd = std::max(cwnd, b_.prior_cwnd);
    b_.packet_conservation = false;
  }
  b_.prev_ca_state = state;
  if (!b_.packet_conservation) return false;
  cwnd = std::max(cwnd, tcp_packets_in_flight(v_.vars) + acked);
  return true;
}

void BbrCall::set_cwnd(const rate_sample& rs, uint32_t acked, uint32_t bw, uint32_t gain) {
  uint32_t cwnd = v_->snd_cwnd;
  if (acked && !set_cwnd_to_recover_or_restore(rs, acked, cwnd)) {
    const uint32_t target = quantization_budget(bdp(bw, gain) + ack_aggregation_cwnd());
    if (b_.full_bw_reached)
      cwnd = std::min(cwnd + acked, target);
    else if (cwnd < target || v_->delivered < kInitCwnd)
      cwnd += acked;
    cwnd = std::max(cwnd, kCwndMinTarget);
  }
  if (b_.mode == Mode::PROBE_RTT) cwnd = std::min(cwnd, kCwndMinTarget);
  v_->snd_cwnd = cwnd;
}

// --- model

void BbrCall::update_bw(const rate_sample& rs) {
  b_.round_start = false;
  if (rs.delivered < 0 || rs.interval_us <= 0) return;
  if (static_cast<int32_t>(rs.prior_delivered - b_.next_rtt_delivered) >= 0) {
    b_.next_rtt_delivered = v_->delivered;
    ++b_.rtt_cnt;
    b_.round_start = true;
    b_.packet_conservation = false;
  }
  lt_bw_sampling(rs);
  const auto sample =
      static_cast<uint32_t>(static_cast<uint64_t>(rs.delivered) * BW_UNIT / static_cast<uint64_t>(rs.interval_us));
  // A rate the application limited is a lower bound only.
  if (!rs.is_app_limited || sample >= b_.bw.get()) b_.bw.update(kBwRounds, b_.rtt_cnt, sample);
}

// How many more segments than the bandwidth explains were acknowledged since ACKs last ran behind.
void BbrCall::update_ack_aggregation(const rate_sample& rs) {
  if (!rs.acked_sacked || rs.delivered < 0 || rs.interval_us <= 0) return;
  if (b_.round_start) {
    b_.extra_acked_win_rtts = static_cast<uint8_t>(std::min(0x1f, b_.extra_acked_win_rtts + 1));
    if (b_.extra_acked_win_rtts >= kExtraAckedWinRounds) {
      b_.extra_acked_win_rtts = 0;
      b_.extra_acked_win_idx = !b_.extra_acked_win_idx;
      b_.extra_acked[b_.extra_acked_win_idx] = 0;
    }
  }
  const auto epoch_us =
      static_cast<uint64_t>(std::max<int64_t>(to_usecs(v_->delivered_mstamp - b_.ack_epoch_mstamp), 0));
  auto expected = static_cast<uint32_t>(bw() * epoch_us / BW_UNIT);
  if (b_.ack_epoch_acked <= expected || b_.ack_epoch_acked + rs.acked_sacked >= kAckEpochResetThresh) {
    b_.ack_epoch_acked = 0;
    b_.ack_epoch_mstamp = v_->delivered_mstamp;
    expected = 0;
  }
  b_.ack_epoch_acked = std::min(0xfffffu, b_.ack_epoch_acked + rs.acked_sacked);
  const uint32_t extra = std::min(b_.ack_epoch_acked - expected, v_->snd_cwnd);
  uint32_t& most = b_.extra_acked[b_.extra_acked_win_idx];
  most = std::max(most, extra);
}

bool BbrCall::is_next_cycle_phase(const rate_sample& rs) const {
  const bool is_full_length = to_usecs(v_->delivered_mstamp - b_.cycle_mstamp) > b_.min_rtt_us;
  if (b_.pacing_gain == BBR_UNIT) return is_full_length;
  const uint32_t in_net = packets_in_net_at_edt(rs.prior_in_flight), max_bw = b_.bw.get();
  // Faster: until the higher rate has filled the path, or something was lost.
  if (b_.pacing_gain > BBR_UNIT) return is_full_length && (rs.losses || in_net >= inflight(max_bw, b_.pacing_gain));
  return is_full_length || in_net <= inflight(max_bw, BBR_UNIT);  // slower: until the queue is gone
}

void BbrCall::advance_cycle_phase() {
  b_.cycle_idx = (b_.cycle_idx + 1) & (CYCLE_LEN - 1);
  b_.cycle_mstamp = v_->delivered_mstamp;
}

void BbrCall::update_cycle_phase(const rate_sample& rs) {
  if (b_.mode == Mode::PROBE_BW && is_next_cycle_phase(rs)) advance_cycle_phase();
}

// Begins anywhere but in the slow phase, so that flows do not probe in step.
void BbrCall::reset_probe_bw_mode() {
  b_.mode = Mode::PROBE_BW;
  b_.cycle_idx = static_cast<uint8_t>(CYCLE_LEN - 1 - v_.rng->below(kCycleRand));
  advance_cycle_phase();
}

void BbrCall::reset_mode() {
  if (b_.full_bw_reached)
    reset_probe_bw_mode();
  else
    b_.mode = Mode::STARTUP;
}

void BbrCall::check_full_bw_reached(const rate_sample& rs) {
  if (b_.full_bw_reached || !b_.round_start || rs.is_app_limited) return;
  if (b_.bw.get() >= static_cast<uint64_t>(b_.full_bw) * kFullBwThresh >> BBR_SCALE) {
    b_.full_bw = b_.bw.get();
    b_.full_bw_cnt = 0;
    return;
  }
  ++b_.full_bw_cnt;
  b_.full_bw_reached = b_.full_bw_cnt >= kFullBwCount;
}

void BbrCall::check_drain() {
  if (b_.mode == Mode::STARTUP && b_.full_bw_reached) {
    b_.mode = Mode::DRAIN;
    v_->snd_ssthresh = inflight(b_.bw.get(), BBR_UNIT);
  }
  if (b_.mode == Mode::DRAIN &&
      packets_in_net_at_edt(tcp_packets_in_flight(v_.vars)) <= inflight(b_.bw.get(), BBR_UNIT))
    reset_probe_bw_mode();
}

void BbrCall::check_probe_rtt_done() {
  if (b_.probe_rtt_done_stamp == Instant{} || v_.now <= b_.probe_rtt_done_stamp) return;
  b_.min_rtt_stamp = v_.now;  // no probe for another ten seconds
  v_->snd_cwnd = std::max(v_->snd_cwnd, b_.prior_cwnd);
  reset_mode();
}

void BbrCall::probe_rtt() {
  v_->app_limited = std::max(v_->delivered + tcp_packets_in_flight(v_.vars), 1u);  // its rates must not count
  if (b_.probe_rtt_done_stamp == Instant{}) {
    if (tcp_packets_in_flight(v_.vars) > kCwndMinTarget) return;
    b_.probe_rtt_done_stamp = v_.now + kProbeRttTime;
    b_.probe_rtt_round_done = false;
    b_.next_rtt_delivered = v_->delivered;
    return;
  }
  if (b_.round_start) b_.probe_rtt_round_done = true;
  if (b_.probe_rtt_round_done) check_probe_rtt_done();
}

void BbrCall::update_min_rtt(const rate_sample& rs) {
  const bool expired = v_.now > b_.min_rtt_stamp + kMinRttWindow;
  if (rs.rtt_us >= 0 && (rs.rtt_us < b_.min_rtt_us || (expired && !rs.is_ack_delayed))) {
    b_.min_rtt_us = static_cast<uint32_t>(rs.rtt_us);
    b_.min_rtt_stamp = v_.now;
  }
  if (expired && !b_.idle_restart && b_.mode != Mode::PROBE_RTT) {
    b_.mode = Mode::PROBE_RTT;
    save_cwnd();
    b_.probe_rtt_done_stamp = {};
  }
  if (b_.mode == Mode::PROBE_RTT) probe_rtt();
  if (rs.delivered > 0) b_.idle_restart = false;
}

void BbrCall::update_gains() {
  switch (b_.mode) {
    case Mode::STARTUP: b_.pacing_gain = b_.cwnd_gain = kHighGain; break;
    case Mode::DRAIN:
      b_.pacing_gain = kDrainGain;  // as slow as startup was fast
      b_.cwnd_gain = kHighGain;
      break;
    case Mode::PROBE_BW:
      b_.pacing_gain = static_cast<uint16_t>(b_.lt_use_bw ? BBR_UNIT : kPacingGain[b_.cycle_idx]);
      b_.cwnd_gain = kCwndGain;
      break;
    case Mode::PROBE_RTT: b_.pacing_gain = b_.cwnd_gain = BBR_UNIT; break;
  }
}

// --- long-term bandwidth

void BbrCall::reset_lt_bw_sampling_interval() {
  b_.lt_last_stamp_ms = usecs64(v_->delivered_mstamp) / 1000;
  b_.lt_last_delivered = v_->delivered;
  b_.lt_last_lost = v_->lost;
  b_.lt_rtt_cnt = 0;
}

void BbrCall::reset_lt_bw_sampling() {
  b_.lt_bw = 0;
  b_.lt_use_bw = false;
  b_.lt_is_sampling = false;
  reset_lt_bw_sampling_interval();
}

// Two stretches with much loss at about one rate: something polices the flow to it.
void BbrCall::lt_bw_interval_done(uint32_t bw) {
  if (b_.lt_bw) {
    const uint32_t diff = bw > b_.lt_bw ? bw - b_.lt_bw : b_.lt_bw - bw;
    if (uint64_t{diff} * BBR_UNIT <= kLtBwRatio * b_.lt_bw || rate_bytes_per_sec(diff, BBR_UNIT) <= kLtBwDiff) {
      b_.lt_bw = (bw + b_.lt_bw) >> 1;
      b_.lt_use_bw = true;
      b_.pacing_gain = BBR_UNIT;  // no probing against it
      b_.lt_rtt_cnt = 0;
      return;
    }
  }
  b_.lt_bw = bw;
  reset_lt_bw_sampling_interval();
}

void BbrCall::lt_bw_sampling(const rate_sample& rs) {
  if (b_.lt_use_bw) {
    if (b_.mode == Mode::PROBE_BW && b_.round_start && ++b_.lt_rtt_cnt >= kLtBwMaxRounds) {
      reset_lt_bw_sampling();  // has it become faster?
      reset_probe_bw_mode();
    }
    return;
  }
  if (!b_.lt_is_sampling) {
    if (!rs.losses) return;
    reset_lt_bw_sampling_interval();
    b_.lt_is_sampling = true;
  }
  if (rs.is_app_limited) return reset_lt_bw_sampling();
  if (b_.round_start) ++b_.lt_rtt_cnt;
  if (b_.lt_rtt_cnt < kLtIntervalMinRounds) return;
  if (b_.lt_rtt_cnt > 4 * kLtIntervalMinRounds) return reset_lt_bw_sampling();
  if (!rs.losses) return;  // an interval ends with a loss
  const uint32_t lost = v_->lost - b_.lt_last_lost, delivered = v_->delivered - b_.lt_last_delivered;
  if (!delivered || lost << BBR_SCALE < kLtLossThresh * delivered) return;
  const auto ms = static_cast<int64_t>(usecs64(v_->delivered_mstamp) / 1000 - b_.lt_last_stamp_ms);
  if (ms < 1) return;
  if (ms >= int64_t{~0u / 1000}) return reset_lt_bw_sampling();
  lt_bw_interval_done(static_cast<uint32_t>(delivered * BW_UNIT / (static_cast<uint64_t>(ms) * 1000)));
}

// --- calls

void BbrCall::main(const rate_sample& rs) {
  update_bw(rs);
  update_ack_aggregation(rs);
  update_cycle_phase(rs);
  check_full_bw_reached(rs);
  check_drain();
  update_min_rtt(rs);
  update_gains();
  set_pacing_rate(bw(), b_.pacing_gain);
  set_cwnd(rs, rs.acked_sacked, bw(), b_.cwnd_gain);
}

void BbrCall::init() {
  b_ = {};
  v_->snd_ssthresh = kInfiniteSsthresh;
  b_.next_rtt_delivered = v_->delivered;
  b_.min_rtt_us = v_.min_rtt_us;
  b_.min_rtt_stamp = v_.now;
  b_.bw.reset(0, 0);
  init_pacing_rate_from_rtt();
  reset_lt_bw_sampling();
  b_.mode = Mode::STARTUP;
  b_.ack_epoch_mstamp = v_.now;
  v_->sk_pacing_needed = true;
}

// Data after an idle time: no burst, and the silence is no reason to probe the round trip.
void BbrCall::tx_start() {
  if (!v_->app_limited) return;
  b_.idle_restart = true;
  b_.ack_epoch_mstamp = v_.now;
  b_.ack_epoch_acked = 0;
  if (b_.mode == Mode::PROBE_BW)
    set_pacing_rate(bw(), BBR_UNIT);
  else if (b_.mode == Mode::PROBE_RTT)
    check_probe_rtt_done();
}

void BbrCall::set_state(CaState state) {
  if (state != CaState::Loss) return;
  b_.prev_ca_state = CaState::Loss;
  b_.full_bw = 0;
  b_.round_start = true;  // the end of a round, as far as growth is concerned
  rate_sample rs;
  rs.losses = 1;
  lt_bw_sampling(rs);
}

uint32_t BbrCall::undo_cwnd() {
  b_.full_bw = 0;  // what looked like loss may have kept the bandwidth down
  b_.full_bw_cnt = 0;
  reset_lt_bw_sampling();
  return v_->snd_cwnd;
}

size_t BbrCall::get_info(tcp_cc_info& info) const {
  const uint64_t rate = uint64_t{bw()} * v_->mss_cache * 1'000'000 >> BW_SCALE;
  info.bbr = {.bbr_bw_lo = static_cast<uint32_t>(rate),
              .bbr_bw_hi = static_cast<uint32_t>(rate >> 32),
              .bbr_min_rtt = b_.min_rtt_us,
              .bbr_pacing_gain = b_.pacing_gain,
              .bbr_cwnd_gain = b_.cwnd_gain};
  return sizeof info.bbr;
}

uint32_t bbr_ssthresh(CongestionView& v) {
  BbrCall(v).save_cwnd();
  return v->snd_ssthresh;  // not a matter of BBR's
}

}  // namespace

const tcp_congestion_ops tcp_bbr{
    .name = "bbr",
    .flags = TCP_CONG_NON_RESTRICTED,
    .priv_size = sizeof(Bbr),
    .init_early = true,
    .init = [](CongestionView& v) { BbrCall(v).init(); },
    .ssthresh = bbr_ssthresh,
    .cong_control = [](CongestionView& v, const rate_sample& rs) { BbrCall(v).main(rs); },
    .set_state = [](CongestionView& v, CaState state) { BbrCall(v).set_state(state); },
    .cwnd_event =
        [](CongestionView& v, CaEvent event) {
          if (event == CaEvent::TX_START) BbrCall(v).tx_start();
        },
    .undo_cwnd = [](CongestionView& v) { return BbrCall(v).undo_cwnd(); },
    .sndbuf_expand = [](CongestionView&) { return 3u; },
    .min_tso_segs = [](CongestionView& v) { return BbrCall(v).min_tso_segs(); },
    .get_info = [](CongestionView& v, tcp_cc_info& info) { return BbrCall(v).get_info(info); }};

}  // namespace glass
