// recvmsg: bytes in order go to the application (RFC 9293 section 3.10.3).
#include <algorithm>

#include "net/sk_error_queue.h"
#include "tcp/tcp_internal.h"

namespace glass {

namespace {

using namespace tcp_state;

// What a read that finds nothing says.
Result<size_t> nothing_to_read(tcp_sock* tp) {
  if (sock_flag(tp, SOCK_DONE)) return size_t{0};
  if (tp->sk_err) return Err(sock_error(tp));
  if (tp->sk_shutdown & RCV_SHUTDOWN) return size_t{0};
  if (tp->skc_state == CLOSE) return Err(ENOTCONN);
  return Err(EAGAIN);
}

void tcp_eat_recv_skb(tcp_sock* tp, sk_buff* s) { consume_skb(tp->sk_receive_queue.unlink(s)); }

// The packets of the queue, from `seq` on. Stops at a FIN.
size_t copy_queue(tcp_sock* tp, MsgRecv& msg, Seq& seq, bool peek, bool discard) {
  const size_t len = msg.size();
  size_t copied = 0;
  sk_buff* s = tp->sk_receive_queue.front();
  while (s && copied < len) {
    sk_buff* next = s->next;
    const TcpCb cb = TCP_SKB_CB(s);
    const uint32_t offset = seq - cb.seq;
    const size_t used = offset < s->len ? std::min<size_t>(s->len - offset, len - copied) : 0;
    if (used && !discard) skb_copy_datagram_iter(*s, offset, used, msg, copied);
    copied += used;
    seq += static_cast<uint32_t>(used);
    if (!peek) tp->copied_seq = seq;
    const bool whole = offset + used >= s->len;
    const bool fin = cb.tcp_flags & TCPHDR_FIN;
    if (!whole) break;
    if (fin) {
      ++seq.v;
      if (!peek) tp->copied_seq = seq;
    }
    if (!peek) tcp_eat_recv_skb(tp, s);
    if (fin) break;
    s = next;
  }
  return copied;
}

Result<size_t> tcp_recvmsg_locked(tcp_sock* tp, MsgRecv& msg) {
  PROBE(net_of(tp).trace);
  if (tp->skc_state == LISTEN) return Err(ENOTCONN);
  const bool peek = msg.msg_flags & MSG_PEEK;
  const size_t len = msg.size();
  if ((msg.msg_flags & MSG_WAITALL) && !peek && tp->rcv_nxt - tp->copied_seq < len &&
      !(tp->sk_shutdown & RCV_SHUTDOWN) && !tp->sk_err && tp->skc_state != CLOSE)
    return Err(EAGAIN);
  Seq seq = tp->copied_seq;
  const size_t copied = len ? copy_queue(tp, msg, seq, peek, msg.msg_flags & MSG_TRUNC) : 0;
  if (!copied) return len ? nothing_to_read(tp) : Result<size_t>(0);
  if (!peek) {
    tcp_rcv_space_adjust(tp);
    if (!tp->pred_flags) tcp_fast_path_check(tp);
    tcp_cleanup_rbuf(tp, copied);
  }
  return copied;
}

}  // namespace

Result<size_t> tcp_recvmsg(tcp_sock* tp, MsgRecv& msg) {
  PROBE(net_of(tp).trace);
  if (msg.msg_flags & MSG_ERRQUEUE) [[unlikely]]
    return sock_recv_errqueue(tp, msg);
  return tcp_recvmsg_locked(tp, msg);
}

}  // namespace glass
