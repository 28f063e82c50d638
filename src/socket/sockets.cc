#include "socket/sockets.h"

#include <algorithm>
#include <cstring>

namespace glass {

Sockets::Sockets(net& n) : net_(n), slab_(sizeof(socket), 8, 64) {}

Sockets::~Sockets() {
  for (int fd : open_fds()) (void)sys_close(fd);
}

void Sockets::inet_register_protosw(int type, uint8_t protocol, proto& p) { protosw_.push_back({type, protocol, &p}); }

Result<socket*> Sockets::sockfd_lookup(int fd) const {
  if (fd < 0 || static_cast<size_t>(fd) >= fds_.size() || !fds_[static_cast<size_t>(fd)]) return Err(EBADF);
  return fds_[static_cast<size_t>(fd)];
}

int Sockets::sock_map_fd(sock* sk, int16_t type) {
  auto* s = new (slab_.alloc()) socket;
  s->sk = sk;
  s->type = type;
  sk->sk_socket = s;
  if (free_fds_.empty()) {
    s->fd = static_cast<int>(fds_.size());
    fds_.push_back(s);
  } else {
    std::pop_heap(free_fds_.begin(), free_fds_.end(), std::greater<>());
    s->fd = free_fds_.back();
    free_fds_.pop_back();
    fds_[static_cast<size_t>(s->fd)] = s;
  }
  return s->fd;
}

Result<int> Sockets::sys_socket(int family, int type, int protocol) {
  ContextScope context(net_.trace, Context::syscall);
  if (family != AF_INET && family != AF_INET6) return Err(EAFNOSUPPORT);
  const int kind = type & 0xf;  // without SOCK_NONBLOCK and SOCK_CLOEXEC
  for (const Protosw& p : protosw_) {
    if (p.type != kind || (protocol && protocol != p.protocol)) continue;
    Result<sock*> sk = p.prot->create(static_cast<uint8_t>(family));
    if (!sk) return Err(sk.error());
    return sock_map_fd(*sk, static_cast<int16_t>(kind));
  }
  return Err(EPROTONOSUPPORT);
}

Result<void> Sockets::sys_bind(int fd, const SocketAddress& local) {
  ContextScope context(net_.trace, Context::syscall);
  Result<socket*> s = sockfd_lookup(fd);
  return s ? (*s)->sk->sk_prot->bind((*s)->sk, local) : Err(s.error());
}

Result<void> Sockets::sys_listen(int fd, int backlog) {
  ContextScope context(net_.trace, Context::syscall);
  Result<socket*> s = sockfd_lookup(fd);
  if (!s) return Err(s.error());
  const int64_t limit = net_.sysctl.somaxconn;
  const int64_t asked = backlog < 0 ? limit : std::min<int64_t>(backlog, limit);
  return (*s)->sk->sk_prot->listen((*s)->sk, static_cast<int>(asked));
}

Result<int> Sockets::sys_accept(int fd, SocketAddress* peer) {
  ContextScope context(net_.trace, Context::syscall);
  Result<socket*> s = sockfd_lookup(fd);
  if (!s) return Err(s.error());
  Result<sock*> child = (*s)->sk->sk_prot->accept((*s)->sk);
  if (!child) return Err(child.error());
  if (peer) *peer = {(*child)->skc_daddr, (*child)->skc_dport};
  const int child_fd = sock_map_fd(*child, (*s)->type);
  (*child)->sk_socket->state = SocketState::connected;
  return child_fd;
}

Result<void> Sockets::sys_connect(int fd, const SocketAddress& remote) {
  ContextScope context(net_.trace, Context::syscall);
  Result<socket*> s = sockfd_lookup(fd);
  return s ? (*s)->sk->sk_prot->connect((*s)->sk, remote) : Err(s.error());
}

Result<size_t> Sockets::sys_sendto(int fd, std::span<const uint8_t> data, int flags, const SocketAddress* to) {
  return sys_sendmsg(fd, {{&data, 1}, flags, to});
}

namespace {
// Kept as functions of their own, under Linux's names, for the printed path.
Result<size_t> inet_sendmsg(net& n, sock* sk, const MsgSend& msg) {
  PROBE(n.trace);
  return sk->sk_prot->sendmsg(sk, msg);
}
Result<size_t> __sys_sendto(net& n, sock* sk, const MsgSend& msg) {
  PROBE(n.trace);
  return inet_sendmsg(n, sk, msg);
}
Result<size_t> inet_recvmsg(net& n, sock* sk, MsgRecv& msg) {
  PROBE(n.trace);
  return sk->sk_prot->recvmsg(sk, msg);
}
Result<size_t> sock_recvmsg(net& n, sock* sk, MsgRecv& msg) {
  PROBE(n.trace);
  return inet_recvmsg(n, sk, msg);
}
Result<size_t> __sys_recvfrom(net& n, sock* sk, MsgRecv& msg) {
  PROBE(n.trace);
  return sock_recvmsg(n, sk, msg);
}
}  // namespace

Result<size_t> Sockets::sys_sendmsg(int fd, const MsgSend& msg) {
  ContextScope context(net_.trace, Context::syscall);
  Result<socket*> s = sockfd_lookup(fd);
  return s ? __sys_sendto(net_, (*s)->sk, msg) : Err(s.error());
}

Result<size_t> Sockets::sys_recvfrom(int fd, std::span<uint8_t> buffer, int flags, SocketAddress* from) {
  MsgRecv msg{{&buffer, 1}, flags, from};
  return sys_recvmsg(fd, msg);
}

Result<size_t> Sockets::sys_recvmsg(int fd, MsgRecv& msg) {
  ContextScope context(net_.trace, Context::syscall);
  Result<socket*> s = sockfd_lookup(fd);
  return s ? __sys_recvfrom(net_, (*s)->sk, msg) : Err(s.error());
}

Result<size_t> Sockets::sys_splice_read(int fd, std::span<uint8_t> buffer) {
  ContextScope context(net_.trace, Context::syscall);
  Result<socket*> s = sockfd_lookup(fd);
  if (!s) return Err(s.error());
  MsgRecv msg{{&buffer, 1}, 0, nullptr};
  return (*s)->sk->sk_prot->splice_read((*s)->sk, msg);
}

Result<void> Sockets::sys_disconnect(int fd) {
  ContextScope context(net_.trace, Context::syscall);
  Result<socket*> s = sockfd_lookup(fd);
  return s ? (*s)->sk->sk_prot->disconnect((*s)->sk) : Err(s.error());
}

Result<void> Sockets::sys_shutdown(int fd, int how) {
  ContextScope context(net_.trace, Context::syscall);
  Result<socket*> s = sockfd_lookup(fd);
  if (!s) return Err(s.error());
  if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR) return Err(EINVAL);
  return (*s)->sk->sk_prot->shutdown((*s)->sk, static_cast<uint8_t>(how + 1));
}

