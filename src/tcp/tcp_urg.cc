// Urgent data (RFC 9293 section 3.8.5, RFC 6093): one byte stands out of the stream, and reading stops before it.
//
// The urgent pointer names the byte by BSD's count, one past it, unless net.ipv4.tcp_stdurg says the RFC's. The byte is
// read with MSG_OOB, or left in the stream with SO_OOBINLINE.
#include "tcp/tcp_internal.h"

namespace glass {

namespace {

// The last byte read was the old urgent one, which was left in the stream as a hole: step over it before the mark
// moves.
void skip_old_mark(tcp_sock* tp) {
  if (tp->urg_seq != tp->copied_seq || !tp->urg_data || sock_flag(tp, SOCK_URGINLINE) || tp->copied_seq == tp->rcv_nxt)
    return;
  ++tp->copied_seq.v;
  sk_buff* head = tp->sk_receive_queue.front();
  if (head && !before(tp->copied_seq, TCP_SKB_CB(head).end_seq)) consume_skb(tp->sk_receive_queue.unlink(head));
}

void tcp_check_urg(tcp_sock* tp, const tcphdr& th) {
  uint32_t offset = ntohs(th.urg_ptr);
  if (offset && !net_of(tp).sysctl.tcp_stdurg) --offset;
  const Seq mark = th.seq_nr() + offset;
  if (after(tp->copied_seq, mark) || before(mark, tp->rcv_nxt)) return;  // read, or received, before
  if (tp->urg_data && !after(mark, tp->urg_seq)) return;                 // a newer one is known
  skip_old_mark(tp);
  tp->urg_data = TCP_URG_NOTYET;
  tp->urg_seq = mark;
  tp->pred_flags = 0;
}

}  // namespace

void tcp_urg(tcp_sock* tp, const Skb& skb) {
  const tcphdr& th = tcp_hdr(*skb);
  if (th.flags & TCPHDR_URG) [[unlikely]]
    tcp_check_urg(tp, th);
  if (tp->urg_data != TCP_URG_NOTYET) [[likely]]
    return;
  const uint32_t offset = tp->urg_seq - th.seq_nr() + static_cast<uint32_t>(th.doff()) - th.syn();
  if (offset >= skb->len) return;
  uint8_t byte;
  skb_copy_bits(*skb, offset, &byte, 1);
  tp->urg_data = TCP_URG_VALID | byte;
  if (!sock_flag(tp, SOCK_DEAD)) sock_def_readable(tp);
}

Result<size_t> tcp_recv_urg(tcp_sock* tp, MsgRecv& msg) {
  if (sock_flag(tp, SOCK_URGINLINE) || !tp->urg_data || tp->urg_data == TCP_URG_READ) return Err(EINVAL);
  if (tp->skc_state == tcp_state::CLOSE && !sock_flag(tp, SOCK_DONE)) return Err(ENOTCONN);
  if (tp->urg_data & TCP_URG_VALID) {
    const auto byte = static_cast<uint8_t>(tp->urg_data);
    if (!(msg.msg_flags & MSG_PEEK)) tp->urg_data = TCP_URG_READ;
    msg.out_flags |= MSG_OOB;
    if (!msg.size()) {
      msg.out_flags |= MSG_TRUNC;
      return size_t{0};
    }
    if (!(msg.msg_flags & MSG_TRUNC)) msg_put(msg, 0, {&byte, 1});
    return size_t{1};
  }
  if (tp->skc_state == tcp_state::CLOSE || (tp->sk_shutdown & RCV_SHUTDOWN)) return size_t{0};
  return Err(EAGAIN);
}

}  // namespace glass
