// Round-trip time and retransmission time-out (RFC 6298, with Linux's bounds and its damped variance).
#include <algorithm>

#include "tcp/tcp_internal.h"
#include "tcp/tcp_rate.h"

namespace glass {

uint32_t tcp_rto_min_us(const tcp_sock* tp) {
  return tp->set->icsk_rto_min_us ? tp->set->icsk_rto_min_us : static_cast<uint32_t>(net_of(tp).sysctl.tcp_rto_min_us);
}
uint32_t tcp_rto_max_us(const tcp_sock* tp) {
  return 1000 * (tp->set->icsk_rto_max_ms ? tp->set->icsk_rto_max_ms
                                          : static_cast<uint32_t>(net_of(tp).sysctl.tcp_rto_max_ms));
}

uint32_t tcp_time_stamp(const tcp_sock* tp) { return msecs32(now_of(tp)) + tp->tsoffset; }

int64_t tcp_rtt_tsopt_us(const tcp_sock* tp) {
  if (!tp->rx_opt.saw_tstamp || !tp->rx_opt.rcv_tsecr) return -1;
  const uint32_t delta_ms = msecs32(now_of(tp)) - tp->rx_opt.rcv_tsecr;
  return delta_ms < 0x7fffffff / 1000 ? std::max<int64_t>(delta_ms, 1) * 1000 : -1;
}

namespace {

void first_sample(tcp_sock* tp, uint32_t m) {
  tp->srtt_us = m << 3;
  tp->mdev_us = m << 1;  // the first RTO is three times the first RTT
  tp->rttvar_us = std::max(tp->mdev_us, tcp_rto_min_us(tp));
  tp->mdev_max_us = tp->rttvar_us;
  tp->rtt_seq = tp->snd_nxt;
}

// The mean deviation grows by a quarter of a rise, but only by a 32nd of a fall: a path that got faster must not look
// unstable.
void next_sample(tcp_sock* tp, int64_t m) {
  m -= tp->srtt_us >> 3;
  tp->srtt_us = static_cast<uint32_t>(tp->srtt_us + m);
  if (m < 0) {
    m = -m - (tp->mdev_us >> 2);
    if (m > 0) m >>= 3;
  } else {
    m -= tp->mdev_us >> 2;
  }
  tp->mdev_us = static_cast<uint32_t>(tp->mdev_us + m);
  if (tp->mdev_us > tp->mdev_max_us) {
    tp->mdev_max_us = tp->mdev_us;
    if (tp->mdev_max_us > tp->rttvar_us) tp->rttvar_us = tp->mdev_max_us;
  }
  if (!after(tp->snd_una, tp->rtt_seq)) return;
  if (tp->mdev_max_us < tp->rttvar_us) tp->rttvar_us -= (tp->rttvar_us - tp->mdev_max_us) >> 2;
  tp->rtt_seq = tp->snd_nxt;
  tp->mdev_max_us = tcp_rto_min_us(tp);
}

}  // namespace

void tcp_rtt_estimator(tcp_sock* tp, int64_t rtt_us) {
  const int64_t m = std::max<int64_t>(rtt_us, 1);
  if (tp->srtt_us)
    next_sample(tp, m);
  else
    first_sample(tp, static_cast<uint32_t>(m));
  tp->srtt_us = std::max(tp->srtt_us, 1u);
}

// A sample that may contain the receiver's delay says nothing about the path, unless it is small all the same.
void tcp_update_rtt_min(tcp_sock* tp, int64_t rtt_us, uint32_t flag) {
  if ((flag & FLAG_ACK_MAYBE_DELAYED) && rtt_us > tcp_min_rtt(tp)) return;
  const Duration window = std::chrono::seconds(net_of(tp).sysctl.tcp_min_rtt_wlen);
  tp->rtt_min.add(rtt_us ? static_cast<uint32_t>(rtt_us) : 1'000, now_of(tp), window);
}

void tcp_set_rto(tcp_sock* tp) { tp->icsk_rto_us = std::min((tp->srtt_us >> 3) + tp->rttvar_us, tcp_rto_max_us(tp)); }

// RFC 6298 section 3 (Karn): what was sent twice gives no sample, unless a timestamp tells which copy is meant.
bool tcp_ack_update_rtt(tcp_sock* tp, uint32_t flag, tcp_rtts r, rate_sample& rs) {
  if (r.seq_us < 0) r.seq_us = r.sack_us;
  if (r.seq_us < 0 && (flag & FLAG_ACKED)) r.seq_us = r.ca_us = tcp_rtt_tsopt_us(tp);
  rs.rtt_us = r.ca_us;
  if (r.seq_us < 0) return false;
  tcp_update_rtt_min(tp, r.ca_us, flag);
  tcp_rtt_estimator(tp, r.seq_us);
  tcp_set_rto(tp);
  tp->icsk_backoff = 0;  // section 5.7: a valid sample ends the backoff
  return true;
}

}  // namespace glass
