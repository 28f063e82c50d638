#include "base/windowed_min.h"

#include <gtest/gtest.h>

#include <deque>

#include "base/rng.h"

namespace glass {
namespace {

Instant at(int64_t ms) { return Instant{} + std::chrono::milliseconds(ms); }

TEST(WindowedMin, KnowsNothingBeforeTheFirstSample) {
  WindowedMin m;
  EXPECT_EQ(m.get(), ~0u);
  m.add(70, at(1), 100ms);
  EXPECT_EQ(m.get(), 70u);
}

TEST(WindowedMin, ASmallerSampleWinsAtOnce) {
  WindowedMin m;
  m.add(70, at(1), 100ms);
  m.add(90, at(2), 100ms);
  EXPECT_EQ(m.get(), 70u);
  m.add(60, at(3), 100ms);
  EXPECT_EQ(m.get(), 60u);
}

TEST(WindowedMin, AnOldSampleIsForgotten) {
  WindowedMin m;
  m.add(10, at(0), 100ms);
  for (int64_t t = 10; t <= 100; t += 10) m.add(50, at(t), 100ms);
  EXPECT_EQ(m.get(), 10u);
  m.add(50, at(110), 100ms);
  EXPECT_EQ(m.get(), 50u);
}

TEST(WindowedMin, AfterALongSilenceOnlyTheNewSampleCounts) {
  WindowedMin m;
  m.add(10, at(0), 100ms);
  m.add(90, at(5'000), 100ms);
  EXPECT_EQ(m.get(), 90u);
}

// It never reports a value from outside the window, and never one smaller than the true minimum within it.
TEST(WindowedMin, StaysWithinTheWindow) {
  Rng rng(7);
  WindowedMin m;
  std::deque<std::pair<int64_t, uint32_t>> samples;
  for (int64_t t = 0; t < 20'000; t += 1 + rng.below(5)) {
    const uint32_t value = 100 + rng.below(1000);
    m.add(value, at(t), 200ms);
    samples.emplace_back(t, value);
    while (t - samples.front().first > 200) samples.pop_front();
    uint32_t least = ~0u;
    bool known = false;
    for (const auto& [when, v] : samples) {
      least = std::min(least, v);
      known |= v == m.get();
    }
    ASSERT_TRUE(known) << "at " << t << " ms";
    ASSERT_GE(m.get(), least) << "at " << t << " ms";
  }
}

}  // namespace
}  // namespace glass
