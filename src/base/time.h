// Instants and durations of a stack's own time line.
//
// The stack never reads a clock: every entry takes the time as an argument (law 1). `Clock` therefore has no now();
// an Instant comes from `runtime` (the real monotonic clock) or from `sim` (virtual time). Unit: nanoseconds.
//
//   Instant due = now + 200ms;
#pragma once
#include <chrono>
#include <cstdint>

namespace glass {

using namespace std::chrono_literals;  // NOLINT: 200ms reads better than any constructor

struct Clock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<Clock>;
  static constexpr bool is_steady = true;
};

using Instant = Clock::time_point;
using Duration = Clock::duration;

inline constexpr Instant kNever = Instant::max();  // "no deadline"

// Whole micro- and milliseconds since the time line's zero, cut to 32 bits as Linux's jiffies32 are.
constexpr uint32_t usecs32(Instant t) { return static_cast<uint32_t>(t.time_since_epoch().count() / 1000); }
constexpr uint32_t msecs32(Instant t) { return static_cast<uint32_t>(t.time_since_epoch().count() / 1'000'000); }
constexpr uint64_t usecs64(Instant t) { return static_cast<uint64_t>(t.time_since_epoch().count()) / 1000; }
constexpr int64_t to_usecs(Duration d) { return d.count() / 1000; }

}  // namespace glass
