// The system calls packetdrill makes, each handed to the target.
#include "cli/packetdrill/calls.h"

#include <cerrno>
#include <cstdarg>
#include <vector>

#include "cli/packetdrill/bridge.h"

namespace glass::packetdrill {

namespace {

// The result as POSIX has it.
int64_t posix(int64_t result) {
  if (result >= 0) return result;
  errno = static_cast<int>(-result);
  return -1;
}

// One call on a descriptor.
template <class Call>
int64_t on(int kernel_fd, Call call) {
  const int fd = bridge->descriptor(kernel_fd);
  return posix(fd < 0 ? -EBADF : bridge->call([&](Syscalls& s) { return call(s, fd); }));
}

template <class Call>
int on_int(int kernel_fd, Call call) {
  return static_cast<int>(on(kernel_fd, call));
}

int new_descriptor(const std::function<int64_t(Syscalls&)>& call) {
  return static_cast<int>(posix(bridge->add_descriptor(bridge->call(call))));
}

int socket_(void*, int domain, int type, int protocol) {
  return new_descriptor([=](Syscalls& s) { return s.socket(domain, type, protocol); });
}

int bind_(void*, int fd, const sockaddr* address, socklen_t length) {
  return on_int(fd, [=](Syscalls& s, int f) { return s.bind(f, address, length); });
}

int listen_(void*, int fd, int backlog) {
  return on_int(fd, [=](Syscalls& s, int f) { return s.listen(f, backlog); });
}

int accept_(void*, int kernel_fd, sockaddr* address, socklen_t* length) {
  const int fd = bridge->descriptor(kernel_fd);
  if (fd < 0) return static_cast<int>(posix(-EBADF));
  return new_descriptor([=](Syscalls& s) { return s.accept(fd, address, length); });
}

int connect_(void*, int fd, const sockaddr* address, socklen_t length) {
  return on_int(fd, [=](Syscalls& s, int f) { return s.connect(f, address, length); });
}

ssize_t readv_(void*, int fd, const iovec* iov, int n) {
  return on(fd, [=](Syscalls& s, int f) { return s.readv(f, iov, n); });
}

ssize_t read_(void* self, int fd, void* data, size_t size) {
  const iovec iov{data, size};
  return readv_(self, fd, &iov, 1);
}

ssize_t recvmsg_(void*, int fd, msghdr* message, int flags) {
  return on(fd, [=](Syscalls& s, int f) { return s.recvmsg(f, message, flags); });
}

ssize_t recvfrom_(void* self, int fd, void* data, size_t size, int flags, sockaddr* from, socklen_t* length) {
  iovec iov{data, size};
  msghdr message{};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  message.msg_name = from;
  message.msg_namelen = length ? *length : 0;
  const ssize_t result = recvmsg_(self, fd, &message, flags);
  if (length) *length = message.msg_namelen;
  return result;
}

ssize_t recv_(void* self, int fd, void* data, size_t size, int flags) {
  return recvfrom_(self, fd, data, size, flags, nullptr, nullptr);
}

ssize_t writev_(void*, int fd, const iovec* iov, int n) {
  return on(fd, [=](Syscalls& s, int f) { return s.writev(f, iov, n); });
}

ssize_t write_(void* self, int fd, const void* data, size_t size) {
  const iovec iov{const_cast<void*>(data), size};
  return writev_(self, fd, &iov, 1);
}

ssize_t sendmsg_(void*, int fd, const msghdr* message, int flags) {
  return on(fd, [=](Syscalls& s, int f) { return s.sendmsg(f, message, flags); });
}

ssize_t sendto_(void* self, int fd, const void* data, size_t size, int flags, const sockaddr* to, socklen_t length) {
  iovec iov{const_cast<void*>(data), size};
  msghdr message{};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  message.msg_name = const_cast<sockaddr*>(to);
  message.msg_namelen = length;
  return sendmsg_(self, fd, &message, flags);
}

ssize_t send_(void* self, int fd, const void* data, size_t size, int flags) {
  return sendto_(self, fd, data, size, flags, nullptr, 0);
}

int fcntl_(void*, int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  const int argument = va_arg(arguments, int);
  va_end(arguments);
  return on_int(fd, [=](Syscalls& s, int f) { return s.fcntl(f, command, argument); });
}

int ioctl_(void*, int fd, unsigned long request, ...) {
  va_list arguments;
  va_start(arguments, request);
  int* argument = va_arg(arguments, int*);
  va_end(arguments);
  return on_int(fd, [=](Syscalls& s, int f) { return s.ioctl(f, request, argument); });
}

int close_(void*, int fd) { return static_cast<int>(posix(bridge->close(fd))); }

int shutdown_(void*, int fd, int how) {
  return on_int(fd, [=](Syscalls& s, int f) { return s.shutdown(f, how); });
}

int getsockopt_(void*, int fd, int level, int name, void* value, socklen_t* length) {
  return on_int(fd, [=](Syscalls& s, int f) { return s.getsockopt(f, level, name, value, length); });
}

int setsockopt_(void*, int fd, int level, int name, const void* value, socklen_t length) {
  return on_int(fd, [=](Syscalls& s, int f) { return s.setsockopt(f, level, name, value, length); });
}

int poll_(void*, pollfd* kernel_fds, nfds_t n, int timeout_ms) {
  std::vector<pollfd> fds(kernel_fds, kernel_fds + n);
  for (pollfd& p : fds) p.fd = bridge->descriptor(p.fd);
  const int64_t result = bridge->call([&](Syscalls& s) { return s.poll(fds.data(), n, timeout_ms); });
  for (nfds_t i = 0; i < n; ++i) kernel_fds[i].revents = fds[i].revents;
  return static_cast<int>(posix(result));
}

int epoll_create_(void*, int size) {
  return new_descriptor([=](Syscalls& s) { return s.epoll_create(size); });
}

int epoll_ctl_(void*, int epfd, int op, int kernel_fd, epoll_event* event) {
  const int fd = bridge->descriptor(kernel_fd);
  return on_int(epfd, [=](Syscalls& s, int f) { return s.epoll_ctl(f, op, fd, event); });
}

int epoll_wait_(void*, int epfd, epoll_event* events, int n, int timeout_ms) {
  return on_int(epfd, [=](Syscalls& s, int f) { return s.epoll_wait(f, events, n, timeout_ms); });
}

int pipe_(void*, int kernel_fds[2]) {
  int fds[2] = {-1, -1};
  const int64_t result = bridge->call([&](Syscalls& s) { return s.pipe(fds); });
  for (int i : {0, 1}) kernel_fds[i] = result < 0 ? -1 : bridge->add_descriptor(fds[i]);
  return static_cast<int>(posix(result));
}

// Packetdrill makes a pointer to 0 of NULL. Pipes and sockets have no offsets, so there is none to be lost.
int splice_(void*, int in, loff_t* in_offset, int out, loff_t* out_offset, size_t size, unsigned flags) {
  const auto offset = [](loff_t* o) { return o && *o ? reinterpret_cast<int64_t*>(o) : nullptr; };
  const int to = bridge->descriptor(out);
  return on_int(
      in, [=](Syscalls& s, int f) { return s.splice(f, offset(in_offset), to, offset(out_offset), size, flags); });
}

}  // namespace

void fill_in_calls(packetdrill_interface& i) {
  i.socket = socket_;
  i.bind = bind_;
  i.listen = listen_;
  i.accept = accept_;
  i.connect = connect_;
  i.read = read_;
  i.readv = readv_;
  i.recv = recv_;
  i.recvfrom = recvfrom_;
  i.recvmsg = recvmsg_;
  i.write = write_;
  i.writev = writev_;
  i.send = send_;
  i.sendto = sendto_;
  i.sendmsg = sendmsg_;
  i.fcntl = fcntl_;
  i.ioctl = ioctl_;
  i.close = close_;
  i.shutdown = shutdown_;
  i.getsockopt = getsockopt_;
  i.setsockopt = setsockopt_;
  i.poll = poll_;
  i.epoll_create = epoll_create_;
  i.epoll_ctl = epoll_ctl_;
  i.epoll_wait = epoll_wait_;
  i.pipe = pipe_;
  i.splice = splice_;
}

}  // namespace glass::packetdrill
