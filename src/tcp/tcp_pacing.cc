// At which rate data should leave. The rate sizes packets of several segments; packets wait for their turn only if the
// congestion control or SO_MAX_PACING_RATE asks for it.
#include <algorithm>

#include "tcp/tcp_cong.h"
#include "tcp/tcp_internal.h"

namespace glass {

namespace {
constexpr uint32_t kMaxTcpHeader = 320;  // Linux reserves that much of a packet for headers of all layers
constexpr unsigned kPacingShift = 10;    // a packet carries what leaves in about a millisecond
}  // namespace

uint32_t tcp_gso_max_size(const tcp_sock* tp) {
  const uint32_t device = tp->sk_dst_cache ? tp->sk_dst_cache->dev->gso_max_size : 65536u;
  return std::min(device, 65536u) - kMaxTcpHeader - 1;
}

// Twice what the window gives while it grows fast, so that pacing does not hinder the growth; a fifth more afterwards.
void tcp_update_pacing_rate(tcp_sock* tp) {
  const Sysctl& s = net_of(tp).sysctl;
  const int64_t percent = tp->snd_cwnd < tp->snd_ssthresh / 2 ? s.tcp_pacing_ss_ratio : s.tcp_pacing_ca_ratio;
  uint64_t rate = uint64_t{tp->mss_cache} * (1'000'000 / 100 << 3) * static_cast<uint64_t>(percent);
  rate *= std::max(tp->snd_cwnd, tp->packets_out);
  if (tp->srtt_us) rate /= tp->srtt_us;
  tp->sk_pacing_rate = std::min(rate, tp->set->sk_max_pacing_rate);
}

// Large packets cost less; small ones make a smoother flow. On short paths bursts do little harm, so they get more.
uint32_t tcp_tso_segs(tcp_sock* tp, uint32_t mss_now) {
  if (tp->ext->md5sig_info) [[unlikely]]
    return 1;  // every segment is signed on its own
  const uint32_t most = tcp_gso_max_size(tp);
  uint64_t bytes = tp->sk_pacing_rate >> kPacingShift;
  const uint32_t r = static_cast<uint32_t>(uint64_t{tcp_min_rtt(tp)} >> net_of(tp).sysctl.tcp_tso_rtt_log);
  if (r < 32) bytes += most >> r;
  bytes = std::min<uint64_t>(bytes, most);
  return std::max(static_cast<uint32_t>(bytes) / mss_now, tcp_ca_min_tso_segs(tp));
}

void tcp_stamp_departure(tcp_sock* tp, sk_buff* s) {
  tp->tcp_wstamp = std::max(tp->tcp_wstamp, now_of(tp));
  s->tstamp = tp->tcp_wstamp;
}

void tcp_pace_sent(tcp_sock* tp, uint32_t len, Instant prior_wstamp) {
  if (!tp->sk_pacing_needed) return;
  const uint64_t rate = tp->sk_pacing_rate;
  if (rate == ~0ull || !rate || tp->data_segs_out < 10) return;  // the first ten segments may go at once
  auto wait = Duration(static_cast<int64_t>(uint64_t{len} * 1'000'000'000 / rate));
  // A late timer is made up for, with at most half of the gap.
  wait -= std::min(wait / 2, tp->tcp_wstamp - prior_wstamp);
  tp->tcp_wstamp += wait;
}

bool tcp_pacing_check(tcp_sock* tp) {
  if (!tp->sk_pacing_needed || tp->tcp_wstamp <= now_of(tp)) return false;
  if (tcp_deadline(tp, TcpTimer::pacing) == kNever) tcp_reset_timer(tp, TcpTimer::pacing, tp->tcp_wstamp);
  return true;
}

void tcp_pace_kick(tcp_sock* tp) {
  using namespace tcp_state;
  if (!in_state(tp, bit(ESTABLISHED) | bit(FIN_WAIT1) | bit(CLOSING) | bit(CLOSE_WAIT) | bit(LAST_ACK))) return;
  if (tp->lost_out > tp->retrans_out && tp->snd_cwnd > tcp_packets_in_flight(tp)) tcp_xmit_retransmit_queue(tp);
  (void)tcp_write_xmit(tp, tcp_current_mss(tp), tp->nonagle, 0);
}

}  // namespace glass
