// The timers of one stack: a hierarchical wheel, as Linux's kernel/time/timer.c has, but exact: a timer never fires
// before its instant, and advance(now) fires everything due, in order of expiry (ties in order of arming).
//
// A timer_list is embedded in its owner and may be armed, moved and cancelled in O(1) without allocation. Its function
// gets the timer back; the owner is found with the usual container arithmetic or through a wrapper struct.
//
//   struct Conn { timer_list rto; };
//   conn.rto.function = [](timer_list* t) { ... };   wheel.mod_timer(&conn.rto, now + 200ms);
//   wheel.advance(now);    Instant when = wheel.next_expiry();
#pragma once
#include <array>
#include <cstdint>

#include "base/time.h"

namespace glass {

struct timer_list {
  timer_list* next = nullptr;  // in its slot; nullptr pprev = not armed
  timer_list** pprev = nullptr;
  Instant expires{};
  void (*function)(timer_list*) = nullptr;

  bool pending() const { return pprev != nullptr; }
};

class TimerWheel {
 public:
  TimerWheel();
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  // Arms the timer, or moves it if it is armed. An instant not after the last advance() fires at the next advance().
  void mod_timer(timer_list*, Instant expires);
  // Disarms; no effect on a timer that is not armed.
  void del_timer(timer_list*);

  // Fires all timers with expires <= now. Functions may arm, move and cancel any timer; one that is armed for an
  // instant <= now from inside a function fires in the same call. Time never goes backwards. Calls at most `limit`
  // functions and then returns false (call again); true when nothing due is left.
  bool advance(Instant now, unsigned limit = ~0u);

  // No timer fires before this instant; kNever when none is armed. May be early (then advance() simply fires nothing),
  // never late. O(levels), not O(timers).
  Instant next_expiry() const;

  unsigned armed() const { return armed_; }

 private:
  // Design notes stand in timer_wheel.cc.
  static constexpr int kLevels = 8, kSlots = 64;
  struct Slot {
    timer_list* first = nullptr;  // newest first
    Instant earliest{};           // no timer of the slot expires before it; meaningless when the slot is empty
  };

  void place(timer_list*);
  void unlink(timer_list*);
  void mark_empty(unsigned slot);
  int first_slot() const;             // index into slot_, or -1
  uint64_t start_of(int slot) const;  // the slot's first tick
  timer_list* next_due();
  void take_due(unsigned slot);
  void cascade(unsigned slot);

  std::array<Slot, kLevels * kSlots> slot_{};
  std::array<uint64_t, kLevels> occupied_{};  // a bit a slot
  uint32_t occupied_levels_ = 0;
  unsigned armed_ = 0;
  timer_list* due_ = nullptr;  // taken from their slot, sorted, not yet fired
  uint64_t tick_ = 0;          // slots are relative to it; never after now_
  Instant now_ = Instant::min();
};

}  // namespace glass
