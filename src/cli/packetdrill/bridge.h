// One Glasstack target between the stock packetdrill's threads.
//
// Time is virtual: packetdrill's clock is the target's, and it moves only while packetdrill sleeps, waits for a packet
// or reads the clock (a microsecond a reading, or its loops would never end). A call that blocks is made on
// packetdrill's second thread, which sleeps here until the first one has let enough time pass. Then the first one waits
// in its turn until the second has read the clock, for that reading is the time at which the call returned.
//
// Descriptors are the kernel's, each an idle one of its own, since packetdrill closes what is left over itself.
#pragma once
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "drill/target.h"

namespace glass::packetdrill {

using drill::Syscalls;

class Bridge {
 public:
  // `commands`: the shell lines of the script, which the target understands itself.
  Bridge(const drill::Addresses&, std::set<std::string> commands);

  // The result or -errno; sleeps as long as it blocks.
  int64_t call(std::function<int64_t(Syscalls&)>);

  int add_descriptor(int64_t fd);  // the kernel's for the target's; a negative one stays as it is
  int descriptor(int kernel_fd);   // the target's; -1 if there is none
  int64_t close(int kernel_fd);

  void inject(std::span<const uint8_t> packet);
  // Waits an hour of the target's time at most.
  std::optional<drill::OutboundPacket> receive();
  int64_t clock_us();
  int64_t epoch_us();
  void sleep(int64_t us);

  bool is_own_command(const std::string& text) const { return commands_.contains(text); }
  std::optional<std::string> command(const std::string& text);
  int64_t raw_sockopt(int kernel_fd, int level, int name, void*, socklen_t*);

 private:
  using Lock = std::unique_lock<std::mutex>;
  int64_t call_alone();
  void run_until(Lock&, int64_t us);
  void hand_over(Lock&);
  void await_second_thread(Lock&);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::unique_ptr<drill::Target> target_;
  std::set<std::string> commands_;
  std::map<int, int> descriptors_;  // the kernel's, the target's

  std::optional<int64_t> result_;  // of the call that blocked
  bool clock_unread_ = false;      // it has returned, its thread has not yet asked for the time
  pid_t caller_ = 0;               // its thread
  bool caller_busy_ = false;       // with the result
};

// There is none before packetdrill_interface_init().
extern Bridge* bridge;

}  // namespace glass::packetdrill
