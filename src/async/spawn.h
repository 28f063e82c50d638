// Tasks that run on their own.
//
//   Spawned<int> job = spawn(executor, compute());      // starts in one of the next polls, never inside this call
//   co_await job.wait();   use(job.result());           // or: job.cancel();
//   spawn(executor, serve(stack, executor));            // nobody waits for it
//
// Dropping the Spawned leaves the task running. The executor owns the coroutine; the result is kept as long as a
// Spawned is.
#pragma once
#include <cassert>
#include <memory>

#include "async/executor.h"
#include "async/task.h"

namespace glass {

namespace detail {

// The life of one spawned task. As a Runnable it first starts the coroutine and later, if asked, destroys it. Shared by
// the coroutine and its Spawned handles, so it may be gone when resume() or destroy() returns.
class SpawnState : public Runnable {
 public:
  explicit SpawnState(Executor& e) : Runnable(&e) {}

  void run() override {
    if (!frame) return;
    if (cancel_asked) {
      frame.destroy();
    } else {
      frame.resume();
    }
  }
  void cancel() {
    cancel_asked = true;
    if (frame) post();
  }
  // The coroutine is going away, whether it ended or was destroyed.
  void frame_gone() {
    frame = nullptr;
    while (!waiting.empty()) {
      Runnable& waiter = waiting.front();
      waiting.pop_front();
      waiter.post();
    }
  }

  std::coroutine_handle<> frame;
  bool cancel_asked = false, ended = false;
  std::exception_ptr error;
  AutoUnlinkList<Runnable> waiting;
};

template <class T>
struct SpawnStateOf final : SpawnState {
  using SpawnState::SpawnState;
  std::optional<T> value;
};
template <>
struct SpawnStateOf<void> final : SpawnState {
  using SpawnState::SpawnState;
};

struct SpawnRoot {
  struct promise_type : Executor::RootHook {
    template <class T>
    promise_type(std::shared_ptr<SpawnStateOf<T>>& s, Task<T>&) : state(s.get()) {
      frame = std::coroutine_handle<promise_type>::from_promise(*this);
      state->frame = frame;
      state->executor().add_root(*this);
    }
    ~promise_type() { state->frame_gone(); }
    promise_type(const promise_type&) = delete;
    promise_type& operator=(const promise_type&) = delete;

    SpawnRoot get_return_object() noexcept { return {}; }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }  // run_root() catches everything

    SpawnState* state;
  };
};

template <class T>
SpawnRoot run_root(std::shared_ptr<SpawnStateOf<T>> state, Task<T> task) {
  try {
    if constexpr (std::is_void_v<T>) {
      co_await std::move(task);
    } else {
      state->value.emplace(co_await std::move(task));
    }
  } catch (...) {
    state->error = std::current_exception();
    if (state.use_count() == 1) state->executor().fail(state->error);
  }
  state->ended = true;
}

}  // namespace detail

template <class T>
class Spawned {
 public:
  bool done() const { return !state_->frame; }  // ended or cancelled
  bool cancelled() const { return done() && !state_->ended; }
  // Destroys the task at one of the next polls, unless it ends before. Safe from anywhere, also from inside the task.
  void cancel() { state_->cancel(); }
  // What the task returned; throws what it threw. Only when done() and not cancelled().
  decltype(auto) result() {
    assert(state_->ended);
    if (state_->error) std::rethrow_exception(state_->error);
    if constexpr (!std::is_void_v<T>) return (*state_->value);
  }

  // co_await job.wait(): until done().
  auto wait() const { return Wait(state_); }

 private:
  template <class U>
  friend Spawned<U> spawn(Executor&, Task<U>);
  using State = detail::SpawnStateOf<T>;
  explicit Spawned(std::shared_ptr<State> state) : state_(std::move(state)) {}

  class Wait : public Runnable {
   public:
    explicit Wait(std::shared_ptr<State> s) : Runnable(&s->executor()), state_(std::move(s)) {}
    bool await_ready() const noexcept { return !state_->frame; }
    void await_suspend(std::coroutine_handle<> h) {
      handle_ = h;
      state_->waiting.push_back(*this);
    }
    void await_resume() const noexcept {}
    void run() override { handle_.resume(); }

   private:
    std::shared_ptr<State> state_;
    std::coroutine_handle<> handle_;
  };

  std::shared_ptr<State> state_;
};

template <class T>
Spawned<T> spawn(Executor& executor, Task<T> task) {
  auto state = std::make_shared<detail::SpawnStateOf<T>>(executor);
  detail::run_root<T>(state, std::move(task));
  state->post();
  return Spawned<T>(std::move(state));
}

}  // namespace glass
