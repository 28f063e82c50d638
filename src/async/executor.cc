#include "async/executor.h"

#include <algorithm>
#include <utility>

namespace glass {

Executor::~Executor() { cancel_all(); }

void Executor::post(Runnable& runnable) {
  if (runnable.is_linked()) return;
  runnable.round_ = round_;
  ready_.push_back(runnable);
}

bool Executor::poll(Instant now) {
  set_now(now);
  if (timers_.next_expiry() <= now_) timers_.advance(now_);
  // What is posted from here on belongs to the next round, so that a task that always has work cannot keep the stacks
  // waiting.
  const uint64_t this_round = round_++;
  while (!ready_.empty() && ready_.front().round_ <= this_round) {
    Runnable& next = ready_.front();
    ready_.pop_front();
    next.run();
    if (failure_) [[unlikely]]
      std::rethrow_exception(std::exchange(failure_, nullptr));
  }
  return !ready_.empty();
}

Instant Executor::next_deadline() const { return ready_.empty() ? timers_.next_expiry() : now_; }

void Executor::cancel_all() {
  while (!roots_.empty()) roots_.front().frame.destroy();
}

void ExecutorTimer::arm(Instant when) {
  entry_.function = [](timer_list* t) { static_cast<Entry*>(t)->target.post(); };
  entry_.target.executor().timers().mod_timer(&entry_, when);
}

void ExecutorTimer::cancel() {
  if (entry_.pending()) entry_.target.executor().timers().del_timer(&entry_);
}

}  // namespace glass
