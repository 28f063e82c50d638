// Congestion control behind a narrow interface: an algorithm gets values and gives values, and never sees the
// connection.
//
// One file an algorithm under cong/; it is joined by a row in tcp_cong.cc. Windows are in segments, as Linux counts
// them.
#pragma once
#include <cstdint>
#include <string_view>

#include "base/time.h"

namespace glass {

struct tcp_sock;

// What an algorithm may know and change. cwnd, cwnd_cnt and ssthresh are written back after cong_avoid().
struct CongestionView {
  uint32_t cwnd, cwnd_cnt, ssthresh;
  uint32_t prior_cwnd;   // before the last reduction
  bool is_cwnd_limited;  // the application uses the whole window
  uint32_t srtt_us;      // not scaled; 0: unknown
  Instant now;
};

struct tcp_congestion_ops {
  std::string_view name;
  uint32_t (*ssthresh)(const CongestionView&);          // the new threshold when a loss is found
  void (*cong_avoid)(CongestionView&, uint32_t acked);  // `acked` segments were newly delivered
  uint32_t (*undo_cwnd)(const CongestionView&);         // the window after a reduction proved wrong
};

extern const tcp_congestion_ops tcp_reno;

const tcp_congestion_ops& tcp_default_congestion_control();
const tcp_congestion_ops* tcp_ca_find(std::string_view name);  // null: not known

CongestionView tcp_congestion_view(const tcp_sock*);
void tcp_cong_avoid(tcp_sock*, uint32_t acked);

// Shared by the loss-based algorithms (RFC 5681 section 3.1, RFC 3465): returns what slow start did not use of `acked`.
uint32_t tcp_slow_start(CongestionView&, uint32_t acked);
void tcp_cong_avoid_ai(CongestionView&, uint32_t per_window, uint32_t acked);

}  // namespace glass
