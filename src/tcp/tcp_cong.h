// Congestion control behind a narrow interface: an algorithm never sees the connection beyond what concerns it.
//
// One file an algorithm under cong/; it is joined by a row in tcp_cong.cc. Every call gets a CongestionView: the fields
// of the connection that concern it (tcp_cong_vars.h), and the time. Its own state is plain memory of `priv_size`
// bytes, zeroed when a connection begins to use it. Windows are in segments and rates in bytes a second, as Linux
// counts them.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/errno.h"
#include "base/seq.h"
#include "base/time.h"
#include "tcp/tcp_cong_vars.h"
#include "tcp/tcp_rate.h"

namespace glass {

class Rng;
class Trace;
struct net;
struct tcp_congestion_ops;
struct tcp_sock;
union tcp_cc_info;

enum class CaEvent : uint8_t {
  TX_START,      // the first data after nothing was in flight
  CWND_RESTART,  // the window starts anew after an idle time
  COMPLETE_CWR,  // a reduction has ended
  LOSS,          // the retransmission timer went off
  ECN_NO_CE,     // data came that no router marked
  ECN_IS_CE,     // data came that a router marked
};

// What in_ack_event() is told of an ACK.
inline constexpr uint32_t CA_ACK_SLOWPATH = 1, CA_ACK_WIN_UPDATE = 2, CA_ACK_ECE = 4;

struct ack_sample {
  uint32_t pkts_acked;
  int64_t rtt_us;      // < 0: no sample
  uint32_t in_flight;  // when the acknowledged data was sent
};

// What a receiver that reports marks exactly wants to have acknowledged (RFC 8257 section 3.2).
struct EceUpdate {
  bool valid = false;
  bool before = false, after = false;  // does marked data want ECE: up to prior_rcv_nxt, and from there on
  Seq prior_rcv_nxt{};
};

// What an algorithm may know and change. Through -> it reaches the connection's own fields.
struct CongestionView {
  tcp_cong_vars* operator->() const { return vars; }
  template <class Priv>
  Priv& state() const {
    return *static_cast<Priv*>(vars->icsk_ca_priv);
  }

  tcp_cong_vars* vars;
  Instant now{};
  uint32_t min_rtt_us = ~0u;      // ~0: unknown
  uint32_t gso_max_size = 65536;  // bytes of the largest packet
  uint64_t sk_max_pacing_rate = ~0ull;
  bool ecn_ok = false;  // agreed in the handshake
  Rng* rng = nullptr;
  Trace* trace = nullptr;  // for counters
  // --- answers
  EceUpdate ece{};
  const tcp_congestion_ops* instead = nullptr;  // from init(): the algorithm that takes over
};

inline constexpr uint8_t TCP_CONG_NON_RESTRICTED = 1, TCP_CONG_NEEDS_ECN = 2;
inline constexpr size_t ICSK_CA_PRIV_SMALL = 72, ICSK_CA_PRIV_SIZE = 128;  // most have little, none has more
inline constexpr size_t TCP_CA_NAME_MAX = 16;

// Null: the algorithm has nothing to say there. Reno's growth is cong_avoid; an algorithm with cong_control sets window
// and pacing rate on its own, also while recovering.
struct tcp_congestion_ops {
  std::string_view name;
  uint8_t flags = 0;
  uint8_t priv_size = 0;
  bool init_early = false;  // when the connection is established, not when it first has data
  void (*init)(CongestionView&) = nullptr;
  uint32_t (*ssthresh)(CongestionView&) = nullptr;                // the new threshold when a loss is found
  void (*cong_avoid)(CongestionView&, uint32_t acked) = nullptr;  // only where the whole window is used
  void (*cong_control)(CongestionView&, const rate_sample&) = nullptr;
  void (*set_state)(CongestionView&, CaState) = nullptr;
  void (*cwnd_event)(CongestionView&, CaEvent) = nullptr;
  void (*in_ack_event)(CongestionView&, uint32_t flags) = nullptr;
  void (*pkts_acked)(CongestionView&, const ack_sample&) = nullptr;
  uint32_t (*undo_cwnd)(CongestionView&) = nullptr;             // the window after a reduction proved wrong
  uint32_t (*sndbuf_expand)(CongestionView&) = nullptr;         // send buffer in windows; null: 2
  uint32_t (*min_tso_segs)(CongestionView&) = nullptr;          // smallest packet of several segments; null: the sysctl
  size_t (*get_info)(CongestionView&, tcp_cc_info&) = nullptr;  // TCP_CC_INFO: bytes filled
};

extern const tcp_congestion_ops tcp_reno, tcp_cubic, tcp_dctcp, tcp_dctcp_reno, tcp_bbr;

// Shared by the loss-based algorithms (RFC 5681 section 3.1, RFC 3465): returns what slow start did not use of `acked`.
uint32_t tcp_slow_start(CongestionView&, uint32_t acked);
void tcp_cong_avoid_ai(CongestionView&, uint32_t per_window, uint32_t acked);
void tcp_reno_cong_avoid(CongestionView&, uint32_t acked);
uint32_t tcp_reno_ssthresh(CongestionView&);
uint32_t tcp_reno_undo_cwnd(CongestionView&);

// --- for the connection
const tcp_congestion_ops* tcp_ca_find(std::string_view name);  // null: not known
void tcp_assign_congestion_control(tcp_sock*);                 // the default
Result<void> tcp_set_congestion_control(tcp_sock*, std::string_view name);
void tcp_init_congestion_control(tcp_sock*);     // the connection is established
void tcp_cleanup_congestion_control(tcp_sock*);  // private state is given back
size_t tcp_get_cc_info(tcp_sock*, tcp_cc_info&);

uint32_t tcp_ca_ssthresh(tcp_sock*);
uint32_t tcp_ca_undo_cwnd(tcp_sock*);
void tcp_set_ca_state(tcp_sock*, CaState);
void tcp_ca_event(tcp_sock*, CaEvent);
void tcp_ca_in_ack_event(tcp_sock*, uint32_t ca_ack_flags);
void tcp_ca_pkts_acked(tcp_sock*, const ack_sample&);
void tcp_ca_cong_control(tcp_sock*, const rate_sample&);
uint32_t tcp_ca_sndbuf_expand(tcp_sock*);
uint32_t tcp_ca_min_tso_segs(tcp_sock*);
void tcp_cong_avoid(tcp_sock*, uint32_t acked);

}  // namespace glass