Result<void> Sockets::sys_close(int fd) {
  ContextScope context(net_.trace, Context::syscall);
  Result<socket*> found = sockfd_lookup(fd);
  if (!found) return Err(found.error());
  socket* s = *found;
  fds_[static_cast<size_t>(fd)] = nullptr;
  free_fds_.push_back(fd);
  std::push_heap(free_fds_.begin(), free_fds_.end(), std::greater<>());
  sock* sk = s->sk;
  sk->sk_socket = nullptr;
  slab_.free(s);
  sk->sk_prot->close(sk);
  return {};
}

Result<void> Sockets::sys_setsockopt(int fd, int level, int name, std::span<const uint8_t> value) {
  ContextScope context(net_.trace, Context::syscall);
  Result<socket*> s = sockfd_lookup(fd);
  return s ? (*s)->sk->sk_prot->setsockopt((*s)->sk, level, name, value) : Err(s.error());
}

Result<void> Sockets::sys_setsockopt(int fd, int level, int name, int value) {
  return sys_setsockopt(fd, level, name, {reinterpret_cast<const uint8_t*>(&value), sizeof value});
}

Result<size_t> Sockets::sys_getsockopt(int fd, int level, int name, std::span<uint8_t> value) {
  ContextScope context(net_.trace, Context::syscall);
  Result<socket*> s = sockfd_lookup(fd);
  return s ? (*s)->sk->sk_prot->getsockopt((*s)->sk, level, name, value) : Err(s.error());
}

Result<int> Sockets::sys_getsockopt(int fd, int level, int name) {
  int value = 0;
  Result<size_t> n = sys_getsockopt(fd, level, name, {reinterpret_cast<uint8_t*>(&value), sizeof value});
  return n ? Result<int>(value) : Err(n.error());
}

Result<SocketAddress> Sockets::sys_getsockname(int fd) {
  Result<socket*> s = sockfd_lookup(fd);
  if (!s) return Err(s.error());
  return SocketAddress{(*s)->sk->skc_rcv_saddr, (*s)->sk->skc_num};
}

Result<SocketAddress> Sockets::sys_getpeername(int fd) {
  Result<socket*> s = sockfd_lookup(fd);
  if (!s) return Err(s.error());
  if ((*s)->sk->skc_dport == 0) return Err(ENOTCONN);
  return SocketAddress{(*s)->sk->skc_daddr, (*s)->sk->skc_dport};
}

Result<int> Sockets::sys_ioctl(int fd, int request) {
  ContextScope context(net_.trace, Context::syscall);
  Result<socket*> s = sockfd_lookup(fd);
  return s ? (*s)->sk->sk_prot->ioctl((*s)->sk, request) : Err(s.error());
}

Result<uint32_t> Sockets::sys_poll(int fd) {
  Result<socket*> s = sockfd_lookup(fd);
  if (!s) return Err(s.error());
  return (*s)->sk->sk_prot->poll((*s)->sk);
}

void Sockets::set_waiter(int fd, SocketWaiter* waiter) {
  if (Result<socket*> s = sockfd_lookup(fd)) (*s)->waiter = waiter;
}

sock* Sockets::sk(int fd) const {
  Result<socket*> s = sockfd_lookup(fd);
  return s ? (*s)->sk : nullptr;
}

std::vector<int> Sockets::open_fds() const {
  std::vector<int> out;
  for (size_t i = 0; i < fds_.size(); ++i)
    if (fds_[i]) out.push_back(static_cast<int>(i));
  return out;
}

}  // namespace glass
