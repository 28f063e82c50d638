// Packetization-layer path MTU discovery (RFC 4821): a larger segment is tried on live data, between what surely passes
// and what the interface could send. tcp_mtu_probing 2: always; 1: once ICMP seems to be swallowed (a black hole).
//
// The state exists only where it is used.
#pragma once
#include <cstdint>

#include "tcp/tcp_sock.h"

namespace glass {

struct tcp_mtup {
  bool enabled = false;
  uint32_t search_high = 0, search_low = 0;  // IP packet sizes
  uint32_t probe_size = 0;                   // of the probe under way; 0: none
  Seq probe_seq_start, probe_seq_end;
  Instant probe_timestamp{};  // when the present range began
};

enum class TcpMtuProbe : uint8_t { none, wait, sent };

void tcp_mtup_init(tcp_sock*);  // the connection is established
TcpMtuProbe tcp_mtu_probe(tcp_sock*);
void tcp_mtup_black_hole(tcp_sock*);  // retransmissions do not get through (Linux: tcp_mtu_probing())
void tcp_mtup_probe_success(tcp_sock*);
void tcp_mtup_probe_failed(tcp_sock*);

inline bool tcp_mtup_under_way(const tcp_sock* tp) { return tp->ext->icsk_mtup && tp->ext->icsk_mtup->probe_size; }
// An ACK: has the probe arrived?
inline void tcp_mtup_acked(tcp_sock* tp) {
  if (tcp_mtup_under_way(tp) && !after(tp->ext->icsk_mtup->probe_seq_end, tp->snd_una)) tcp_mtup_probe_success(tp);
}
// The probe, or what went with it, is sent again: nothing can be learnt from it.
inline void tcp_mtup_inconclusive(tcp_sock* tp) {
  if (tp->ext->icsk_mtup) tp->ext->icsk_mtup->probe_size = 0;
}

}  // namespace glass
