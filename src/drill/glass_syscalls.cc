// Descriptors, names and options; the calls that move bytes are in glass_transfer.cc, those that wait for several files
// in glass_poll.cc.
#include "drill/glass_syscalls.h"

#include <algorithm>
#include <cstring>

namespace glass::drill {

Result<SocketAddress> from_native(const sockaddr* name, socklen_t length) {
  if (!name) return Err(EFAULT);
  if (length < sizeof(sa_family_t)) return Err(EINVAL);
  if (name->sa_family == AF_INET) {
    sockaddr_in in;
    if (length < sizeof in) return Err(EINVAL);
    std::memcpy(&in, name, sizeof in);
    return SocketAddress{IpAddress::v4_from_wire(in.sin_addr.s_addr), ntohs(in.sin_port)};
  }
  if (name->sa_family != AF_INET6) return Err(EAFNOSUPPORT);
  sockaddr_in6 in6;
  if (length < 24) return Err(EINVAL);  // without the scope, as RFC 2133 had it
  std::memcpy(&in6, name, std::min<size_t>(length, sizeof in6));
  SocketAddress a{{}, ntohs(in6.sin6_port)};
  std::memcpy(a.address.bytes.data(), &in6.sin6_addr, 16);
  return a;
}

void to_native(const SocketAddress& a, int family, sockaddr* name, socklen_t* length) {
  if (!name || !length) return;
  sockaddr_storage native{};
  socklen_t size;
  if (family == AF_INET) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(a.port);
    in.sin_addr.s_addr = a.address.is_v4() ? a.address.v4_wire() : 0;
    std::memcpy(&native, &in, size = sizeof in);
  } else {
    sockaddr_in6 in6{};
    in6.sin6_family = AF_INET6;
    in6.sin6_port = htons(a.port);
    std::memcpy(&in6.sin6_addr, a.address.bytes.data(), 16);
    std::memcpy(&native, &in6, size = sizeof in6);
  }
  std::memcpy(name, &native, std::min(*length, size));
  *length = size;
}

namespace {
template <class T>
int64_t value_or_error(const Result<T>& r) {
  if (!r) return -r.error();
  if constexpr (std::is_void_v<T>)
    return 0;
  else
    return static_cast<int64_t>(*r);
}
}  // namespace

GlassSyscalls::GlassSyscalls(Stack& stack, FileStore& store) : stack_(stack), store_(store), fds_(3) {}

GlassSyscalls::~GlassSyscalls() {
  waiters_.clear();
  call_ = {};
  for (auto& f : fds_) f.reset();
}

void GlassSyscalls::begin_call() {
  call_ = {};
  call_.began = stack_.now();
}

void GlassSyscalls::begin_attempt() {
  waiters_.clear();
  call_.again = call_.blocked;
  call_.blocked = call_.woken = false;
  call_.deadline = kNever;
}

std::shared_ptr<File> GlassSyscalls::file(int fd) const {
  return fd < 0 || static_cast<size_t>(fd) >= fds_.size() ? nullptr : fds_[static_cast<size_t>(fd)];
}

std::shared_ptr<SocketFile> GlassSyscalls::socket_file(int fd, int& error) const {
  const std::shared_ptr<File> f = file(fd);
  auto s = std::dynamic_pointer_cast<SocketFile>(f);
  error = s ? 0 : f ? ENOTSOCK : EBADF;
  return s;
}

sock* GlassSyscalls::sk(int fd) const {
  int error;
  const auto s = socket_file(fd, error);
  return s ? s->sk() : nullptr;
}

// 0, 1 and 2 are taken, as in any program.
int GlassSyscalls::install(std::shared_ptr<File> f) {
  const auto free = std::find(fds_.begin() + 3, fds_.end(), nullptr);
  const auto fd = static_cast<int>(free - fds_.begin());
  if (free == fds_.end())
    fds_.push_back(std::move(f));
  else
    *free = std::move(f);
  return fd;
}

Instant GlassSyscalls::limit(Duration timeout) const { return timeout == Duration{} ? kNever : call_.began + timeout; }

int64_t GlassSyscalls::sleep_on(const std::shared_ptr<File>& f, uint32_t events, Instant deadline, int64_t late) {
  if (stack_.now() >= deadline) return late;
  waiters_.push_back(std::make_unique<Waiter>(*this, f, events));
  call_.blocked = true;
  call_.deadline = std::min(call_.deadline, deadline);
  return 0;
}

