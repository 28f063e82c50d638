// Stacks in real time: the monotonic clock, epoll, and the coroutines that use the stacks.
//
//   Stack stack({.seed = random_seed()});
//   EventLoop loop;
//   loop.add_stack(stack);
//   loop.watch_device(tap->fd(), [&] { tap->interrupt(); });
//   spawn(loop, hello_server(stack, loop));
//   loop.run();                                         // until stop()
//
// One turn reads the clock once, takes what the devices have, polls every stack, resumes the coroutines that became
// ready, and sleeps until the nearest deadline or input if nothing is left. While packets keep coming it does not go to
// sleep, nor ask epoll at every turn: devices are looked at directly, and again for a short while (Config::spin) after
// the last packet.
//
// Single-threaded; only stop() may be called from another thread or a signal handler. Ownership: stacks, devices and
// what the callbacks use outlive the loop, because the loop's tasks die with it.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "async/executor.h"
#include "stack/stack.h"

namespace glass {

// From the system's entropy: for StackConfig::seed, wherever somebody else must not foresee sequence numbers and ports.
uint64_t random_seed();

struct EventLoopConfig {
  Duration spin = 20us;           // how long to look for more after the last packet before sleeping; 0: not at all
  unsigned turns_per_check = 64;  // while busy, epoll is asked every so many turns
};

class EventLoop : public Executor {
 public:
  explicit EventLoop(const EventLoopConfig& = {});  // std::system_error if the system has no descriptors left
  ~EventLoop() override;

  void add_stack(Stack&);
  void remove_stack(Stack&);

  // Calls back from the loop while fd is readable (or at its end or in error).
  void watch_fd(int fd, std::function<void()> readable);
  // The same for the interrupt handler of a device, which may also be called when there is nothing to read.
  void watch_device(int fd, std::function<void()> interrupt);
  void unwatch(int fd);

  void run();
  // True when `done`, which is asked once a turn; false if stopped, or after `limit` of time.
  bool run_until(const std::function<bool()>& done, Duration limit = Duration::max());
  // Ends run() after its turn, or the next run() at once.
  void stop() noexcept;

  // The monotonic clock.
  static Instant clock();

 private:
  struct Watch {
    int fd;
    bool device;
    bool recent;  // readable when epoll was asked last
    bool removed;
    std::function<void()> callback;
  };

  void turn(Instant wake_at_latest);
  void look_at_recent_devices();
  void ask_epoll(Duration timeout);
  void add_watch(int fd, bool device, std::function<void()> callback);
  void forget_removed();
  Instant next_event() const;
  uint64_t packets_processed() const;

  EventLoopConfig config_;
  int epoll_fd_, wake_fd_;
  std::atomic<bool> stopped_ = false;
  std::vector<Stack*> stacks_;
  std::vector<std::unique_ptr<Watch>> watches_;
  bool some_removed_ = false;
  unsigned turns_since_check_ = 0;
  Instant look_until_{};
};

}  // namespace glass
