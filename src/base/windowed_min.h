// The smallest of the samples of a sliding window of time, in three candidates: the best sample, the best that came
// after it, and the best that came after that one. When the first grows too old its successor takes over, so the answer
// is never a sample from outside the window and nothing is stored per sample.
//
//   WindowedMin rtt;   rtt.add(usecs, now, 300s);   rtt.get()   // ~0u before the first sample
#pragma once
#include <array>
#include <cstdint>

#include "base/time.h"

namespace glass {

class WindowedMin {
 public:
  uint32_t get() const { return best_[0].value; }

  void reset(uint32_t value, Instant now) { best_.fill({value, msecs32(now)}); }

  void add(uint32_t value, Instant now, Duration window) {
    const Sample s{value, msecs32(now)};
    const auto window_ms = static_cast<uint32_t>(window / 1ms);
    if (value <= best_[0].value || s.at_ms - best_[2].at_ms > window_ms) return reset(value, now);
    if (value <= best_[1].value)
      best_[1] = best_[2] = s;
    else if (value <= best_[2].value)
      best_[2] = s;
    age(s, window_ms);
  }

 private:
  struct Sample {
    uint32_t value = ~0u;
    uint32_t at_ms = 0;  // wraps around
  };

  // Lets the old ones go, and sees to it that the three stand for different parts of the window.
  void age(const Sample& s, uint32_t window_ms) {
    const uint32_t since_best = s.at_ms - best_[0].at_ms;
    if (since_best > window_ms) {
      promote(s);
      if (s.at_ms - best_[0].at_ms > window_ms) promote(s);
    } else if (best_[1].at_ms == best_[0].at_ms && since_best > window_ms / 4) {
      best_[1] = best_[2] = s;
    } else if (best_[2].at_ms == best_[1].at_ms && since_best > window_ms / 2) {
      best_[2] = s;
    }
  }

  void promote(const Sample& s) {
    best_[0] = best_[1];
    best_[1] = best_[2];
    best_[2] = s;
  }

  std::array<Sample, 3> best_{};
};

}  // namespace glass
