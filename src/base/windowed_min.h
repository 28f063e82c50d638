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

  void reset(uint32_t value, Instant now) { best_.fill({value, now}); }

  void add(uint32_t value, Instant now, Duration window) {
    const Sample s{value, now};
    if (value <= best_[0].value || now - best_[2].at > window) return reset(value, now);
    if (value <= best_[1].value)
      best_[1] = best_[2] = s;
    else if (value <= best_[2].value)
      best_[2] = s;
    age(s, window);
  }

 private:
  struct Sample {
    uint32_t value = ~0u;
    Instant at{};
  };

  // Lets the old ones go, and sees to it that the three stand for different parts of the window.
  void age(const Sample& s, Duration window) {
    const Duration since_best = s.at - best_[0].at;
    if (since_best > window) {
      promote(s);
      if (s.at - best_[0].at > window) promote(s);
    } else if (best_[1].at == best_[0].at && since_best > window / 4) {
      best_[1] = best_[2] = s;
    } else if (best_[2].at == best_[1].at && since_best > window / 2) {
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
