#include "async/socket.h"

namespace glass {

namespace detail {

SocketState::SocketState(Stack& s, Executor& e, int f) : stack(s), executor(e), fd(f) {
  sockets().set_waiter(fd, this);
}

SocketState::~SocketState() {
  if (reader) reader->socket_closed();
  if (writer) writer->socket_closed();
  sockets().set_waiter(fd, nullptr);
  (void)sockets().sys_close(fd);
}

void SocketState::sk_wake(socket&, uint32_t events) {
  constexpr uint32_t kBoth = POLLERR | POLLHUP | POLLNVAL;
  if (reader && (events & (POLLIN | POLLPRI | POLLRDHUP | kBoth))) reader->post();
  if (writer && (events & (POLLOUT | kBoth))) writer->post();
}

bool SocketOp::await_suspend(std::coroutine_handle<> h) {
  if (slot()) {
    fail(EBUSY);
    return false;
  }
  handle_ = h;
  slot() = this;
  return true;
}

void SocketOp::run() {
  if (state_ && !attempt()) return;  // a wake-up for nothing: goes on waiting
  leave();
  handle_.resume();
}

void SocketOp::socket_closed() {
  state_ = nullptr;
  fail(ECANCELED);
  post();
}

void SocketOp::leave() {
  if (is_linked()) unlink();
  if (state_ && slot() == this) slot() = nullptr;
}

}  // namespace detail

Result<size_t> RecvOp::call() {
  for (;;) {
    const Result<size_t> n = state_->sockets().sys_recvfrom(state_->fd, buffer.subspan(done), flags, from);
    if (!all) return n;
    if (!n) return n;
    done += *n;
    if (*n == 0 || done == buffer.size()) return done;
  }
}

Result<size_t> SendOp::call() {
  return state_->sockets().sys_sendto(state_->fd, data, flags | MSG_NOSIGNAL, to ? &*to : nullptr);
}

Result<void> SendAllOp::call() {
  while (!data.empty()) {
    const Result<size_t> n = state_->sockets().sys_sendto(state_->fd, data, MSG_NOSIGNAL);
    if (!n) return Err(n.error());
    data = data.subspan(*n);
  }
  return {};
}

Result<void> ConnectOp::call() {
  if (!begun) {
    begun = true;
    const Result<void> r = state_->sockets().sys_connect(state_->fd, remote);
    return !r && r.error() == EINPROGRESS ? Err(EAGAIN) : r;
  }
  const Result<uint32_t> ready = state_->sockets().sys_poll(state_->fd);
  if (!ready) return Err(ready.error());
  if (!(*ready & (POLLOUT | POLLERR | POLLHUP))) return Err(EAGAIN);
  const Result<int> error = state_->sockets().sys_getsockopt(state_->fd, SOL_SOCKET, SO_ERROR);
  if (!error) return Err(error.error());
  return *error ? Result<void>(Err(*error)) : Result<void>();
}

Result<TcpStream> TcpListener::AcceptOp::call() {
  const Result<int> fd = state_->sockets().sys_accept(state_->fd);
  if (!fd) return Err(fd.error());
  return TcpStream(state_->stack, state_->executor, *fd);
}

Result<SocketAddress> AsyncSocket::local() const {
  return state_ ? state_->sockets().sys_getsockname(state_->fd) : Err(EBADF);
}

Result<SocketAddress> AsyncSocket::peer() const {
  return state_ ? state_->sockets().sys_getpeername(state_->fd) : Err(EBADF);
}

Result<void> AsyncSocket::bind(const SocketAddress& address) {
  return state_ ? state_->sockets().sys_bind(state_->fd, address) : Err(EBADF);
}

Result<void> AsyncSocket::set_option(int level, int name, int value) {
  return state_ ? state_->sockets().sys_setsockopt(state_->fd, level, name, value) : Err(EBADF);
}

Result<int> AsyncSocket::option(int level, int name) const {
  return state_ ? state_->sockets().sys_getsockopt(state_->fd, level, name) : Err(EBADF);
}

Result<int> AsyncSocket::open_fd(Stack& stack, const SocketAddress& for_address, int type) {
  // The unspecified address is all zeros and stands for 0.0.0.0 as long as nothing else is said.
  const bool v6 = for_address.address.is_v6() && !for_address.address.is_unspecified();
  return stack.sockets().sys_socket(v6 ? AF_INET6 : AF_INET, type, 0);
}

Result<int> AsyncSocket::bound_fd(Stack& stack, const SocketAddress& address, int type) {
  Sockets& sockets = stack.sockets();
  const Result<int> fd = open_fd(stack, address, type);
  if (!fd) return fd;
  Result<void> done = type == SOCK_STREAM ? sockets.sys_setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, 1) : Result<void>();
  if (done) done = sockets.sys_bind(*fd, address);
  if (done) return fd;
  (void)sockets.sys_close(*fd);
  return Err(done.error());
}

Task<Result<TcpStream>> TcpStream::connect(Stack& stack, Executor& executor, SocketAddress remote) {
  Result<TcpStream> stream = open(stack, executor, remote);
  if (!stream) co_return Err(stream.error());
  const Result<void> connected = co_await stream->connect_to(remote);
  if (!connected) co_return Err(connected.error());
  co_return std::move(stream);
}

Result<TcpStream> TcpStream::open(Stack& stack, Executor& executor, const SocketAddress& family_of) {
  const Result<int> fd = open_fd(stack, family_of, SOCK_STREAM);
  if (!fd) return Err(fd.error());
  return TcpStream(stack, executor, *fd);
}

Result<void> TcpStream::shutdown_write() {
  return state_ ? state_->sockets().sys_shutdown(state_->fd, SHUT_WR) : Err(EBADF);
}

Result<TcpListener> TcpListener::listen(Stack& stack, Executor& executor, const SocketAddress& local, int backlog) {
  const Result<int> fd = bound_fd(stack, local, SOCK_STREAM);
  if (!fd) return Err(fd.error());
  TcpListener listener(stack, executor, *fd);
  const Result<void> listening = stack.sockets().sys_listen(*fd, backlog);
  if (!listening) return Err(listening.error());
  return listener;
}

Result<UdpSocket> UdpSocket::bound(Stack& stack, Executor& executor, const SocketAddress& local) {
  const Result<int> fd = bound_fd(stack, local, SOCK_DGRAM);
  if (!fd) return Err(fd.error());
  return UdpSocket(stack, executor, *fd);
}

Result<void> UdpSocket::connect(const SocketAddress& remote) {
  return state_ ? state_->sockets().sys_connect(state_->fd, remote) : Err(EBADF);
}

}  // namespace glass