int64_t GlassSyscalls::socket(int domain, int type, int protocol) {
  Result<int> fd = stack_.sockets().sys_socket(domain, type, protocol);
  if (!fd) return -fd.error();
  auto f = std::make_shared<SocketFile>(stack_.sockets(), *fd);
  f->nonblocking = type & SOCK_NONBLOCK;
  return install(std::move(f));
}

int64_t GlassSyscalls::bind(int fd, const sockaddr* name, socklen_t length) {
  int error;
  const auto s = socket_file(fd, error);
  if (!s) return -error;
  Result<SocketAddress> local = from_native(name, length);
  return local ? value_or_error(stack_.sockets().sys_bind(s->fd(), *local)) : -local.error();
}

int64_t GlassSyscalls::listen(int fd, int backlog) {
  int error;
  const auto s = socket_file(fd, error);
  return s ? value_or_error(stack_.sockets().sys_listen(s->fd(), backlog)) : -error;
}

int64_t GlassSyscalls::accept(int fd, sockaddr* name, socklen_t* length) {
  int error;
  const auto s = socket_file(fd, error);
  if (!s) return -error;
  SocketAddress peer;
  Result<int> child = stack_.sockets().sys_accept(s->fd(), &peer);
  if (!child && child.error() == EAGAIN && !s->nonblocking)
    return sleep_on(s, POLLIN | POLLERR | POLLHUP, limit(s->rcvtimeo), -EAGAIN);
  if (!child) return -child.error();
  to_native(peer, s->sk()->skc_family, name, length);
  return install(std::make_shared<SocketFile>(stack_.sockets(), *child));
}

int64_t GlassSyscalls::connect(int fd, const sockaddr* name, socklen_t length) {
  int error;
  const auto s = socket_file(fd, error);
  if (!s) return -error;
  if (name && length >= sizeof(sa_family_t) && name->sa_family == AF_UNSPEC)
    return value_or_error(stack_.sockets().sys_disconnect(s->fd()));
  Result<SocketAddress> remote = from_native(name, length);
  if (!remote) return -remote.error();
  Result<void> r = stack_.sockets().sys_connect(s->fd(), *remote);
  if (r || (call_.again && r.error() == EISCONN)) return 0;
  const bool under_way = r.error() == EINPROGRESS || r.error() == EALREADY;
  if (!under_way || s->nonblocking) return -r.error();
  return sleep_on(s, POLLOUT | POLLERR | POLLHUP, limit(s->sndtimeo), call_.again ? -EINPROGRESS : -r.error());
}

int64_t GlassSyscalls::fcntl(int fd, int command, int argument) {
  const std::shared_ptr<File> f = file(fd);
  if (!f) return -EBADF;
  switch (command) {
    case F_GETFL: return O_RDWR | (f->nonblocking ? O_NONBLOCK : 0);
    case F_SETFL: f->nonblocking = argument & O_NONBLOCK; return 0;
    case F_GETFD:
    case F_SETFD: return 0;
    default: return -EINVAL;
  }
}

int64_t GlassSyscalls::ioctl(int fd, unsigned long request, int* argument) {
  const std::shared_ptr<File> f = file(fd);
  if (!f) return -EBADF;
  constexpr unsigned long kFionbio = 0x5421;
  if (!argument) return -EFAULT;
  if (request == kFionbio) {
    f->nonblocking = *argument != 0;
    return 0;
  }
  const auto s = std::dynamic_pointer_cast<SocketFile>(f);
  if (!s) return -ENOTTY;
  Result<int> value = stack_.sockets().sys_ioctl(s->fd(), static_cast<int>(request));
  if (!value) return -value.error();
  *argument = *value;
  return 0;
}

bool GlassSyscalls::ready() const {
  return call_.woken || stack_.now() >= call_.deadline || (call_.lingers && !fin_unacknowledged(*call_.lingers));
}

// The socket is gone, so the connection is looked for by its ends.
bool GlassSyscalls::fin_unacknowledged(const Ends& ends) const {
  return std::ranges::any_of(stack_.tcp().sockets(), [&](const TcpSocketRow& r) {
    return r.local == ends.local && r.remote == ends.remote &&
           (r.state == "FIN-WAIT-1" || r.state == "CLOSING" || r.state == "LAST-ACK");
  });
}

