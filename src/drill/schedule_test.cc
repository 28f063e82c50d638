#include "drill/schedule.h"

#include <gtest/gtest.h>

namespace glass::drill {

namespace {

constexpr int64_t kMs = 1000;
using Kind = EventTime::Kind;

}  // namespace

TEST(Schedule, RelativeTimesCountFromTheBase) {
  const Schedule s = plan({Kind::relative, 20 * kMs}, 100 * kMs);
  EXPECT_EQ(s.at_us, 120 * kMs);
  EXPECT_EQ(plan({Kind::absolute, 20 * kMs}, 100 * kMs).at_us, 20 * kMs);
  EXPECT_EQ(plan({Kind::any}, 100 * kMs).at_us, 100 * kMs);
}

TEST(Schedule, RangesHaveAnEnd) {
  const Schedule s = plan({Kind::relative_range, 20 * kMs, 30 * kMs}, 100 * kMs);
  EXPECT_EQ(s.at_us, 120 * kMs);
  EXPECT_EQ(s.end_us, 130 * kMs);
  EXPECT_FALSE(off_schedule(s, 134 * kMs, 100 * kMs, {}, "it came"));
  EXPECT_TRUE(off_schedule(s, 135 * kMs, 100 * kMs, {}, "it came"));
  EXPECT_FALSE(off_schedule(s, 116 * kMs, 100 * kMs, {}, "it came"));
  EXPECT_TRUE(off_schedule(s, 115 * kMs, 100 * kMs, {}, "it came"));
}

TEST(Schedule, ToleratesAFixedTime) {
  const Schedule s = plan({Kind::relative, 10 * kMs}, 100 * kMs);
  EXPECT_FALSE(off_schedule(s, 114 * kMs, 100 * kMs, {}, "it came"));
  EXPECT_TRUE(off_schedule(s, 114 * kMs + 1, 100 * kMs, {}, "it came"));
  EXPECT_FALSE(off_schedule(s, 106 * kMs, 100 * kMs, {}, "it came"));
  EXPECT_TRUE(off_schedule(s, 106 * kMs - 1, 100 * kMs, {}, "it came"));
}

TEST(Schedule, ToleratesAShareOfALongGap) {
  const Schedule s = plan({Kind::relative, 800 * kMs}, 100 * kMs);
  EXPECT_FALSE(off_schedule(s, 1000 * kMs, 100 * kMs, {}, "it came"));
  EXPECT_TRUE(off_schedule(s, 1001 * kMs, 100 * kMs, {}, "it came"));
  EXPECT_TRUE(off_schedule(s, 1000 * kMs, 100 * kMs, {.us = 4000, .percent = 1}, "it came"));
}

TEST(Schedule, AnyTimeIsRight) { EXPECT_FALSE(off_schedule(plan({Kind::any}, 0), 5'000'000, 0, {}, "it came")); }

TEST(Schedule, SaysTimesAsTheScriptWritesThem) {
  const Schedule s = plan({Kind::relative, 20 * kMs}, 100 * kMs);
  EXPECT_EQ(off_schedule(s, 162 * kMs, 100 * kMs, {}, "the packet came"),
            "the packet came at +0.062 s instead of +0.02 s (tolerance 0.004 s)");
  EXPECT_EQ(off_schedule(plan({Kind::absolute, 20 * kMs}, 0), 0, 0, {}, "the packet came"),
            "the packet came at 0 s instead of 0.02 s (tolerance 0.004 s)");
}

}  // namespace glass::drill
