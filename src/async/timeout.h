// Waiting for time, and for an operation at most so long.
//
//   co_await delay(executor, 200ms);
//   Result<size_t> n = co_await with_timeout(executor, 500ms, stream.recv(buffer));   // ETIMEDOUT
//
// with_timeout() takes anything whose result is a Result<T>: a socket operation or a whole Task. When time is up the
// operation is destroyed where it waits. A single socket operation has then taken nothing; a Task may have done part of
// its work.
#pragma once
#include "async/executor.h"
#include "async/task.h"
#include "base/errno.h"

namespace glass {

namespace detail {

// Awaits a task that may be interrupted: run() ends the wait with an error.
template <class R>
class Interruptible : public Runnable {
 public:
  Interruptible(Executor& e, Task<R> task, int error) : Runnable(&e), task_(std::move(task)), error_(error) {}

  bool await_ready() const noexcept { return false; }
  R await_resume() {
    if (is_linked()) unlink();  // an interruption that came too late
    return interrupted_ ? R(Err(error_)) : awaiter_->await_resume();
  }
  void run() override {
    interrupted_ = true;
    task_.reset();
    handle_.resume();
  }

 protected:
  bool start(std::coroutine_handle<> h) {
    handle_ = h;
    awaiter_.emplace(std::move(task_).operator co_await());
    return awaiter_->await_suspend(h);
  }
  // The wait is over before it began.
  bool refuse() {
    interrupted_ = true;
    return false;
  }

 private:
  Task<R> task_;
  std::optional<typename Task<R>::Awaiter> awaiter_;
  std::coroutine_handle<> handle_;
  int error_;
  bool interrupted_ = false;
};

template <class R>
class TimeoutAwaiter final : public Interruptible<R> {
 public:
  TimeoutAwaiter(Executor& e, Task<R> task, Instant when)
      : Interruptible<R>(e, std::move(task), ETIMEDOUT), when_(when) {}
  bool await_suspend(std::coroutine_handle<> h) {
    if (!this->start(h)) return false;
    timer_.arm(when_);
    return true;
  }
  R await_resume() {
    timer_.cancel();
    return Interruptible<R>::await_resume();
  }

 private:
  Instant when_;
  ExecutorTimer timer_{*this};
};

template <class R>
struct [[nodiscard]] Timeout {
  Executor& executor;
  Instant when;
  Task<R> task;
  TimeoutAwaiter<R> operator co_await() && { return TimeoutAwaiter<R>(executor, std::move(task), when); }
};

class DelayAwaiter final : public Runnable {
 public:
  DelayAwaiter(Executor& e, Instant when) : Runnable(&e), when_(when) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> h) {
    handle_ = h;
    timer_.arm(when_);
  }
  void await_resume() const noexcept {}
  void run() override { handle_.resume(); }

 private:
  Instant when_;
  std::coroutine_handle<> handle_;
  ExecutorTimer timer_{*this};
};

class RescheduleAwaiter final : public Runnable {
 public:
  using Runnable::Runnable;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> h) {
    handle_ = h;
    post();
  }
  void await_resume() const noexcept {}
  void run() override { handle_.resume(); }

 private:
  std::coroutine_handle<> handle_;
};

struct [[nodiscard]] Delay {
  Executor& executor;
  Instant when;
  DelayAwaiter operator co_await() const { return DelayAwaiter(executor, when); }
};

}  // namespace detail

// Time counts from this call, not from the co_await.
inline detail::Delay delay(Executor& executor, Duration d) { return {executor, executor.now() + d}; }
inline detail::Delay delay_until(Executor& executor, Instant when) { return {executor, when}; }

// Lets everything else that is ready run first.
inline detail::RescheduleAwaiter reschedule(Executor& executor) { return detail::RescheduleAwaiter(&executor); }

template <class A>
auto with_timeout(Executor& executor, Duration d, A operation) {
  using R = AwaitResult<A>;
  return detail::Timeout<R>{executor, executor.now() + d, as_task(std::move(operation))};
}

}  // namespace glass
