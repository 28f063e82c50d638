// Design. Time is cut in ticks of 2^16 ns (65 us); a tick number has 48 bits, eight digits of six bits: one level a
// digit. A timer stands on the level of the highest digit in which its tick differs from tick_, in the slot that this
// digit names. Hence
//   - everything on a level expires before everything on the levels above, and slots of a level are in order: the
//     earliest timers are always in the first occupied slot of the lowest occupied level, two bit scans away;
//   - tick_ may jump to the start of that slot over any number of empty ones; then the slot's timers are placed anew
//     (at least one level lower), or, on level 0, taken into the sorted list due_ and fired;
//   - timers with the same instant are in the same slot (or in due_, if taken out before the later one was armed).
//     Slots are filled at the front and reversed when emptied: arming order survives, a stable sort is all it takes.
// Timers of the past count as if their tick was tick_. A function that arms a timer for an instant not after now_ puts
// it in a slot as usual; before each firing next_due() looks whether the first slot holds something earlier than due_
// does.
#include "base/timer_wheel.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <utility>

namespace glass {
namespace {

constexpr int kTickShift = 16, kDigit = 6;

// Flipping the sign bit keeps the order and makes it unsigned.
uint64_t tick_of(Instant t) {
  return (static_cast<uint64_t>(t.time_since_epoch().count()) ^ uint64_t{1} << 63) >> kTickShift;
}

// Two sorted lists into one; of equals those of `a` come first. The head's pprev is left to the caller.
timer_list* merge(timer_list* a, timer_list* b) {
  timer_list* head = nullptr;
  timer_list** tail = &head;
  while (a && b) {
    timer_list*& earlier = b->expires < a->expires ? b : a;
    timer_list* t = std::exchange(earlier, earlier->next);
    *tail = t;
    t->pprev = tail;
    tail = &t->next;
  }
  if (timer_list* rest = a ? a : b) {
    *tail = rest;
    rest->pprev = tail;
  }
  return head;
}

// Cuts the ascending run at the front off `list`.
timer_list* cut_run(timer_list*& list) {
  timer_list* run = list;
  timer_list* last = run;
  while (last->next && last->next->expires >= last->expires) {
    last->next->pprev = &last->next;
    last = last->next;
  }
  list = std::exchange(last->next, nullptr);
  return run;
}

// Stable natural merge sort: bin i holds the merger of 2^i runs, in their order.
timer_list* sort(timer_list* list) {
  if (!list) return nullptr;
  timer_list* run = cut_run(list);
  if (!list) return run;
  std::array<timer_list*, 33> bin{};
  bin[0] = run;
  while (list) {
    run = cut_run(list);
    size_t i = 0;
    for (; bin[i]; ++i) run = merge(std::exchange(bin[i], nullptr), run);
    bin[i] = run;
  }
  run = nullptr;
  for (timer_list* b : bin) run = merge(b, run);
  return run;
}

}  // namespace

TimerWheel::TimerWheel() = default;

void TimerWheel::place(timer_list* t) {
  const uint64_t tick = std::max(tick_of(t->expires), tick_);
  const int level = (std::bit_width((tick ^ tick_) | 1) - 1) / kDigit;
  const unsigned digit = (tick >> (level * kDigit)) & (kSlots - 1);
  Slot& slot = slot_[static_cast<unsigned>(level) * kSlots + digit];
  t->next = slot.first;
  t->pprev = &slot.first;
  if (slot.first) {
    slot.first->pprev = &t->next;
    slot.earliest = std::min(slot.earliest, t->expires);
  } else {
    slot.earliest = t->expires;
    occupied_[level] |= uint64_t{1} << digit;
    occupied_levels_ |= 1u << level;
  }
  slot.first = t;
}

void TimerWheel::mark_empty(unsigned slot) {
  const unsigned level = slot / kSlots;
  occupied_[level] &= ~(uint64_t{1} << slot % kSlots);
  if (!occupied_[level]) occupied_levels_ &= ~(1u << level);
}

void TimerWheel::unlink(timer_list* t) {
  *t->pprev = t->next;
  if (t->next) {
    t->next->pprev = t->pprev;
    return;
  }
  // The last of its list. If the link to it is a slot's own, it was also the first, and the link tells which slot.
  const uintptr_t offset = reinterpret_cast<uintptr_t>(t->pprev) - reinterpret_cast<uintptr_t>(slot_.data());
  if (offset < sizeof slot_) mark_empty(static_cast<unsigned>(offset / sizeof(Slot)));
}

void TimerWheel::mod_timer(timer_list* t, Instant expires) {
  if (t->pending())
    unlink(t);
  else
    ++armed_;
  t->expires = expires;
  place(t);
}

void TimerWheel::del_timer(timer_list* t) {
  if (!t->pending()) return;
  unlink(t);
  t->pprev = nullptr;
  --armed_;
}

int TimerWheel::first_slot() const {
  if (!occupied_levels_) return -1;
  const int level = std::countr_zero(occupied_levels_);
  return level * kSlots + std::countr_zero(occupied_[level]);
}

uint64_t TimerWheel::start_of(int slot) const {
  const int shift = slot / kSlots * kDigit;
  const uint64_t below = (uint64_t{kSlots} << shift) - 1;
  return (tick_ & ~below) | static_cast<uint64_t>(slot % kSlots) << shift;
}

// Moves what is due from a slot of level 0 to due_. In the tick of now_ itself some may have to stay.
void TimerWheel::take_due(unsigned index) {
  Slot& slot = slot_[index];
  timer_list* list = std::exchange(slot.first, nullptr);
  timer_list* batch = nullptr;
  timer_list** kept = &slot.first;
  Instant earliest = kNever;
  while (list) {
    timer_list* t = std::exchange(list, list->next);
    if (t->expires <= now_) {
      t->next = batch;
      batch = t;
    } else {
      *kept = t;
      t->pprev = kept;
      kept = &t->next;
      earliest = std::min(earliest, t->expires);
    }
  }
  *kept = nullptr;
  slot.earliest = earliest;
  if (!slot.first) mark_empty(index);
  due_ = merge(due_, sort(batch));
  if (due_) due_->pprev = &due_;
}

// tick_ has reached the slot's start: its timers go to lower levels, which are all empty now.
void TimerWheel::cascade(unsigned index) {
  timer_list* list = std::exchange(slot_[index].first, nullptr);
  mark_empty(index);
  timer_list* oldest_first = nullptr;
  while (list) {
    timer_list* t = std::exchange(list, list->next);
    t->next = std::exchange(oldest_first, t);
  }
  while (oldest_first) place(std::exchange(oldest_first, oldest_first->next));
}

timer_list* TimerWheel::next_due() {
  const uint64_t now_tick = tick_of(now_);
  for (;;) {
    const int i = first_slot();
    // Of equals the one in due_ was armed first: at its taking all that were armed then went with it.
    if (due_ && (i < 0 || slot_[i].earliest >= due_->expires)) return due_;
    if (i < 0 || start_of(i) > now_tick) break;
    tick_ = start_of(i);
    if (i >= kSlots) {
      cascade(static_cast<unsigned>(i));
    } else if (slot_[i].earliest <= now_) {
      take_due(static_cast<unsigned>(i));
    } else {
      break;
    }
  }
  tick_ = now_tick;
  return nullptr;
}

bool TimerWheel::advance(Instant now, unsigned limit) {
  now_ = std::max(now_, now);
  while (timer_list* t = next_due()) {
    if (limit-- == 0) return false;
    del_timer(t);
    t->function(t);
  }
  return true;
}

Instant TimerWheel::next_expiry() const {
  const int i = first_slot();
  if (i < 0) return due_ ? due_->expires : kNever;
  const Slot& slot = slot_[i];
  if (due_) return std::min(due_->expires, slot.earliest);
  // `earliest` may be of a timer that has left. A look at a few decides it in nearly all cases.
  constexpr int kLook = 8;
  Instant earliest = kNever;
  const timer_list* t = slot.first;
  for (int n = 0; t && n < kLook && earliest != slot.earliest; ++n, t = t->next) {
    earliest = std::min(earliest, t->expires);
  }
  return t ? slot.earliest : earliest;
}

}  // namespace glass
