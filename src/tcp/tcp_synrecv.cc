// SYN_RECV on a full connection: after a simultaneous open, for the instant between a half-open connection's last ACK
// and its establishment, and with Fast Open for as long as the handshake takes.
#include "tcp/tcp_cong.h"
#include "tcp/tcp_internal.h"
#include "tcp/tcp_minisocks.h"

namespace glass {

// The SYN-ACK of a Fast Open child is acknowledged; data may have gone out meanwhile.
void tcp_rcv_synrecv_state_fastopen(tcp_sock* tp) {
  tcp_try_undo_spurious_syn(tp);
  // Only the SYN-ACK was repeated, and needlessly: the window is as it was.
  if (tp->icsk_ca_state == CaState::Loss && !tp->packets_out) tcp_try_undo_recovery(tp);
  tp->icsk_retransmits = 0;
  if (tp->icsk_ca_state <= CaState::Disorder) tp->retrans_stamp = {};
  reqsk_fastopen_remove(tp, false);
  tcp_rearm_rto(tp);
}

// Our SYN is acknowledged, the connection stands.
void tcp_rcv_synrecv_state_process(tcp_sock* tp, const Skb& skb) {
  const TcpCb& cb = TCP_SKB_CB(skb);
  ++tp->delivered;  // the SYN-ACK, which tcp_ack() does not see
  if (!tp->srtt_us) tcp_synack_rtt_meas(tp, tp->ext->fastopen_rsk);
  if (tp->ext->fastopen_rsk) {
    if (tp->rx_opt.tstamp_ok) tp->advmss = static_cast<uint16_t>(tp->advmss - TCPOLEN_TSTAMP_ALIGNED);
    tcp_rcv_synrecv_state_fastopen(tp);
  } else {
    if (tp->rx_opt.tstamp_ok) tp->advmss = static_cast<uint16_t>(tp->advmss - TCPOLEN_TSTAMP_ALIGNED);
    tcp_try_undo_spurious_syn(tp);
    tp->retrans_stamp = {};
    tcp_init_transfer(tp);
    tp->copied_seq = tp->rcv_nxt;
  }
  tcp_set_state(tp, tcp_state::ESTABLISHED);
  sock_def_wakeup(tp);
  tp->snd_una = cb.ack_seq;
  tp->snd_wnd = uint32_t{ntohs(tcp_hdr(*skb).window)} << tp->rx_opt.snd_wscale;
  tp->snd_wl1 = cb.seq;
  if (!tp->icsk_ca_ops->cong_control) tcp_update_pacing_rate(tp);
  tp->lsndtime = now_of(tp);
  tcp_initialize_rcv_mss(tp);
  tcp_fast_path_on(tp);
  if (tp->sk_shutdown & SEND_SHUTDOWN) (void)tp->tcp().shutdown(tp, SEND_SHUTDOWN);  // asked for meanwhile
}

}  // namespace glass
