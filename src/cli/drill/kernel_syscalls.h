// The kernel's own system calls as a script's target makes them: results or -errno. What the script leaves open is
// closed in the end.
#pragma once
#include <set>

#include "drill/target.h"

namespace glass {

class KernelSyscalls final : public drill::Syscalls {
 public:
  KernelSyscalls() = default;
  ~KernelSyscalls() override;
  KernelSyscalls(const KernelSyscalls&) = delete;
  KernelSyscalls& operator=(const KernelSyscalls&) = delete;

  int64_t socket(int domain, int type, int protocol) override;
  int64_t bind(int fd, const sockaddr*, socklen_t) override;
  int64_t listen(int fd, int backlog) override;
  int64_t accept(int fd, sockaddr*, socklen_t*) override;
  int64_t connect(int fd, const sockaddr*, socklen_t) override;
  int64_t readv(int fd, const iovec*, int n) override;
  int64_t writev(int fd, const iovec*, int n) override;
  int64_t recvmsg(int fd, msghdr*, int flags) override;
  int64_t sendmsg(int fd, const msghdr*, int flags) override;
  int64_t fcntl(int fd, int command, int argument) override;
  int64_t ioctl(int fd, unsigned long request, int* argument) override;
  int64_t close(int fd) override;
  int64_t shutdown(int fd, int how) override;
  int64_t getsockopt(int fd, int level, int name, void*, socklen_t*) override;
  int64_t setsockopt(int fd, int level, int name, const void*, socklen_t) override;
  int64_t poll(pollfd*, nfds_t, int timeout_ms) override;
  int64_t open(const char* path, int flags) override;
  int64_t pipe(int fds[2]) override;
  int64_t splice(int in, int64_t* in_offset, int out, int64_t* out_offset, size_t n, unsigned flags) override;
  int64_t sendfile(int out, int in, int64_t* offset, size_t n) override;
  int64_t epoll_create(int size) override;
  int64_t epoll_ctl(int epfd, int op, int fd, epoll_event*) override;
  int64_t epoll_wait(int epfd, epoll_event*, int n, int timeout_ms) override;

 private:
  int64_t opened(int64_t fd);
  std::set<int> open_;
};

}  // namespace glass
