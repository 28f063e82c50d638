// What of a connection congestion control lives on. The connection derives from it (tcp_sock.h), so that an algorithm
// reads and sets the connection's own fields without seeing the rest. Windows are in segments, rates in bytes a second.
#pragma once
#include <cstdint>

#include "base/seq.h"
#include "base/time.h"
#include "tcp/tcp_states.h"

namespace glass {

struct tcp_cong_vars {
  // --- an algorithm may change these
  uint32_t snd_cwnd = 10, snd_cwnd_cnt = 0, snd_ssthresh = 0x7fffffff;
  uint32_t app_limited = ~0u;  // `delivered` at which the application stopped being the limit; 0: it is not
  uint64_t sk_pacing_rate = ~0ull;
  bool sk_pacing_needed = false;  // packets wait for tcp_wstamp
  // --- and only reads these
  CaState icsk_ca_state = CaState::Open;
  uint8_t ecn_flags = 0;     // TCP_ECN_*
  uint16_t mss_cache = 536;  // payload bytes a segment, options taken off
  uint32_t packets_out = 0, retrans_out = 0, sacked_out = 0, lost_out = 0;  // segments
  uint32_t prior_cwnd = 0;                                                  // before the last reduction
  uint32_t delivered = 0, delivered_ce = 0, lost = 0;                       // segments since the connection began
  uint32_t srtt_us = 0;                                                     // scaled by 8; 0: unknown
  Seq snd_una, snd_nxt, rcv_nxt;  // oldest unacknowledged; next to send; next byte expected
  Instant delivered_mstamp{};     // when `delivered` last grew
  Instant lsndtime{};             // last data sent
  Instant tcp_wstamp{};           // when the next packet may leave, if paced
  void* icsk_ca_priv = nullptr;   // the algorithm's own state; null until it is needed
};

inline bool tcp_in_slow_start(const tcp_cong_vars* tp) { return tp->snd_cwnd < tp->snd_ssthresh; }
inline uint32_t tcp_left_out(const tcp_cong_vars* tp) { return tp->sacked_out + tp->lost_out; }
inline uint32_t tcp_packets_in_flight(const tcp_cong_vars* tp) {
  return tp->packets_out - tcp_left_out(tp) + tp->retrans_out;
}

}  // namespace glass
