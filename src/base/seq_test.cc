#include "base/seq.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace glass {
namespace {

TEST(Seq, OrderAcrossTheWrap) {
  EXPECT_TRUE(before(Seq{0xfffffff0}, Seq{5}));
  EXPECT_TRUE(after(Seq{5}, Seq{0xfffffff0}));
  EXPECT_FALSE(before(Seq{7}, Seq{7}));
  EXPECT_FALSE(after(Seq{7}, Seq{7}));
  EXPECT_EQ(later(Seq{0xfffffff0}, Seq{5}), Seq{5});
  EXPECT_EQ(earlier(Seq{0xfffffff0}, Seq{5}), Seq{0xfffffff0});
}

TEST(Seq, ArithmeticWraps) {
  EXPECT_EQ(Seq{0xffffffff} + 2, Seq{1});
  EXPECT_EQ(Seq{1} - 2u, Seq{0xffffffff});
  EXPECT_EQ(Seq{4} - Seq{0xfffffffe}, 6u);
  Seq s{0xfffffffe};
  s += 3;
  EXPECT_EQ(s, Seq{1});
}

TEST(Seq, BetweenIncludesBothEnds) {
  EXPECT_TRUE(between(Seq{0xfffffff0}, Seq{0xfffffff0}, Seq{10}));
  EXPECT_TRUE(between(Seq{10}, Seq{0xfffffff0}, Seq{10}));
  EXPECT_TRUE(between(Seq{0}, Seq{0xfffffff0}, Seq{10}));
  EXPECT_FALSE(between(Seq{11}, Seq{0xfffffff0}, Seq{10}));
  EXPECT_FALSE(between(Seq{0xffffffef}, Seq{0xfffffff0}, Seq{10}));
  EXPECT_TRUE(between(Seq{3}, Seq{3}, Seq{3}));
}

TEST(Seq, OrderDependsOnlyOnTheDistance) {
  Rng rng(1);
  for (int i = 0; i < 100000; ++i) {
    const Seq a{rng.next_u32()};
    const uint32_t ahead = 1 + rng.below(0x7fffffff);  // 1 to 2^31 - 1
    ASSERT_TRUE(before(a, a + ahead)) << a.v << " + " << ahead;
    ASSERT_FALSE(after(a, a + ahead)) << a.v << " + " << ahead;
    ASSERT_EQ((a + ahead) - a, ahead);
    ASSERT_EQ(later(a, a + ahead), a + ahead);
    ASSERT_EQ(earlier(a + ahead, a), a);
    const uint32_t within = rng.next_u32();
    ASSERT_EQ(between(a + within, a, a + ahead), within <= ahead) << a.v << " " << within << " " << ahead;
  }
}

}  // namespace
}  // namespace glass
