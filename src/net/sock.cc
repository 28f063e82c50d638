#include "net/sock.h"

#include <algorithm>
#include <cstring>

namespace glass {

namespace {
void wake(sock* sk, uint32_t events) {
  if (sk->sk_socket && sk->sk_socket->waiter) sk->sk_socket->waiter->sk_wake(*sk->sk_socket, events);
}

void sock_rfree(sk_buff* skb) { skb->sk->sk_rmem_alloc -= static_cast<int32_t>(skb->truesize); }
}  // namespace

std::string to_string(const SocketAddress& a) {
  const std::string text = to_string(a.address);
  return (a.address.is_v4() ? text : "[" + text + "]") + ":" + std::to_string(a.port);
}

size_t MsgSend::size() const {
  size_t n = 0;
  for (const auto& piece : msg_iov) n += piece.size();
  return n;
}

size_t MsgRecv::size() const {
  size_t n = 0;
  for (const auto& piece : msg_iov) n += piece.size();
  return n;
}

void put_cmsg(MsgRecv& msg, int level, int type, std::span<const uint8_t> data) {
  const size_t room = msg.msg_control.size() - msg.msg_controllen;
  if (room < sizeof(cmsghdr)) {
    msg.out_flags |= MSG_CTRUNC;
    return;
  }
  const size_t n = std::min(data.size(), room - CMSG_LEN(0));
  if (n < data.size()) msg.out_flags |= MSG_CTRUNC;
  cmsghdr header{};
  header.cmsg_len = CMSG_LEN(n);
  header.cmsg_level = level;
  header.cmsg_type = type;
  uint8_t* const at = msg.msg_control.data() + msg.msg_controllen;
  std::memcpy(at, &header, sizeof header);
  std::memcpy(at + CMSG_LEN(0), data.data(), n);
  msg.msg_controllen += std::min(CMSG_SPACE(n), room);
}

void sock_def_readable(sock* sk) {
  PROBE(sk->ns().trace);
  wake(sk, POLLIN | POLLRDNORM);
}

void sock_def_write_space(sock* sk) {
  PROBE(sk->ns().trace);
  wake(sk, POLLOUT | POLLWRNORM);
}

void sock_def_wakeup(sock* sk) {
  PROBE(sk->ns().trace);
  wake(sk, POLLIN | POLLOUT | POLLHUP);
}

void sk_error_report(sock* sk) {
  PROBE(sk->ns().trace);
  wake(sk, POLLERR | POLLIN | POLLOUT);
}

void skb_set_owner_r(const Skb& skb, sock* sk) {
  skb->sk = sk;
  skb->destructor = sock_rfree;
  sk->sk_rmem_alloc += static_cast<int32_t>(skb->truesize);
}

int sock_error(sock* sk) {
  const int error = sk->sk_err;
  sk->sk_err = 0;
  return error;
}

size_t msg_put(MsgRecv& msg, size_t done, std::span<const uint8_t> bytes) {
  size_t copied = 0;
  for (const auto& piece : msg.msg_iov) {
    if (done >= piece.size()) {
      done -= piece.size();
      continue;
    }
    const size_t take = std::min(bytes.size() - copied, piece.size() - done);
    std::copy_n(bytes.data() + copied, take, piece.data() + done);
    copied += take;
    done = 0;
    if (copied == bytes.size()) break;
  }
  return copied;
}

size_t skb_copy_datagram_iter(const sk_buff& skb, uint32_t offset, size_t n, MsgRecv& msg, size_t done) {
  PROBE(*skb.trace);
  size_t copied = 0;
  for (const auto& piece : msg.msg_iov) {
    if (done >= piece.size()) {
      done -= piece.size();
      continue;
    }
    const size_t take = std::min(n - copied, piece.size() - done);
    skb_copy_bits(skb, offset + static_cast<uint32_t>(copied), piece.data() + done, static_cast<uint32_t>(take));
    copied += take;
    done = 0;
    if (copied == n) break;
  }
  return copied;
}

}  // namespace glass
