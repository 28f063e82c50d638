// Who waits for one file, several at once (Linux's wait_queue_head).
//
// A socket has room for one SocketWaiter; a wait_queue_head is one that passes the wake-up on to as many entries as
// have joined. Entries belong to their owners and leave before they die. wake() notes what happened and returns: it
// neither calls the stack nor changes the queue.
#pragma once
#include <algorithm>
#include <vector>

#include "net/sock.h"

namespace glass {

class wait_queue_entry {
 public:
  virtual ~wait_queue_entry() = default;
  // `events` are POLLIN and the like; 0 stands for any change. False: nobody was waiting behind this entry, so an
  // exclusive wake-up goes on to the next.
  virtual bool wake(uint32_t events) = 0;
};

class wait_queue_head final : public SocketWaiter {
 public:
  void add(wait_queue_entry& e) { shared_.push_back(&e); }
  void add_exclusive(wait_queue_entry& e) { exclusive_.push_back(&e); }
  void remove(wait_queue_entry& e) {
    std::erase(shared_, &e);
    std::erase(exclusive_, &e);
  }
  bool active() const { return !shared_.empty() || !exclusive_.empty(); }

  // All ordinary entries, and of the exclusive ones the first that has somebody to wake.
  void wake_up(uint32_t events) {
    for (wait_queue_entry* e : shared_) e->wake(events);
    for (wait_queue_entry* e : exclusive_)
      if (e->wake(events)) break;
  }
  void sk_wake(socket&, uint32_t poll_events) override { wake_up(poll_events); }

 private:
  std::vector<wait_queue_entry*> shared_, exclusive_;
};

}  // namespace glass
