// The end of a connection (RFC 9293 section 3.10.4 and 3.6): shutdown, close, abort, and what becomes of the sock.
#include "net/sock_opt.h"
#include "tcp/tcp_cong.h"
#include "tcp/tcp_hashtables.h"
#include "tcp/tcp_internal.h"
#include "tcp/tcp_zerocopy.h"

namespace glass {

using namespace tcp_state;

void tcp_set_state(tcp_sock* tp, uint8_t state) {
  const uint8_t old = tp->skc_state;
  Trace& trace = net_of(tp).trace;
  if (state == ESTABLISHED && old != ESTABLISHED) trace.set(Mib::TcpCurrEstab, trace.value(Mib::TcpCurrEstab) + 1);
  if (state == CLOSE && (old == CLOSE_WAIT || old == ESTABLISHED)) trace.count(Mib::TcpEstabResets);
  const bool was_up = old == ESTABLISHED || old == CLOSE_WAIT, is_up = state == ESTABLISHED || state == CLOSE_WAIT;
  if (was_up && !is_up) trace.set(Mib::TcpCurrEstab, trace.value(Mib::TcpCurrEstab) - 1);
  if (state == CLOSE) {
    tp->tcp().hashinfo().remove(tp);
    if (tcp_has_port(tp) && !(tp->sk_userlocks & SOCK_BINDPORT_LOCK)) {  // the next attempt gets another one
      tp->tcp().hashinfo().unbind(tp);
      tp->sk_userlocks |= SOCK_PORT_RELEASED;
    }
  }
  tp->skc_state = state;
}

void tcp_write_queue_purge(tcp_sock* tp) {
  tcp_chrono_stop(tp, TcpChrono::busy);
  tcp_rtx_queue_purge(tp);
  tp->sk_write_queue.purge(nullptr);
  tcp_zerocopy_purge(tp);
  sk_wmem_queued_add(tp, -tp->sk_wmem_queued);
  tp->packets_out = 0;
  tp->icsk_backoff = 0;
}

void tcp_done(tcp_sock* tp) {
  PROBE(net_of(tp).trace);
  if (tp->skc_state == SYN_SENT || tp->skc_state == SYN_RECV) count(tp, Mib::TcpAttemptFails);
  tcp_set_state(tp, CLOSE);
  tcp_clear_timers(tp);
  reqsk_fastopen_remove(tp, false);
  tp->sk_shutdown = SHUTDOWN_MASK;
  tcp_dst_release(tp);
  if (!sock_flag(tp, SOCK_DEAD)) sock_def_wakeup(tp);
}

namespace {

// Data the application never read: the peer must not believe that it was (RFC 2525 section 2.17). True: there was some.
bool discard_unread(tcp_sock* tp) {
  bool unread = false;
  while (Skb skb = tp->sk_receive_queue.pop_front()) {
    const TcpCb& cb = TCP_SKB_CB(skb);
    const Seq end = cb.tcp_flags & TCPHDR_FIN ? cb.end_seq - 1 : cb.end_seq;
    if (after(end, tp->copied_seq)) unread = true;
    if (unread)
      kfree_skb_reason(std::move(skb), DROP(SOCKET_CLOSE));
    else
      consume_skb(std::move(skb));
  }
  return unread;
}

}  // namespace

void tcp_destroy(tcp_sock* tp) {
  Tcp& tcp = tp->tcp();
  tcp_clear_timers(tp);
  reqsk_fastopen_remove(tp, false);
  tcp.hashinfo().remove(tp);
  tcp.hashinfo().unbind(tp);
  tcp_write_queue_purge(tp);
  tcp_fastopen_active_disable_ofo_check(tp);
  tcp_ofo_purge(tp, DROP(SOCKET_CLOSE));
  (void)discard_unread(tp);
  tcp_dst_release(tp);
  tcp_cleanup_congestion_control(tp);
  if (sock_flag(tp, SOCK_DEAD)) --tcp.orphans;
  --tcp.sockets_allocated;
  tcp.tsq_forget(tp);
  tp->sk_gone = true;
  if (!tp->sk_wmem_alloc) tcp_free(tp);  // else tcp_wfree() does it
}

void tcp_free(tcp_sock* tp) {
  Tcp& tcp = tp->tcp();
  tp->~tcp_sock();
  tcp.sock_slab().free(tp);
}

void tcp_release_orphan(tcp_sock* tp) {
  if (tp->skc_state == CLOSE && sock_flag(tp, SOCK_DEAD)) tcp_destroy(tp);
}

namespace {

// Which state a close leads to, and whether a FIN goes with it.
bool close_state(tcp_sock* tp) {
  switch (tp->skc_state) {
    case ESTABLISHED:
    case SYN_RECV: return tcp_set_state(tp, FIN_WAIT1), true;
    case CLOSE_WAIT: return tcp_set_state(tp, LAST_ACK), true;
    case SYN_SENT: return tcp_set_state(tp, CLOSE), false;
    default: return false;
  }
}

void close_connection(tcp_sock* tp) {
  const bool unread = discard_unread(tp);
  if (tp->skc_state == CLOSE) return;
  if (unread) {
    count(tp, Mib::TcpExtTCPAbortOnClose);
    tcp_send_active_reset(tp);
    tcp_write_queue_purge(tp);
    return tcp_done(tp);
  }
  if (tp->sk_linger && !tp->sk_lingertime) {
    count(tp, Mib::TcpExtTCPAbortOnData);
    (void)tcp_disconnect(tp);
    return;
  }
  if (tp->skc_state == SYN_SENT) {
    tcp_write_queue_purge(tp);
    return tcp_done(tp);
  }
  if (close_state(tp)) tcp_send_fin(tp);
}

// FIN_WAIT2 without anybody to read may not last for ever.
void limit_fin_wait2(tcp_sock* tp) {
  if (tp->skc_state != FIN_WAIT2) return;
  if (tp->set->linger2 < 0) {
    tcp_send_active_reset(tp);
    count(tp, Mib::TcpExtTCPAbortOnLinger);
    return tcp_done(tp);
  }
  const Duration timeout = tcp_fin_time(tp);
  if (timeout > TCP_TIMEWAIT_LEN)
    tcp_reset_timer(tp, TcpTimer::keepalive, now_of(tp) + timeout - TCP_TIMEWAIT_LEN);
  else
    tcp_time_wait(tp, FIN_WAIT2, timeout);
}

}  // namespace

namespace {

// RFC 9293 section 3.10.5: states in which an abort tells the peer.
bool tcp_need_reset(const tcp_sock* tp) {
  return in_state(tp, bit(ESTABLISHED) | bit(CLOSE_WAIT) | bit(FIN_WAIT1) | bit(FIN_WAIT2) | bit(SYN_RECV));
}

}  // namespace

Result<void> tcp_disconnect(tcp_sock* tp) {
  const uint8_t old = tp->skc_state;
  if (old == LISTEN) {
    tcp_listen_stop(tp);
  } else if (tcp_need_reset(tp) || (tp->snd_nxt != tp->write_seq && in_state(tp, bit(CLOSING) | bit(LAST_ACK)))) {
    tcp_send_active_reset(tp);
    tp->sk_err = ECONNRESET;
  } else if (old == SYN_SENT) {
    tp->sk_err = ECONNRESET;
  }
  tcp_write_queue_purge(tp);
  tcp_ofo_purge(tp, DROP(SOCKET_CLOSE));
  tp->sk_receive_queue.purge(DROP(SOCKET_CLOSE));
  if (tcp_ext* ext = tp->ext.own()) {
    ext->fastopen_req.reset();
    ext->saved_syn.reset();
  }
  tp->defer_connect = false;
  tp->fastopen_client_fail = TFO_STATUS_UNSPEC;
  tp->copied_seq = tp->rcv_nxt;
  tp->urg_data = 0;
  tp->sk_peek_off = -1;
  tcp_done(tp);
  return {};
}

// What a later connect() must find as a fresh socket has it; options stay, and the error for the next call. New data
// would have stood beyond all the peer ever allowed.
Result<void> Tcp::disconnect(sock* sk) {
  tcp_sock* tp = tcp_sk(sk);
  (void)tcp_disconnect(tp);
  if (tp->sk_socket) tp->sk_socket->state = SocketState::unconnected;
  tp->write_seq = tp->write_seq + tp->max_window + 2;
  tp->skc_daddr = {};
  tp->skc_dport = 0;
  tp->sk_shutdown = 0;
  tp->sk_flags &= static_cast<uint8_t>(~SOCK_DONE);
  if (!(tp->sk_userlocks & SOCK_BINDADDR_LOCK)) tp->skc_rcv_saddr = IpAddress::v4(0);
  tcp_reset_connection_state(tp);
  if (tp->sk_err) sk_error_report(tp);
  return {};
}

// A socket's connection is ended from outside, as `ss -K` does: the peer gets a reset, the application `error`.
void Tcp::abort(sock* sk, int error) {
  PROBE(net_.trace);
  tcp_sock* tp = tcp_sk(sk);
  if (tp->skc_state == LISTEN) {
    tcp_listen_stop(tp);
    tcp_set_state(tp, CLOSE);
  }
  if (tcp_need_reset(tp)) tcp_send_active_reset(tp);
  tcp_error(tp, error);
  tcp_release_orphan(tp);
}

Result<void> Tcp::shutdown(sock* sk, uint8_t how) {
  PROBE(net_.trace);
  tcp_sock* tp = tcp_sk(sk);
  Result<void> result{};
  if (tp->sk_socket && tp->sk_socket->state == SocketState::connecting) {  // connect() has not said that it is done
    const bool done = !in_state(tp, bit(SYN_SENT) | bit(SYN_RECV) | bit(CLOSE));
    tp->sk_socket->state = done ? SocketState::connected : SocketState::disconnecting;
  }
  if (tp->skc_state == CLOSE) result = Err(ENOTCONN);
  if (tp->skc_state == SYN_SENT || (tp->skc_state == LISTEN && (how & RCV_SHUTDOWN))) {
    (void)disconnect(sk);
  } else if (tp->skc_state != LISTEN) {
    tp->sk_shutdown |= how;
    // In SYN_RECV the FIN follows when the handshake is done.
    if ((how & SEND_SHUTDOWN) && in_state(tp, bit(ESTABLISHED) | bit(CLOSE_WAIT)) && close_state(tp)) tcp_send_fin(tp);
  }
  sock_def_wakeup(tp);
  return result;
}

// Orphans hold memory nobody asks for: beyond net.ipv4.tcp_max_orphans, or when TCP's memory runs out, they end. With
// `shift` a connection counts for more (the longer it has not been answered).
bool tcp_too_many_orphans(const tcp_sock* tp, unsigned shift) {
  const Sysctl& s = net_of(tp).sysctl;
  if (int64_t{tp->tcp().orphans} << shift > s.tcp_max_orphans) return true;
  return tp->sk_wmem_queued > SOCK_MIN_SNDBUF && tp->tcp().memory_allocated > s.tcp_mem[2];
}

void Tcp::close(sock* sk) {
  PROBE(net_.trace);
  tcp_sock* tp = tcp_sk(sk);
  tp->sk_shutdown = SHUTDOWN_MASK;
  if (tp->skc_state == LISTEN) {
    tcp_listen_stop(tp);
    tcp_set_state(tp, CLOSE);
  } else {
    close_connection(tp);
  }
  hashinfo().unbind(tp);
  tp->sk_flags |= SOCK_DEAD;
  ++orphans;
  limit_fin_wait2(tp);
  if (tp->skc_state != CLOSE && tcp_too_many_orphans(tp, 0)) {
    count(tp, Mib::TcpExtTCPAbortOnMemory);
    tcp_send_active_reset(tp);
    tcp_write_queue_purge(tp);
    tcp_done(tp);
  }
  tcp_release_orphan(tp);
}

}  // namespace glass
