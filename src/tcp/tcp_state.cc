// Segments in every state but ESTABLISHED, SYN_SENT and the small entries (RFC 9293 section 3.10.7.2 and 3.10.7.4).
#include "tcp/tcp_cong.h"
#include "tcp/tcp_internal.h"
#include "tcp/tcp_minisocks.h"

namespace glass {

namespace {

using namespace tcp_state;

void rcv_listen(tcp_sock* tp, Skb skb) {
  const tcphdr& th = tcp_hdr(*skb);
  if (th.rst()) return kfree_skb_reason(std::move(skb), th.ack() ? DROP(TCP_FLAGS) : DROP(TCP_RESET));
  if (th.ack()) {
    tcp_v4_send_reset(tp->tcp(), skb, tp);
    return kfree_skb_reason(std::move(skb), DROP(TCP_FLAGS));
  }
  if (!th.syn() || th.fin()) return kfree_skb_reason(std::move(skb), DROP(TCP_FLAGS));
  tcp_v4_conn_request(tp, std::move(skb));
}

// Our FIN is acknowledged: FIN_WAIT2. An orphan does not wait for ever. A verdict means: nobody is left to take the
// segment's data.
Verdict fin_wait1_acked(tcp_sock* tp, const Skb& skb) {
  if (tp->ext->fastopen_rsk) tcp_rcv_synrecv_state_fastopen(tp);
  if (tp->snd_una != tp->write_seq) return nullptr;
  tcp_set_state(tp, FIN_WAIT2);
  tp->sk_shutdown |= SEND_SHUTDOWN;
  if (!sock_flag(tp, SOCK_DEAD)) {
    sock_def_wakeup(tp);
    return nullptr;
  }
  const TcpCb& cb = TCP_SKB_CB(skb);
  const bool fin = cb.tcp_flags & TCPHDR_FIN;
  const bool new_data = cb.end_seq != cb.seq && after(cb.end_seq - (fin ? 1 : 0), tp->rcv_nxt);
  if (tp->set->linger2 < 0 || new_data) {
    count(tp, Mib::TcpExtTCPAbortOnData);
    tcp_done(tp);
    tcp_v4_send_reset(tp->tcp(), skb, tp);
    return DROP(TCP_ABORT_ON_DATA);
  }
  const Duration timeout = tcp_fin_time(tp);
  if (timeout > TCP_TIMEWAIT_LEN)
    tcp_reset_timer(tp, TcpTimer::keepalive, now_of(tp) + timeout - TCP_TIMEWAIT_LEN);
  else if (fin)
    tcp_reset_timer(tp, TcpTimer::keepalive, now_of(tp) + timeout);  // the FIN is handled below and leads on
  else
    tcp_time_wait(tp, FIN_WAIT2, timeout);
  return nullptr;
}

// What the ACK means for the state. Returns a verdict when the segment has nothing more to say or may not go on.
Verdict ack_changes_state(tcp_sock* tp, const Skb& skb) {
  switch (tp->skc_state) {
    case SYN_RECV: tcp_rcv_synrecv_state_process(tp, skb); break;
    case FIN_WAIT1: return fin_wait1_acked(tp, skb);
    case CLOSING:
      if (tp->snd_una == tp->write_seq) tcp_time_wait(tp, TIME_WAIT, TCP_TIMEWAIT_LEN);
      break;
    case LAST_ACK:
      if (tp->snd_una != tp->write_seq) break;
      tcp_update_metrics(tp);
      tcp_done(tp);
      break;
    default: break;
  }
  return nullptr;
}

// RFC 1122 section 4.2.2.13: data after the application closed means that data would be lost, so the connection is
// reset.
bool data_after_close(const tcp_sock* tp, const Skb& skb) {
  if (!(tp->sk_shutdown & RCV_SHUTDOWN) || tp->skc_state == ESTABLISHED) return false;
  const TcpCb& cb = TCP_SKB_CB(skb);
  return cb.end_seq != cb.seq && after(cb.end_seq - (cb.tcp_flags & TCPHDR_FIN ? 1 : 0), tp->rcv_nxt);
}

void process_data(tcp_sock* tp, Skb skb) {
  const TcpCb cb = TCP_SKB_CB(skb);
  tcp_urg(tp, skb);
  if (in_state(tp, bit(CLOSE_WAIT) | bit(CLOSING) | bit(LAST_ACK)) && !before(cb.seq, tp->rcv_nxt)) {
    tcp_data_snd_check(tp);
    tcp_ack_snd_check(tp);
    return kfree_skb_reason(std::move(skb), DROP(TCP_AFTER_FIN));  // its ACK was all it could say
  }
  if (data_after_close(tp, skb)) {
    count(tp, Mib::TcpExtTCPAbortOnData);
    tcp_reset(tp);
    tcp_v4_send_reset(tp->tcp(), skb, tp);
    return kfree_skb_reason(std::move(skb), DROP(TCP_ABORT_ON_DATA));
  }
  tcp_data_queue(tp, std::move(skb));
  if (tp->skc_state == CLOSE) return;  // TIME_WAIT has it
  tcp_data_snd_check(tp);
  tcp_ack_snd_check(tp);
}

// The ACK could not be taken while the handshake is not complete: RFC 9293 3.10.7.4, fifth.
void refuse_ack(tcp_sock* tp, Skb skb, Verdict why) {
  if (tp->skc_state == SYN_RECV)
    tcp_v4_send_reset(tp->tcp(), skb, tp);
  else if (why->reason == DropReason::TCP_ACK_UNSENT_DATA)
    tcp_send_challenge_ack(tp);
  kfree_skb_reason(std::move(skb), why);
}

}  // namespace

void tcp_rcv_state_process(tcp_sock* tp, Skb skb) {
  PROBE(net_of(tp).trace, skb);
  tcp_segs_in(tp, *skb);
  const tcphdr& th = tcp_hdr(*skb);
  switch (tp->skc_state) {
    case CLOSE: return kfree_skb_reason(std::move(skb), DROP(TCP_CLOSE));
    case LISTEN: return rcv_listen(tp, std::move(skb));
    case SYN_SENT: return tcp_rcv_synsent_state_process(tp, std::move(skb));
    default: break;
  }
  if (tp->ext->fastopen_rsk) {
    const ReqVerdict v = tcp_check_req(tp->tcp(), tp, tp->ext->fastopen_rsk, skb, true);
    if (v.fate == ReqFate::drop) return kfree_skb_reason(std::move(skb), v.why);
  }
  if (!th.ack() && !th.rst() && !th.syn()) return kfree_skb_reason(std::move(skb), DROP(TCP_FLAGS));
  if (!tcp_validate_incoming(tp, skb, false)) return;  // ended there
  const bool old_ack = before(TCP_SKB_CB(skb).ack_seq, tp->snd_una);
  const uint32_t flags =
      FLAG_SLOWPATH | FLAG_UPDATE_TS_RECENT | (tp->skc_state == SYN_RECV ? FLAG_NO_CHALLENGE_ACK : 0u);
  if (Verdict why = tcp_ack(tp, skb, flags)) return refuse_ack(tp, std::move(skb), why);
  if (old_ack && tp->skc_state == SYN_RECV) return refuse_ack(tp, std::move(skb), DROP(TCP_OLD_ACK));
  if (Verdict why = ack_changes_state(tp, skb)) return kfree_skb_reason(std::move(skb), why);
  if (tp->skc_state == CLOSE) return consume_skb(std::move(skb));  // TIME_WAIT or gone: its ACK was all it had to say
  process_data(tp, std::move(skb));
}

// The peer's FIN has come in order (RFC 9293 section 3.10.7.4, eighth).
void tcp_fin(tcp_sock* tp) {
  PROBE(net_of(tp).trace);
  inet_csk_schedule_ack(tp);
  tp->sk_shutdown |= RCV_SHUTDOWN;
  tp->sk_flags |= SOCK_DONE;
  switch (tp->skc_state) {
    case SYN_RECV:
    case ESTABLISHED:
      tcp_set_state(tp, CLOSE_WAIT);
      inet_csk_enter_pingpong_mode(tp);
      break;
    case CLOSE_WAIT:
    case CLOSING:
    case LAST_ACK: break;
    case FIN_WAIT1:  // both sides close at once
      tcp_send_ack(tp);
      tcp_set_state(tp, CLOSING);
      break;
    case FIN_WAIT2:
      tcp_send_ack(tp);
      tcp_time_wait(tp, TIME_WAIT, TCP_TIMEWAIT_LEN);
      break;
    default: break;
  }
  tcp_ofo_purge(tp, DROP(TCP_BEYOND_FIN));
  if (!sock_flag(tp, SOCK_DEAD)) sock_def_wakeup(tp);
}

void tcp_reset(tcp_sock* tp) {
  PROBE(net_of(tp).trace);
  switch (tp->skc_state) {
    case SYN_SENT: tp->sk_err = ECONNREFUSED; break;
    case CLOSE_WAIT: tp->sk_err = EPIPE; break;
    case CLOSE: return;
    default: tp->sk_err = ECONNRESET;
  }
  tcp_write_queue_purge(tp);
  tcp_done(tp);
  if (!sock_flag(tp, SOCK_DEAD)) sk_error_report(tp);
}

void tcp_error(tcp_sock* tp, int error) {
  tp->sk_err = static_cast<uint16_t>(error);
  tcp_write_queue_purge(tp);
  tcp_done(tp);
  if (!sock_flag(tp, SOCK_DEAD)) sk_error_report(tp);
}

}  // namespace glass
