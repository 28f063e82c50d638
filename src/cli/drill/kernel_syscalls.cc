#include "cli/drill/kernel_syscalls.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>

namespace glass {

namespace {
int64_t result_of(int64_t r) { return r < 0 ? -errno : r; }
static_assert(sizeof(off_t) == sizeof(int64_t) && sizeof(loff_t) == sizeof(int64_t));
}  // namespace

// The peer is not asked to wait for what the script left unsaid.
KernelSyscalls::~KernelSyscalls() {
  for (const int fd : open_) {
    const linger at_once{1, 0};
    (void)::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    (void)::close(fd);
  }
}

int64_t KernelSyscalls::opened(int64_t fd) {
  if (fd < 0) return -errno;
  open_.insert(static_cast<int>(fd));
  return fd;
}

int64_t KernelSyscalls::socket(int domain, int type, int protocol) { return opened(::socket(domain, type, protocol)); }
int64_t KernelSyscalls::bind(int fd, const sockaddr* a, socklen_t n) { return result_of(::bind(fd, a, n)); }
int64_t KernelSyscalls::listen(int fd, int backlog) { return result_of(::listen(fd, backlog)); }
int64_t KernelSyscalls::accept(int fd, sockaddr* a, socklen_t* n) { return opened(::accept(fd, a, n)); }
int64_t KernelSyscalls::connect(int fd, const sockaddr* a, socklen_t n) { return result_of(::connect(fd, a, n)); }

// One piece is read() and write(), which the kernel tells apart only by name.
int64_t KernelSyscalls::readv(int fd, const iovec* v, int n) {
  return result_of(n == 1 ? ::read(fd, v->iov_base, v->iov_len) : ::readv(fd, v, n));
}
int64_t KernelSyscalls::writev(int fd, const iovec* v, int n) {
  return result_of(n == 1 ? ::write(fd, v->iov_base, v->iov_len) : ::writev(fd, v, n));
}
int64_t KernelSyscalls::recvmsg(int fd, msghdr* m, int flags) { return result_of(::recvmsg(fd, m, flags)); }
int64_t KernelSyscalls::sendmsg(int fd, const msghdr* m, int flags) {
  return result_of(::sendmsg(fd, m, flags | MSG_NOSIGNAL));
}
int64_t KernelSyscalls::fcntl(int fd, int command, int argument) { return result_of(::fcntl(fd, command, argument)); }
int64_t KernelSyscalls::ioctl(int fd, unsigned long request, int* argument) {
  return result_of(::ioctl(fd, request, argument));
}
int64_t KernelSyscalls::close(int fd) {
  open_.erase(fd);
  return result_of(::close(fd));
}
int64_t KernelSyscalls::shutdown(int fd, int how) { return result_of(::shutdown(fd, how)); }
int64_t KernelSyscalls::getsockopt(int fd, int level, int name, void* v, socklen_t* n) {
  return result_of(::getsockopt(fd, level, name, v, n));
}
int64_t KernelSyscalls::setsockopt(int fd, int level, int name, const void* v, socklen_t n) {
  return result_of(::setsockopt(fd, level, name, v, n));
}
int64_t KernelSyscalls::poll(pollfd* p, nfds_t n, int timeout_ms) { return result_of(::poll(p, n, timeout_ms)); }
int64_t KernelSyscalls::open(const char* path, int flags) { return opened(::open(path, flags | O_CLOEXEC, 0600)); }
int64_t KernelSyscalls::pipe(int fds[2]) {
  if (::pipe(fds) < 0) return -errno;
  open_.insert({fds[0], fds[1]});
  return 0;
}
int64_t KernelSyscalls::splice(int in, int64_t* in_offset, int out, int64_t* out_offset, size_t n, unsigned flags) {
  return result_of(::splice(in, in_offset, out, out_offset, n, flags));
}
int64_t KernelSyscalls::sendfile(int out, int in, int64_t* offset, size_t n) {
  return result_of(::sendfile(out, in, offset, n));
}
int64_t KernelSyscalls::epoll_create(int size) { return opened(::epoll_create(size)); }
int64_t KernelSyscalls::epoll_ctl(int ep, int op, int fd, epoll_event* e) {
  return result_of(::epoll_ctl(ep, op, fd, e));
}
int64_t KernelSyscalls::epoll_wait(int ep, epoll_event* e, int n, int timeout_ms) {
  return result_of(::epoll_wait(ep, e, n, timeout_ms));
}

}  // namespace glass
