// recvmsg: bytes in order go to the application (RFC 9293 section 3.10.3).
#include <algorithm>

#include "net/sk_error_queue.h"
#include "tcp/tcp_internal.h"

namespace glass {

namespace {

using namespace tcp_state;

// One recvmsg call on its way through the queue.
struct Reader {
  tcp_sock* tp;
  MsgRecv& msg;
  bool peek;
  Seq seq;           // next byte for the reader; copied_seq unless it only peeks
  size_t size;       // of the message
  size_t copied;     // into it
  Instant tstamp{};  // arrival of the last packet read from

  size_t left() const { return size - copied; }
  void advance(uint32_t n) {
    seq += n;
    if (!peek) tp->copied_seq = seq;
  }
  bool at_mark() const { return tp->urg_data && tp->urg_seq == seq; }
};

// SO_PEEK_OFF: the next peek goes on behind this one, and reading moves the place along.
void peek_offset_forward(Reader& r, size_t n) {
  if (r.tp->sk_peek_off >= 0) r.tp->sk_peek_off += static_cast<int32_t>(n);
}
void peek_offset_backward(Reader& r, size_t n) {
  if (r.tp->sk_peek_off > 0) r.tp->sk_peek_off = std::max<int32_t>(r.tp->sk_peek_off - static_cast<int32_t>(n), 0);
}

// The packet with the reader's next byte, or the one whose FIN it has come to; null: everything is read.
sk_buff* find_next(const Reader& r) {
  for (sk_buff* s = r.tp->sk_receive_queue.front(); s; s = s->next) {
    const TcpCb& cb = TCP_SKB_CB(s);
    if (r.seq - cb.seq < s->len || (cb.tcp_flags & TCPHDR_FIN)) return s;
  }
  return nullptr;
}

// How many of `used` bytes may be taken before the urgent mark. The urgent byte itself is stepped over.
uint32_t up_to_mark(Reader& r, uint32_t& offset, uint32_t used) {
  const uint32_t distance = r.tp->urg_seq - r.seq;
  if (distance >= used) return used;
  if (distance) return distance;
  if (sock_flag(r.tp, SOCK_URGINLINE)) return used;
  r.advance(1);
  ++offset;
  return used - 1;
}

void copy_from(Reader& r, sk_buff* s, uint32_t offset, uint32_t used) {
  if (!(r.msg.msg_flags & MSG_TRUNC)) skb_copy_datagram_iter(*s, offset, used, r.msg, r.copied);
  r.advance(used);
  r.copied += used;
  if (r.peek)
    peek_offset_forward(r, used);
  else
    peek_offset_backward(r, used);
  tcp_rcv_space_adjust(r.tp);
}

void tcp_eat_recv_skb(tcp_sock* tp, sk_buff* s) { consume_skb(tp->sk_receive_queue.unlink(s)); }

// One packet's share. False: the end of the stream.
bool take_from(Reader& r, sk_buff* s) {
  tcp_sock* tp = r.tp;
  const bool fin = TCP_SKB_CB(s).tcp_flags & TCPHDR_FIN;
  uint32_t offset = r.seq - TCP_SKB_CB(s).seq;
  if (offset < s->len) {
    auto used = static_cast<uint32_t>(std::min<size_t>(s->len - offset, r.left()));
    if (tp->urg_data) used = up_to_mark(r, offset, used);
    if (used) copy_from(r, s, offset, used);
    if (tp->urg_data && after(tp->copied_seq, tp->urg_seq)) {
      tp->urg_data = 0;
      tcp_fast_path_check(tp);
    }
    r.tstamp = s->tstamp;
    if (offset + used < s->len) return true;
  }
  if (fin) r.advance(1);
  if (!r.peek) tcp_eat_recv_skb(tp, s);
  return !fin;
}

// What a read that finds nothing says.
Result<size_t> nothing_to_read(tcp_sock* tp) {
  if (sock_flag(tp, SOCK_DONE)) return size_t{0};
  if (tp->sk_err) return Err(sock_error(tp));
  if (tp->sk_shutdown & RCV_SHUTDOWN) return size_t{0};
  if (tp->skc_state == CLOSE) return Err(ENOTCONN);
  return Err(EAGAIN);
}

bool may_block(const MsgRecv& msg) { return msg.msg_waits && !(msg.msg_flags & MSG_DONTWAIT); }

// Nothing more will come of waiting.
bool at_the_end(const tcp_sock* tp) {
  return tp->sk_err || tp->skc_state == CLOSE || (tp->sk_shutdown & RCV_SHUTDOWN) || sock_flag(tp, SOCK_DONE);
}

// Copies what is there. False: it stopped for good, at the mark or at the end of the stream.
bool drain(Reader& r) {
  while (r.left()) {
    if (r.at_mark() && r.copied) return false;
    sk_buff* s = find_next(r);
    if (!s) return true;
    if (!take_from(r, s)) return false;
  }
  return false;
}

Result<size_t> tcp_recvmsg_locked(tcp_sock* tp, MsgRecv& msg) {
  PROBE(net_of(tp).trace);
  if (tp->skc_state == LISTEN) return Err(ENOTCONN);
  if (msg.msg_flags & MSG_OOB) return tcp_recv_urg(tp, msg);
  const bool peek = msg.msg_flags & MSG_PEEK;
  const size_t len = msg.size();
  Reader r{tp, msg, peek, tp->copied_seq, len, peek ? 0 : msg.copied};
  if (peek && tp->sk_peek_off > 0) r.seq += static_cast<uint32_t>(tp->sk_peek_off);
  const int32_t peek_off = tp->sk_peek_off;
  const bool could_go_on = drain(r);
  const size_t target = std::max<size_t>(
      msg.msg_flags & MSG_WAITALL ? len : std::min<size_t>(len, static_cast<size_t>(tp->sk_rcvlowat)), 1);
  tcp_cleanup_rbuf(tp, r.copied);
  if (could_go_on && r.copied < target && may_block(msg) && !at_the_end(tp)) {
    if (peek) tp->sk_peek_off = peek_off;
    msg.copied = peek ? 0 : r.copied;
    return Err(EAGAIN);
  }
  msg.copied = r.copied;
  if (r.copied && sock_flag(tp, SOCK_RCVTSTAMP)) [[unlikely]]
    sock_recv_timestamp(tp, msg, r.tstamp);
  if (r.copied || !could_go_on) return r.copied;
  return nothing_to_read(tp);
}

}  // namespace

Result<size_t> tcp_recvmsg(tcp_sock* tp, MsgRecv& msg) {
  PROBE(net_of(tp).trace);
  if (msg.msg_flags & MSG_ERRQUEUE) [[unlikely]]
    return sock_recv_errqueue(tp, msg);
  const Result<size_t> copied = tcp_recvmsg_locked(tp, msg);
  if (copied && tp->recvmsg_inq) put_cmsg_value(msg, SOL_TCP, TCP_CM_INQ, tcp_inq_hint(tp));
  return copied;
}

// Reading by splice() does not pass the urgent mark: it waits there until recv() has stepped over it.
Result<size_t> Tcp::splice_read(sock* sk, MsgRecv& msg) {
  const tcp_sock* tp = tcp_sk(sk);
  if (tp->urg_data && tp->urg_seq == tp->copied_seq && !tp->sk_receive_queue.empty()) return 0;
  return recvmsg(sk, msg);
}

}  // namespace glass
