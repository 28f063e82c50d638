// A thread on which a script's system calls are made, so that one that blocks does not hold up the script.
//
//   CallThread calls;
//   calls.start([&] { return ::read(fd, buffer, n); });      // returns when the call is over, or asleep in the kernel
//   poll({calls.fd(), ...});   calls.finished()              // its result and when it came back
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

namespace glass {

class CallThread {
 public:
  // `begin` is run on the thread first.
  explicit CallThread(std::function<void()> begin = {});
  ~CallThread();  // a call still asleep is interrupted
  CallThread(const CallThread&) = delete;
  CallThread& operator=(const CallThread&) = delete;

  // One call at a time: the one before has been taken with finished().
  void start(std::function<int64_t()> call);
  struct Finished {
    int64_t result;
    std::chrono::steady_clock::time_point when;
  };
  std::optional<Finished> finished();
  int fd() const { return event_; }  // readable once a call is over, until it is taken

 private:
  enum class Stage : int { idle, waiting, running, over };
  void work(const std::function<void()>& begin);
  bool asleep() const;

  int event_;
  std::atomic<Stage> stage_{Stage::idle};
  std::atomic<bool> ending_{false};
  std::atomic<int> tid_{0};
  std::function<int64_t()> call_;
  Finished result_{};
  std::mutex mutex_{};
  std::condition_variable wake_{};
  std::thread thread_;
};

}  // namespace glass
