#include "base/rng.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

namespace glass {
namespace {

TEST(Rng, FirstValuesOfSeedZero) {
  Rng rng(0);
  // splitmix64 from 0 gives e220a8397b1dcdaf 6e789e6aa1b965f4 06c45d188009454f f88bb8a8724c81ec; the first output is
  // rotl(6e789e6aa1b965f4 * 5, 7) * 9.
  EXPECT_EQ(rng.next(), 0x99ec5f36cb75f2b4ull);
  EXPECT_EQ(rng.next(), 0xbf6e1f784956452aull);
}

TEST(Rng, TheSameSeedRepeatsAndOthersDiffer) {
  Rng a(42), b(42), c(43);
  int equal = 0;
  for (int i = 0; i < 1000; ++i) {
    const uint64_t x = a.next();
    ASSERT_EQ(x, b.next());
    equal += x == c.next();
  }
  EXPECT_EQ(equal, 0);
}

TEST(Rng, ForkIsRepeatableAndIndependent) {
  Rng a(1), b(1);
  Rng fork_a = a.fork(), fork_b = b.fork();
  std::set<uint64_t> seen;
  for (int i = 0; i < 1000; ++i) {
    const uint64_t x = fork_a.next();
    ASSERT_EQ(x, fork_b.next());
    seen.insert(x);
    seen.insert(a.next());
  }
  EXPECT_EQ(seen.size(), 2000u);
}

TEST(Rng, BelowIsInRangeAndEven) {
  Rng rng(5);
  EXPECT_EQ(rng.below(0), 0u);
  EXPECT_EQ(rng.below(1), 0u);
  std::array<int, 7> count{};
  for (int i = 0; i < 70000; ++i) {
    const uint32_t x = rng.below(7);
    ASSERT_LT(x, 7u);
    ++count[x];
  }
  for (int n : count) EXPECT_NEAR(n, 10000, 500);
  // A limit for which taking the upper half alone would give the lower third twice the weight of the rest.
  int low = 0;
  for (int i = 0; i < 30000; ++i) low += rng.below(3u << 30) < 1u << 30;
  EXPECT_NEAR(low, 10000, 500);
}

TEST(Rng, UniformFillsTheUnitInterval) {
  Rng rng(6);
  double sum = 0, least = 1, most = 0;
  for (int i = 0; i < 100000; ++i) {
    const double x = rng.uniform();
    ASSERT_GE(x, 0);
    ASSERT_LT(x, 1);
    sum += x, least = std::min(least, x), most = std::max(most, x);
  }
  EXPECT_NEAR(sum / 100000, 0.5, 0.01);
  EXPECT_LT(least, 0.001);
  EXPECT_GT(most, 0.999);
}

TEST(Rng, ChanceHasItsProbability) {
  Rng rng(7);
  int never = 0, always = 0, third = 0;
  for (int i = 0; i < 30000; ++i) never += rng.chance(0), always += rng.chance(1), third += rng.chance(1.0 / 3);
  EXPECT_EQ(never, 0);
  EXPECT_EQ(always, 30000);
  EXPECT_NEAR(third, 10000, 500);
}

TEST(Rng, NormalHasTheMomentsAndTailsOfTheBellCurve) {
  Rng rng(8);
  constexpr int kDraws = 200000;
  double sum = 0, squares = 0, fourth = 0;
  int within_one = 0, beyond_three = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double x = rng.normal();
    sum += x, squares += x * x, fourth += x * x * x * x;
    within_one += std::abs(x) < 1;
    beyond_three += std::abs(x) > 3;
  }
  EXPECT_NEAR(sum / kDraws, 0, 0.01);
  EXPECT_NEAR(squares / kDraws, 1, 0.02);
  EXPECT_NEAR(fourth / kDraws, 3, 0.1);
  EXPECT_NEAR(within_one / double{kDraws}, 0.6827, 0.005);
  EXPECT_NEAR(beyond_three / double{kDraws}, 0.0027, 0.0006);
}

TEST(Rng, NormalEqualsThePolarMethodWithTheLibrarysLogarithm) {
  Rng rng(9), same(9);
  for (int i = 0; i < 20000; ++i) {
    double x, s;
    do {
      x = 2 * same.uniform() - 1;
      const double y = 2 * same.uniform() - 1;
      s = x * x + y * y;
    } while (s <= 0 || s >= 1);
    ASSERT_NEAR(rng.normal(), x * std::sqrt(-2 * std::log(s) / s), 1e-13) << "seed 9, round " << i;
  }
}

}  // namespace
}  // namespace glass
