// Where coroutines wait their turn: a run queue and timers on one time line.
//
// An Executor is driven like a Stack: poll(now) runs what is due, next_deadline() says when to come back. runtime's
// EventLoop (real clock) and sim's World (virtual clock) are Executors that drive themselves; a program with a loop of
// its own uses this class as it is:
//
//   Executor executor;   spawn(executor, serve(stack, executor));
//   loop:  stack.poll(now);   executor.poll(now);   sleep until the earlier of both next_deadline()s, or input
//
// Single-threaded. Nothing is ever run from inside post(): a wake-up from within the stack only marks who is to run.
// Ownership: an Executor owns the tasks spawned on it and destroys them before itself; everything those tasks use
// (stacks, buffers) has to outlive it, or cancel_all() has to be called first.
#pragma once
#include <boost/intrusive/list.hpp>
#include <coroutine>
#include <cstdint>
#include <exception>

#include "base/timer_wheel.h"

namespace glass {

class Executor;

using AutoUnlinkHook = boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
template <class T>
using AutoUnlinkList = boost::intrusive::list<T, boost::intrusive::constant_time_size<false>>;

// Something that can stand in a run queue, usually part of an awaiter. Destroying it takes it out of the queue, which
// is what makes it safe to destroy a waiting coroutine. A copy is not in any queue.
class Runnable : public AutoUnlinkHook {
 public:
  explicit Runnable(Executor* executor) : executor_(executor) {}
  virtual ~Runnable() = default;
  virtual void run() = 0;

  // Runs it in one of the next polls, in order of posting; no effect while it waits already.
  inline void post();
  Executor& executor() const { return *executor_; }

 protected:
  Runnable(const Runnable&) = default;
  Runnable& operator=(const Runnable&) = delete;

 private:
  friend class Executor;
  Executor* executor_;
  uint64_t round_ = 0;
};

class Executor {
 public:
  Executor() = default;
  virtual ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // The instant of the running poll(), or of the last one.
  Instant now() const { return now_; }
  // Fires due timers, then runs what was queued before this call. True if work is left: call again.
  // An exception that leaves a task nobody holds comes out here.
  bool poll(Instant now);
  // When poll() has something to do: now() if something is queued, kNever if nothing is armed. May be early, never
  // late.
  Instant next_deadline() const;

  size_t tasks() const { return roots_.size(); }  // spawned and not finished; counts them one by one
  // Destroys all spawned tasks. Not from inside a task.
  void cancel_all();

  // --- for awaiters
  void post(Runnable&);
  TimerWheel& timers() { return timers_; }

  // --- for spawn()
  struct RootHook : AutoUnlinkHook {
    std::coroutine_handle<> frame;
  };
  void add_root(RootHook& root) { roots_.push_back(root); }
  void fail(std::exception_ptr failure) { failure_ = std::move(failure); }

 protected:
  // For a loop that reads its clock before it asks what is due.
  void set_now(Instant now) { now_ = now > now_ ? now : now_; }

 private:
  Instant now_{};
  uint64_t round_ = 0;
  TimerWheel timers_;
  AutoUnlinkList<Runnable> ready_;
  AutoUnlinkList<RootHook> roots_;
  std::exception_ptr failure_;
};

void Runnable::post() { executor_->post(*this); }

// Posts a Runnable at an instant. Disarms itself when destroyed.
class ExecutorTimer {
 public:
  explicit ExecutorTimer(Runnable& on_expiry) : entry_{on_expiry} {}
  ~ExecutorTimer() { cancel(); }
  ExecutorTimer(const ExecutorTimer&) = delete;
  ExecutorTimer& operator=(const ExecutorTimer&) = delete;

  void arm(Instant when);
  void cancel();

 private:
  struct Entry : timer_list {
    explicit Entry(Runnable& r) : target(r) {}
    Runnable& target;
  };
  Entry entry_;
};

}  // namespace glass
