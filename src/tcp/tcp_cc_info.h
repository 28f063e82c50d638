// What getsockopt TCP_CC_INFO tells about an algorithm; layouts of linux/inet_diag.h.
#pragma once
#include <cstdint>

namespace glass {

struct tcpvegas_info {
  uint32_t tcpv_enabled, tcpv_rttcnt, tcpv_rtt, tcpv_minrtt;
};

struct tcp_dctcp_info {
  uint16_t dctcp_enabled, dctcp_ce_state;
  uint32_t dctcp_alpha, dctcp_ab_ecn, dctcp_ab_tot;
};

struct tcp_bbr_info {
  uint32_t bbr_bw_lo, bbr_bw_hi;            // bytes a second
  uint32_t bbr_min_rtt;                     // microseconds
  uint32_t bbr_pacing_gain, bbr_cwnd_gain;  // times 256
};

union tcp_cc_info {
  tcpvegas_info vegas;
  tcp_dctcp_info dctcp;
  tcp_bbr_info bbr;
};

}  // namespace glass
