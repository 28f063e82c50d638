// Duplicate ACKs held back: behind a hole every segment asks for an ACK with SACK blocks, and a burst of them says
// nothing more than the last. The first three go at once (the sender's fast retransmit counts them), the rest wait for
// a twentieth of the round trip at most (net.ipv4.tcp_comp_sack_nr, tcp_comp_sack_delay_ns). That round trip is the
// receiver's estimate: without one all that waits is the timer's slack (tcp_comp_sack_slack_ns), enough for a burst.
#include <algorithm>

#include "tcp/tcp_internal.h"

namespace glass {

namespace {

constexpr uint8_t TCP_FASTRETRANS_THRESH = 3;

Duration compression_delay(const tcp_sock* tp) {
  uint32_t rtt = tp->rcv_rtt_est.rtt_us;  // scaled by 8, as srtt is
  if (tp->srtt_us && tp->srtt_us < rtt) rtt = tp->srtt_us;
  const int64_t twentieth_ns = int64_t{rtt} * (1000 >> 3) / 20;
  const Sysctl& s = net_of(tp).sysctl;
  return std::chrono::nanoseconds(std::min<int64_t>(s.tcp_comp_sack_delay_ns, twentieth_ns) + s.tcp_comp_sack_slack_ns);
}

}  // namespace

bool tcp_compress_ack(tcp_sock* tp) {
  if (!tcp_is_sack(tp) || tp->compressed_ack >= net_of(tp).sysctl.tcp_comp_sack_nr) return false;
  if (tp->compressed_ack_rcv_nxt != tp->rcv_nxt) {  // another hole
    tp->compressed_ack_rcv_nxt = tp->rcv_nxt;
    tp->dup_ack_counter = 0;
  }
  if (tp->dup_ack_counter < TCP_FASTRETRANS_THRESH) {
    ++tp->dup_ack_counter;
    return false;
  }
  ++tp->compressed_ack;
  if (tcp_deadline(tp, TcpTimer::compressed_ack) == kNever)
    tcp_reset_timer(tp, TcpTimer::compressed_ack, now_of(tp) + compression_delay(tp));
  return true;
}

// One ACK goes out for all that were held back: it is no compressed one itself.
void tcp_sack_compress_send_ack(tcp_sock* tp) {
  if (!tp->compressed_ack) return;
  --tp->compressed_ack;
  tcp_compressed_acks_sent(tp);
  tcp_send_ack(tp);
}

void tcp_compressed_ack_kick(tcp_sock* tp) {
  PROBE(net_of(tp).trace);
  tcp_sack_compress_send_ack(tp);
}

void tcp_compressed_acks_sent(tcp_sock* tp) {
  if (tp->compressed_ack) count(tp, Mib::TcpExtTCPAckCompressed, tp->compressed_ack);
  tp->compressed_ack = 0;
  tcp_clear_timer(tp, TcpTimer::compressed_ack);
}

}  // namespace glass
