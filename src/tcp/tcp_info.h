// What a connection tells about itself: tcp_info (getsockopt TCP_INFO, field names and units of linux/tcp.h) and the
// rows of `glass stat --sockets`.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "net/sock.h"

namespace glass {

struct tcp_info {
  uint8_t tcpi_state, tcpi_ca_state, tcpi_retransmits, tcpi_probes, tcpi_backoff, tcpi_options;
  uint8_t tcpi_snd_wscale : 4, tcpi_rcv_wscale : 4;
  uint8_t tcpi_delivery_rate_app_limited : 1, tcpi_fastopen_client_fail : 2;
  uint32_t tcpi_rto, tcpi_ato, tcpi_snd_mss, tcpi_rcv_mss;
  uint32_t tcpi_unacked, tcpi_sacked, tcpi_lost, tcpi_retrans, tcpi_fackets;
  uint32_t tcpi_last_data_sent, tcpi_last_ack_sent, tcpi_last_data_recv, tcpi_last_ack_recv;
  uint32_t tcpi_pmtu, tcpi_rcv_ssthresh, tcpi_rtt, tcpi_rttvar, tcpi_snd_ssthresh, tcpi_snd_cwnd, tcpi_advmss,
      tcpi_reordering;
  uint32_t tcpi_rcv_rtt, tcpi_rcv_space, tcpi_total_retrans;
  uint64_t tcpi_pacing_rate, tcpi_max_pacing_rate, tcpi_bytes_acked, tcpi_bytes_received;
  uint32_t tcpi_segs_out, tcpi_segs_in, tcpi_notsent_bytes, tcpi_min_rtt, tcpi_data_segs_in, tcpi_data_segs_out;
  uint64_t tcpi_delivery_rate, tcpi_busy_time, tcpi_rwnd_limited, tcpi_sndbuf_limited;
  uint32_t tcpi_delivered, tcpi_delivered_ce;
  uint64_t tcpi_bytes_sent, tcpi_bytes_retrans;
  uint32_t tcpi_dsack_dups, tcpi_reord_seen, tcpi_rcv_ooopack, tcpi_snd_wnd, tcpi_rcv_wnd, tcpi_rehash;
  uint16_t tcpi_total_rto, tcpi_total_rto_recoveries;
  uint32_t tcpi_total_rto_time;
  // Marks received; what Accurate ECN would report of those sent is always 0 so far.
  uint32_t tcpi_received_ce, tcpi_delivered_e1_bytes, tcpi_delivered_e0_bytes, tcpi_delivered_ce_bytes;
  uint32_t tcpi_received_e1_bytes, tcpi_received_e0_bytes, tcpi_received_ce_bytes;
  uint16_t tcpi_accecn_fail_mode, tcpi_accecn_opt_seen;
};
static_assert(sizeof(tcp_info) == 280 && offsetof(tcp_info, tcpi_pacing_rate) == 104 &&
              offsetof(tcp_info, tcpi_total_rto_time) == 244);

inline constexpr uint8_t kTcpiOptTimestamps = 1, kTcpiOptSack = 2, kTcpiOptWscale = 4, kTcpiOptEcn = 8,
                         kTcpiOptEcnSeen = 16, kTcpiOptSynData = 32, kTcpiOptTfoChild = 128;

struct TcpSocketRow {
  std::string state;  // as ss names it: ESTAB, SYN-SENT, LISTEN, TIME-WAIT ...
  SocketAddress local, remote;
  uint32_t recv_q = 0, send_q = 0;  // listener: waiting for accept, backlog
  bool has_info = false;            // full sockets
  tcp_info info{};
  std::string congestion_control;
};

// The line `ss -ti` prints below a socket: "cubic wscale:7,7 rto:204 rtt:0.1/0.05 mss:1448 cwnd:10 ...".
std::string format_tcp_info(const TcpSocketRow&);

}  // namespace glass
