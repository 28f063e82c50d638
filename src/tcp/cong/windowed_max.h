// The largest of the samples of a sliding window (Kathleen Nichols' filter, as in Linux's lib/win_minmax): the three
// best of its parts are kept, so that it forgets without storing samples.
//
//   WindowedMax bw;   bw.reset(round, 0);   bw.update(/*window=*/10, round, sample);   bw.get()
#pragma once
#include <cstdint>

namespace glass {

class WindowedMax {
 public:
  uint32_t get() const { return s_[0].v; }
  void reset(uint32_t t, uint32_t v) { s_[0] = s_[1] = s_[2] = {t, v}; }

  void update(uint32_t window, uint32_t t, uint32_t v) {
    const Sample fresh{t, v};
    if (v >= s_[0].v || t - s_[2].t > window) return reset(t, v);  // a new best, or nothing left in the window
    if (v >= s_[1].v)
      s_[1] = s_[2] = fresh;
    else if (v >= s_[2].v)
      s_[2] = fresh;
    age(window, fresh);
  }

 private:
  struct Sample {
    uint32_t t, v;
  };

  // Lets the best go when it is too old, and sees that the others come from later parts of the window.
  void age(uint32_t window, Sample fresh) {
    const uint32_t dt = fresh.t - s_[0].t;
    if (dt > window) {
      s_[0] = s_[1];
      s_[1] = s_[2];
      s_[2] = fresh;
      if (fresh.t - s_[0].t > window) {
        s_[0] = s_[1];
        s_[1] = s_[2];
      }
    } else if (s_[1].t == s_[0].t && dt > window / 4) {
      s_[1] = s_[2] = fresh;
    } else if (s_[2].t == s_[1].t && dt > window / 2) {
      s_[2] = fresh;
    }
  }

  Sample s_[3];
};

}  // namespace glass
