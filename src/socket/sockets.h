// The BSD socket layer of one stack: descriptors, and the system calls on them.
//
// Every call is non-blocking: where Linux would put the caller to sleep the result is EAGAIN (or EINPROGRESS for
// connect), and readiness comes through the socket's SocketWaiter or by asking poll(). Errors are Linux's errno values.
// Descriptors are small integers of this stack, lowest free first; they have nothing to do with the kernel's.
//
//   int fd = *sockets.sys_socket(AF_INET, SOCK_STREAM, 0);
//   sockets.sys_connect(fd, {IpAddress::v4(10,0,0,2), 80});   // EINPROGRESS
//   sockets.set_waiter(fd, &my_waiter);                        // POLLOUT when connected
#pragma once
#include <memory>
#include <string_view>
#include <vector>

#include "base/slab.h"
#include "net/sock.h"

namespace glass {

class Sockets {
 public:
  explicit Sockets(net&);
  ~Sockets();  // closes what is open
  Sockets(const Sockets&) = delete;
  Sockets& operator=(const Sockets&) = delete;

  // Which protocol serves a socket type; called once each by the stack.
  void inet_register_protosw(int type, uint8_t protocol, proto&);

  Result<int> sys_socket(int family, int type, int protocol);  // EAFNOSUPPORT, EPROTONOSUPPORT
  Result<void> sys_bind(int fd, const SocketAddress& local);   // EADDRINUSE, EADDRNOTAVAIL, EINVAL
  Result<void> sys_listen(int fd, int backlog);
  Result<int> sys_accept(int fd, SocketAddress* peer = nullptr);  // EAGAIN
  Result<void> sys_connect(int fd, const SocketAddress& remote);  // EINPROGRESS, EISCONN, ECONNREFUSED ...
  Result<size_t> sys_sendto(int fd, std::span<const uint8_t> data, int flags = 0, const SocketAddress* to = nullptr);
  Result<size_t> sys_sendmsg(int fd, const MsgSend&);
  Result<size_t> sys_recvfrom(int fd, std::span<uint8_t> buffer, int flags = 0, SocketAddress* from = nullptr);
  Result<size_t> sys_recvmsg(int fd, MsgRecv&);
  Result<size_t> sys_splice_read(int fd, std::span<uint8_t> buffer);
  Result<void> sys_disconnect(int fd);         // connect() to AF_UNSPEC
  Result<void> sys_shutdown(int fd, int how);  // SHUT_RD, SHUT_WR, SHUT_RDWR
  Result<void> sys_close(int fd);
  Result<void> sys_setsockopt(int fd, int level, int name, std::span<const uint8_t> value);
  Result<void> sys_setsockopt(int fd, int level, int name, int value);
  Result<size_t> sys_getsockopt(int fd, int level, int name, std::span<uint8_t> value);
  Result<int> sys_getsockopt(int fd, int level, int name);
  Result<SocketAddress> sys_getsockname(int fd);
  Result<SocketAddress> sys_getpeername(int fd);  // ENOTCONN
  Result<int> sys_ioctl(int fd, int request);     // SIOCINQ, SIOCOUTQ: the value
  Result<uint32_t> sys_poll(int fd);              // POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP now

  void set_waiter(int fd, SocketWaiter*);  // null: nobody
  sock* sk(int fd) const;                  // for the stack's own tools; null if not open
  std::vector<int> open_fds() const;

 private:
  Result<socket*> sockfd_lookup(int fd) const;
  int sock_map_fd(sock*, int16_t type);
  struct Protosw {
    int type;
    uint8_t protocol;
    proto* prot;
  };

  net& net_;
  Slab slab_;
  std::vector<Protosw> protosw_;
  std::vector<socket*> fds_;
  std::vector<int> free_fds_;  // a heap, lowest on top
};

}  // namespace glass
