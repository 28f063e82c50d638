// Cancelling from elsewhere.
//
//   CancelSource stop;
//   spawn(executor, serve(stack, executor, stop.token()));
//     ... in it:  Result<TcpStream> peer = co_await with_cancel(executor, token, listener.accept());   // ECANCELED
//   stop.cancel();
//
// cancel() only marks; what waits under the token ends with ECANCELED in one of the next polls, and what is begun under
// it later ends at once. So it is safe from anywhere, also from inside the operation that it cancels.
#pragma once
#include <memory>

#include "async/timeout.h"

namespace glass {

namespace detail {
struct CancelState {
  bool cancelled = false;
  AutoUnlinkList<Runnable> waiting;
};
}  // namespace detail

// A copy belongs to the same source. One made without a source is never cancelled.
class CancelToken {
 public:
  CancelToken() = default;
  bool cancelled() const { return state_ && state_->cancelled; }
  // While it waits, `target` is posted by cancel().
  void add(Runnable& target) const {
    if (state_) state_->waiting.push_back(target);
  }

 private:
  friend class CancelSource;
  explicit CancelToken(std::shared_ptr<detail::CancelState> s) : state_(std::move(s)) {}
  std::shared_ptr<detail::CancelState> state_;
};

class CancelSource {
 public:
  CancelToken token() const { return CancelToken(state_); }
  bool cancelled() const { return state_->cancelled; }
  void cancel() {
    state_->cancelled = true;
    while (!state_->waiting.empty()) {
      Runnable& target = state_->waiting.front();
      state_->waiting.pop_front();
      target.post();
    }
  }

 private:
  std::shared_ptr<detail::CancelState> state_ = std::make_shared<detail::CancelState>();
};

namespace detail {

template <class R>
class CancelAwaiter final : public Interruptible<R> {
 public:
  CancelAwaiter(Executor& e, CancelToken token, Task<R> task)
      : Interruptible<R>(e, std::move(task), ECANCELED), token_(std::move(token)) {}
  bool await_suspend(std::coroutine_handle<> h) {
    if (token_.cancelled()) return this->refuse();
    if (!this->start(h)) return false;
    if (token_.cancelled()) {
      this->post();  // by the operation itself, before it had to wait
    } else {
      token_.add(*this);
    }
    return true;
  }

 private:
  CancelToken token_;
};

template <class R>
struct [[nodiscard]] Cancellable {
  Executor& executor;
  CancelToken token;
  Task<R> task;
  CancelAwaiter<R> operator co_await() && { return CancelAwaiter<R>(executor, std::move(token), std::move(task)); }
};

}  // namespace detail

template <class A>
auto with_cancel(Executor& executor, CancelToken token, A operation) {
  using R = AwaitResult<A>;
  return detail::Cancellable<R>{executor, std::move(token), as_task(std::move(operation))};
}

}  // namespace glass