int64_t GlassSyscalls::linger() {
  if (stack_.now() >= call_.lingers_until || !fin_unacknowledged(*call_.lingers)) return 0;
  call_.blocked = true;
  call_.deadline = call_.lingers_until;
  return 0;
}

int64_t GlassSyscalls::close(int fd) {
  if (call_.lingers) return linger();
  std::shared_ptr<File> f = file(fd);
  if (!f) return -EBADF;
  if (const auto s = std::dynamic_pointer_cast<SocketFile>(f)) {
    const sock* sk = s->sk();
    if (sk->skc_protocol == IPPROTO_TCP && sk->sk_linger && sk->sk_lingertime) {
      call_.lingers = Ends{{sk->skc_rcv_saddr, sk->skc_num}, {sk->skc_daddr, sk->skc_dport}};
      call_.lingers_until = call_.began + std::chrono::seconds(sk->sk_lingertime);
    }
  }
  fds_[static_cast<size_t>(fd)] = nullptr;
  f.reset();
  return call_.lingers ? linger() : 0;
}

int64_t GlassSyscalls::shutdown(int fd, int how) {
  int error;
  const auto s = socket_file(fd, error);
  return s ? value_or_error(stack_.sockets().sys_shutdown(s->fd(), how)) : -error;
}

namespace {

// SO_RCVTIMEO and SO_SNDTIMEO belong to whoever blocks, so they are kept here. With 64-bit words the old and the new
// names take the same struct.
constexpr int kRcvTimeoNew = 66, kSndTimeoNew = 67;

Duration* timeout_option(File& f, int level, int name) {
  if (level != SOL_SOCKET) return nullptr;
  if (name == SO_RCVTIMEO || name == kRcvTimeoNew) return &f.rcvtimeo;
  if (name == SO_SNDTIMEO || name == kSndTimeoNew) return &f.sndtimeo;
  return nullptr;
}

int64_t set_timeout(Duration& timeout, const void* value, socklen_t length) {
  timeval tv;
  if (length < sizeof tv) return -EINVAL;
  std::memcpy(&tv, value, sizeof tv);
  if (tv.tv_usec < 0 || tv.tv_usec >= 1'000'000) return -EDOM;
  // Negative: time is over at once.
  timeout = tv.tv_sec < 0 ? Duration{1} : std::chrono::seconds(tv.tv_sec) + std::chrono::microseconds(tv.tv_usec);
  return 0;
}

int64_t get_timeout(Duration timeout, void* value, socklen_t* length) {
  const timeval tv{timeout.count() / 1'000'000'000, timeout.count() / 1000 % 1'000'000};
  *length = std::min<socklen_t>(*length, sizeof tv);
  std::memcpy(value, &tv, *length);
  return 0;
}

}  // namespace

int64_t GlassSyscalls::getsockopt(int fd, int level, int name, void* value, socklen_t* length) {
  int error;
  const auto s = socket_file(fd, error);
  if (!s) return -error;
  if (!length || !value) return -EFAULT;
  if (static_cast<int>(*length) < 0) return -EINVAL;
  if (const Duration* timeout = timeout_option(*s, level, name)) return get_timeout(*timeout, value, length);
  Result<size_t> n = stack_.sockets().sys_getsockopt(s->fd(), level, name, {static_cast<uint8_t*>(value), *length});
  if (!n) return -n.error();
  *length = static_cast<socklen_t>(*n);
  return 0;
}

int64_t GlassSyscalls::setsockopt(int fd, int level, int name, const void* value, socklen_t length) {
  int error;
  const auto s = socket_file(fd, error);
  if (!s) return -error;
  if (static_cast<int>(length) < 0) return -EINVAL;
  if (!value && length) return -EFAULT;
  if (Duration* timeout = timeout_option(*s, level, name)) return set_timeout(*timeout, value, length);
  return value_or_error(
      stack_.sockets().sys_setsockopt(s->fd(), level, name, {static_cast<const uint8_t*>(value), length}));
}

int64_t GlassSyscalls::open(const char* path, int) {
  const auto at = store_.find(path);
  if (at == store_.end()) return -ENOENT;
  return install(std::make_shared<MemoryFile>(at->second));
}

int64_t GlassSyscalls::pipe(int fds[2]) {
  Pipe p = make_pipe();
  fds[0] = install(p.reader);
  fds[1] = install(p.writer);
  return 0;
}

}  // namespace glass::drill
