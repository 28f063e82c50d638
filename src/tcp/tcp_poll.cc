// Readiness, and how much there is to read: poll(), SIOCINQ and its like, SO_RCVLOWAT.
#include <algorithm>

#include "net/sk_error_queue.h"
#include "tcp/tcp.h"
#include "tcp/tcp_internal.h"

namespace glass {

using namespace tcp_state;

// Enough to read, or so little room left that waiting for more would be in vain.
bool tcp_epollin_ready(const tcp_sock* tp, int64_t target) {
  const auto available = static_cast<int32_t>(tp->rcv_nxt - tp->copied_seq);
  if (available <= 0) return false;
  if (available >= target) return true;
  const int threshold = tp->sk_rcvbuf - (tp->sk_rcvbuf >> 3);
  return tcp_under_memory_pressure(tp) || tp->sk_rmem_alloc > threshold ||
         tcp_receive_window(tp) <= tp->icsk_ack.rcv_mss;
}

// Bytes up to the urgent mark, or all; the FIN is no byte to read.
int tcp_inq(const tcp_sock* tp) {
  if (in_state(tp, bit(SYN_SENT) | bit(SYN_RECV))) return 0;
  const bool no_mark_ahead = sock_flag(tp, SOCK_URGINLINE) || !tp->urg_data || before(tp->urg_seq, tp->copied_seq) ||
                             !before(tp->urg_seq, tp->rcv_nxt);
  if (!no_mark_ahead) return static_cast<int>(tp->urg_seq - tp->copied_seq);
  const uint32_t unread = tp->rcv_nxt - tp->copied_seq;
  return static_cast<int>(unread && sock_flag(tp, SOCK_DONE) ? unread - 1 : unread);
}

// TCP_CM_INQ: after the FIN it is never 0, so that the reader comes once more for the end of the stream.
int tcp_inq_hint(const tcp_sock* tp) {
  const auto inq = static_cast<int>(tp->rcv_nxt - tp->copied_seq);
  return inq == 0 && sock_flag(tp, SOCK_DONE) ? 1 : inq;
}

int tcp_set_rcvlowat(tcp_sock* tp, int value) {
  const bool fixed = tp->sk_userlocks & SOCK_RCVBUF_LOCK;
  const int64_t cap = (fixed ? tp->sk_rcvbuf : net_of(tp).sysctl.tcp_rmem[2]) >> 1;
  value = static_cast<int>(std::min<int64_t>(value < 0 ? INT32_MAX : value, cap));
  tp->sk_rcvlowat = value ? value : 1;
  tcp_data_ready(tp);
  if (fixed) return 0;
  const int64_t space = tcp_space_from_win(tp, value);
  if (space > tp->sk_rcvbuf) {
    tp->sk_rcvbuf = static_cast<int32_t>(space);
    tp->window_clamp = std::max(tp->window_clamp, static_cast<uint32_t>(value));
  }
  return 0;
}

namespace {

uint32_t poll_connected(const tcp_sock* tp) {
  uint32_t mask = 0;
  int64_t target = tp->sk_rcvlowat;
  // The mark stands at the front and its byte is not in the stream: it alone makes nothing readable.
  if (tp->urg_data && tp->urg_seq == tp->copied_seq && !sock_flag(tp, SOCK_URGINLINE)) ++target;
  if (tcp_epollin_ready(tp, target)) mask |= POLLIN | POLLRDNORM;
  if ((tp->sk_shutdown & SEND_SHUTDOWN) || sk_stream_is_writeable(tp))
    mask |= POLLOUT | POLLWRNORM;
  else
    const_cast<tcp_sock*>(tp)->sk_nospace = true;
  if (tp->urg_data & TCP_URG_VALID) mask |= POLLPRI;
  return mask;
}

}  // namespace

uint32_t Tcp::poll(const sock* sk) const {
  const tcp_sock* tp = tcp_sk(sk);
  if (tp->skc_state == LISTEN) return tp->ext->icsk_accept_queue->rskq_accept_head ? POLLIN | POLLRDNORM : 0;
  uint32_t mask = 0;
  if (tp->sk_shutdown == SHUTDOWN_MASK || tp->skc_state == CLOSE) mask |= POLLHUP;
  if (tp->sk_shutdown & RCV_SHUTDOWN) mask |= POLLIN | POLLRDNORM | POLLRDHUP;
  if (!in_state(tp, bit(SYN_SENT) | bit(SYN_RECV)) || tcp_passive_fastopen(tp)) mask |= poll_connected(tp);
  // connect() waits for the first write, which makes the SYN.
  if (tp->skc_state == SYN_SENT && tp->defer_connect) mask |= POLLOUT | POLLWRNORM;
  if (tp->sk_err || sk_has_errors(tp)) mask |= POLLERR;
  return mask;
}

Result<int> Tcp::ioctl(sock* sk, int request) {
  const tcp_sock* tp = tcp_sk(sk);
  const bool connecting = in_state(tp, bit(SYN_SENT) | bit(SYN_RECV));
  if (request == SIOCATMARK) return tp->urg_data && tp->urg_seq == tp->copied_seq ? 1 : 0;
  if (tp->skc_state == LISTEN) return Err(EINVAL);
  switch (request) {
    case SIOCINQ: return tcp_inq(tp);
    case SIOCOUTQ: return connecting ? 0 : static_cast<int>(tp->write_seq - tp->snd_una);
    case SIOCOUTQNSD: return connecting ? 0 : static_cast<int>(tp->write_seq - tp->snd_nxt);
    default: return Err(ENOTTY);
  }
}

}  // namespace glass
