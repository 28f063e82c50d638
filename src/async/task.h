// A coroutine that computes a T.
//
//   Task<int> twice(int x) { co_return 2 * x; }
//   Task<int> four_times(int x) { int y = co_await twice(x);   co_return co_await twice(y); }
//
// Lazy: it starts when it is awaited (or spawned, see spawn.h). Exceptions pass to whoever awaits. A Task owns its
// coroutine: destroying it while it waits cancels what it waits for, and everything below it.
//
// A chain of tasks that never has to wait runs without growing the machine stack, in every build mode.
#pragma once
#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

namespace glass {

template <class T = void>
class Task;

namespace detail {

class TaskPromiseBase {
 public:
  std::suspend_always initial_suspend() noexcept { return {}; }

  struct FinalAwaiter {
    bool await_ready() noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) noexcept {
      TaskPromiseBase& promise = self.promise();
      // Still inside start(): the awaiting coroutine goes on by itself when start() returns.
      return promise.starting_ ? std::noop_coroutine() : promise.continuation_;
    }
    void await_resume() noexcept {}
  };
  FinalAwaiter final_suspend() noexcept { return {}; }

  // Runs the coroutine until it waits or ends. True if it ended; else `continuation` is resumed when it does.
  bool start(std::coroutine_handle<> self, std::coroutine_handle<> continuation) {
    continuation_ = continuation;
    starting_ = true;
    self.resume();
    starting_ = false;
    return self.done();
  }

 private:
  std::coroutine_handle<> continuation_;
  bool starting_ = false;
};

template <class T>
class TaskPromise : public TaskPromiseBase {
 public:
  Task<T> get_return_object() noexcept;
  template <class U = T>
  void return_value(U&& value) {
    result_.template emplace<1>(std::forward<U>(value));
  }
  void unhandled_exception() noexcept { result_.template emplace<2>(std::current_exception()); }
  T take() {
    if (result_.index() == 2) std::rethrow_exception(std::get<2>(result_));
    return std::move(std::get<1>(result_));
  }

 private:
  std::variant<std::monostate, T, std::exception_ptr> result_;
};

template <>
class TaskPromise<void> : public TaskPromiseBase {
 public:
  Task<void> get_return_object() noexcept;
  void return_void() noexcept {}
  void unhandled_exception() noexcept { error_ = std::current_exception(); }
  void take() {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  std::exception_ptr error_;
};

}  // namespace detail

template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::TaskPromise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  explicit Task(Handle handle) noexcept : handle_(handle) {}
  Task(Task&& o) noexcept : handle_(std::exchange(o.handle_, nullptr)) {}
  Task& operator=(Task&& o) noexcept {
    if (this != &o) {
      reset();
      handle_ = std::exchange(o.handle_, nullptr);
    }
    return *this;
  }
  ~Task() { reset(); }

  // Destroys the coroutine. Not from inside it.
  void reset() {
    if (Handle h = std::exchange(handle_, nullptr)) h.destroy();
  }

  struct Awaiter {
    Handle handle;
    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> continuation) { return !handle.promise().start(handle, continuation); }
    T await_resume() { return handle.promise().take(); }
  };
  // A task is awaited once.
  Awaiter operator co_await() && noexcept { return {handle_}; }

 private:
  Handle handle_;
};

namespace detail {

template <class T>
Task<T> TaskPromise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<TaskPromise<T>>::from_promise(*this));
}
inline Task<void> TaskPromise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<TaskPromise<void>>::from_promise(*this));
}

template <class A>
concept HasCoAwait = requires(A&& a) {
  std::forward<A>(a).operator co_await();
};
template <class A>
decltype(auto) awaiter_of(A&& a) {
  if constexpr (HasCoAwait<A>) {
    return std::forward<A>(a).operator co_await();
  } else {
    return std::forward<A>(a);
  }
}

}  // namespace detail

// What `co_await a` gives.
template <class A>
using AwaitResult = decltype(detail::awaiter_of(std::declval<A>()).await_resume());

// Anything that can be awaited, as a task.
template <class T>
Task<T> as_task(Task<T> task) {
  return task;
}
template <class A>
Task<AwaitResult<A>> as_task(A awaitable) {
  co_return co_await std::move(awaitable);
}

}  // namespace glass
