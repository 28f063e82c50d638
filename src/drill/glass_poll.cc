// poll and epoll: waiting for several files at once.
#include "drill/glass_syscalls.h"

namespace glass::drill {

namespace {
constexpr uint32_t kAlways = POLLERR | POLLHUP;  // reported whether or not asked for
}

int64_t GlassSyscalls::poll(pollfd* fds, nfds_t n, int timeout_ms) {
  if (n && !fds) return -EFAULT;
  int64_t ready = 0;
  const std::span<pollfd> asked(fds, n);
  for (pollfd& p : asked) {
    p.revents = 0;
    if (p.fd < 0) continue;
    const std::shared_ptr<File> f = file(p.fd);
    p.revents = static_cast<short>(f ? f->poll() & (static_cast<uint16_t>(p.events) | kAlways) : POLLNVAL);
    ready += p.revents != 0;
  }
  if (ready || timeout_ms == 0) return ready;
  const Instant deadline = timeout_ms < 0 ? kNever : call_.began + std::chrono::milliseconds(timeout_ms);
  if (stack_.now() >= deadline) return 0;
  for (const pollfd& p : asked)
    if (const std::shared_ptr<File> f = file(p.fd)) sleep_on(f, static_cast<uint16_t>(p.events) | kAlways, deadline, 0);
  call_.blocked = true;  // without any file, too
  call_.deadline = deadline;
  return 0;
}

int64_t GlassSyscalls::epoll_create(int size) { return size <= 0 ? -EINVAL : install(std::make_shared<eventpoll>()); }

int64_t GlassSyscalls::epoll_ctl(int epfd, int op, int fd, epoll_event* event) {
  const std::shared_ptr<File> set = file(epfd), target = file(fd);
  if (!set || !target) return -EBADF;
  if (op != EPOLL_CTL_DEL && !event) return -EFAULT;
  const auto ep = std::dynamic_pointer_cast<eventpoll>(set);
  if (!ep) return -EINVAL;
  if (std::dynamic_pointer_cast<MemoryFile>(target)) return -EPERM;
  Result<void> r = ep->ctl(op, *target, fd, event ? *event : epoll_event{});
  return r ? 0 : -r.error();
}

int64_t GlassSyscalls::epoll_wait(int epfd, epoll_event* events, int n, int timeout_ms) {
  const std::shared_ptr<File> f = file(epfd);
  if (!f) return -EBADF;
  const auto ep = std::dynamic_pointer_cast<eventpoll>(f);
  if (!ep || n <= 0) return -EINVAL;
  if (!events) return -EFAULT;
  const size_t taken = ep->take({events, static_cast<size_t>(n)});
  if (taken || timeout_ms == 0) return static_cast<int64_t>(taken);
  const Instant deadline = timeout_ms < 0 ? kNever : call_.began + std::chrono::milliseconds(timeout_ms);
  return sleep_on(f, POLLIN, deadline, 0);
}

}  // namespace glass::drill
