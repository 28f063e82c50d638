// Sockets for coroutines.
//
//   Task<Result<void>> echo(Stack& stack, Executor& executor) {
//     Result<TcpListener> listener = TcpListener::listen(stack, executor, {{}, 7});
//     if (!listener) co_return Err(listener.error());
//     Result<TcpStream> peer = co_await listener->accept();
//     if (!peer) co_return Err(peer.error());
//     std::array<uint8_t, 4096> buffer;
//     for (;;) {
//       Result<size_t> n = co_await peer->recv(buffer);
//       if (!n || *n == 0) co_return {};                       // 0: the peer has sent all it will
//       Result<void> sent = co_await peer->send_all(std::span(buffer).first(*n));
//       if (!sent) co_return Err(sent.error());
//     }
//   }
//
// An operation first makes the call; only where that gives EAGAIN it waits for the socket and makes the call again,
// from the executor's run loop. Errors are errno values in a Result. One operation may wait in each direction (accept
// and recv; connect, send); a second one gives EBUSY. Destroying a waiting operation (its coroutine, that is) leaves
// the socket as it was. Closing a socket ends what waits on it with ECANCELED; operations on a closed or moved-from
// socket give EBADF.
//
// Ownership: a socket object owns its descriptor and closes it. Stack and executor have to outlive it; buffers the
// operation.
#pragma once
#include <memory>
#include <optional>
#include <span>

#include "async/executor.h"
#include "async/task.h"
#include "stack/stack.h"

namespace glass {

namespace detail {

class SocketOp;

// One open descriptor: the stack's waiter for it, and who waits in each direction.
class SocketState final : public SocketWaiter {
 public:
  SocketState(Stack&, Executor&, int fd);
  ~SocketState() override;
  SocketState(const SocketState&) = delete;
  SocketState& operator=(const SocketState&) = delete;

  void sk_wake(socket&, uint32_t poll_events) override;
  Sockets& sockets() { return stack.sockets(); }

  Stack& stack;
  Executor& executor;
  const int fd;
  SocketOp* reader = nullptr;
  SocketOp* writer = nullptr;
};

// An operation that may have to wait. Movable until it is awaited.
class SocketOp : public Runnable {
 public:
  enum class Direction : uint8_t { read, write };

  ~SocketOp() override { leave(); }
  SocketOp(const SocketOp&) = default;

  bool await_ready() { return attempt(); }
  bool await_suspend(std::coroutine_handle<>);
  void run() override;
  void socket_closed();

 protected:
  SocketOp(SocketState* state, Direction d)
      : Runnable(state ? &state->executor : nullptr), state_(state), direction_(d) {}
  virtual bool attempt() = 0;        // true: there is a result
  virtual void fail(int error) = 0;  // this is the result
  SocketState* state_;

 private:
  SocketOp*& slot() { return direction_ == Direction::read ? state_->reader : state_->writer; }
  void leave();
  std::coroutine_handle<> handle_;
  Direction direction_;
};

template <class T>
class SocketOpOf : public SocketOp {
 public:
  Result<T> await_resume() { return std::move(*result_); }

 protected:
  using SocketOp::SocketOp;
  virtual Result<T> call() = 0;  // EAGAIN: not yet
  bool attempt() final {
    if (!state_) {
      result_.emplace(Err(EBADF));
      return true;
    }
    Result<T> r = call();
    if (!r && r.error() == EAGAIN) return false;
    result_.emplace(std::move(r));
    return true;
  }
  void fail(int error) final { result_.emplace(Err(error)); }

 private:
  std::optional<Result<T>> result_;
};

}  // namespace detail

struct [[nodiscard]] RecvOp final : detail::SocketOpOf<size_t> {
  RecvOp(detail::SocketState* s, std::span<uint8_t> b, int f, bool a, SocketAddress* from_)
      : SocketOpOf(s, Direction::read), buffer(b), flags(f), all(a), from(from_) {}
  Result<size_t> call() override;
  std::span<uint8_t> buffer;
  int flags;
  bool all;  // go on until the buffer is full or the stream ends
  SocketAddress* from;
  size_t done = 0;
};

struct [[nodiscard]] SendOp final : detail::SocketOpOf<size_t> {
  SendOp(detail::SocketState* s, std::span<const uint8_t> d, int f, const SocketAddress* t)
      : SocketOpOf(s, Direction::write), data(d), flags(f) {
    if (t) to = *t;
  }
  Result<size_t> call() override;
  std::span<const uint8_t> data;
  int flags;
  std::optional<SocketAddress> to;
};

struct [[nodiscard]] SendAllOp final : detail::SocketOpOf<void> {
  SendAllOp(detail::SocketState* s, std::span<const uint8_t> d) : SocketOpOf(s, Direction::write), data(d) {}
  Result<void> call() override;
  std::span<const uint8_t> data;  // what is left
};

struct [[nodiscard]] ConnectOp final : detail::SocketOpOf<void> {
  ConnectOp(detail::SocketState* s, const SocketAddress& r) : SocketOpOf(s, Direction::write), remote(r) {}
  Result<void> call() override;
  SocketAddress remote;
  bool begun = false;
};

// What all sockets have in common.
class AsyncSocket {
 public:
  bool is_open() const { return state_ != nullptr; }
  int fd() const { return state_ ? state_->fd : -1; }
  void close() { state_.reset(); }

  Result<SocketAddress> local() const;
  Result<SocketAddress> peer() const;  // ENOTCONN
  Result<void> bind(const SocketAddress& local);
  Result<void> set_option(int level, int name, int value);  // SOL_SOCKET, SO_RCVBUF, ...
  Result<int> option(int level, int name) const;

 protected:
  AsyncSocket(Stack& stack, Executor& executor, int fd)
      : state_(std::make_unique<detail::SocketState>(stack, executor, fd)) {}
  static Result<int> open_fd(Stack&, const SocketAddress& for_address, int type);
  static Result<int> bound_fd(Stack&, const SocketAddress& local, int type);
  std::unique_ptr<detail::SocketState> state_;
};

class TcpStream : public AsyncSocket {
 public:
  // Takes over a stream descriptor of the stack.
  TcpStream(Stack& stack, Executor& executor, int fd) : AsyncSocket(stack, executor, fd) {}

  // A new connection.
  static Task<Result<TcpStream>> connect(Stack&, Executor&, SocketAddress remote);
  // In two steps, to bind or to set options before: open() with any address of the family, then connect_to().
  static Result<TcpStream> open(Stack&, Executor&, const SocketAddress& family_of);
  ConnectOp connect_to(const SocketAddress& remote) { return {state_.get(), remote}; }

  // At least one byte; 0 at the end of the stream.
  RecvOp recv(std::span<uint8_t> buffer, int flags = 0) { return {state_.get(), buffer, flags, false, nullptr}; }
  // The whole buffer, or what there was before the end of the stream.
  RecvOp recv_all(std::span<uint8_t> buffer) { return {state_.get(), buffer, 0, true, nullptr}; }
  // At least one byte; may be fewer than asked.
  SendOp send(std::span<const uint8_t> data, int flags = 0) { return {state_.get(), data, flags, nullptr}; }
  SendAllOp send_all(std::span<const uint8_t> data) { return {state_.get(), data}; }
  // Nothing more will be sent; receiving goes on.
  Result<void> shutdown_write();
};

class TcpListener : public AsyncSocket {
 public:
  TcpListener(Stack& stack, Executor& executor, int fd) : AsyncSocket(stack, executor, fd) {}

  struct [[nodiscard]] AcceptOp final : detail::SocketOpOf<TcpStream> {
    explicit AcceptOp(detail::SocketState* s) : SocketOpOf(s, Direction::read) {}
    Result<TcpStream> call() override;
  };

  // With SO_REUSEADDR. Port 0: a free one, see local().
  static Result<TcpListener> listen(Stack&, Executor&, const SocketAddress& local, int backlog = 128);
  AcceptOp accept() { return AcceptOp(state_.get()); }
};

class UdpSocket : public AsyncSocket {
 public:
  UdpSocket(Stack& stack, Executor& executor, int fd) : AsyncSocket(stack, executor, fd) {}

  static Result<UdpSocket> bound(Stack&, Executor&, const SocketAddress& local);
  Result<void> connect(const SocketAddress& remote);  // only sets the peer: nothing is sent

  // One datagram; what does not fit is lost.
  RecvOp recv(std::span<uint8_t> buffer, int flags = 0) { return {state_.get(), buffer, flags, false, nullptr}; }
  RecvOp recv_from(std::span<uint8_t> buffer, SocketAddress& from, int flags = 0) {
    return {state_.get(), buffer, flags, false, &from};
  }
  SendOp send(std::span<const uint8_t> data, int flags = 0) { return {state_.get(), data, flags, nullptr}; }
  SendOp send_to(std::span<const uint8_t> data, const SocketAddress& to, int flags = 0) {
    return {state_.get(), data, flags, &to};
  }
};

// Bytes of a text, for send_all().
inline std::span<const uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

}  // namespace glass
