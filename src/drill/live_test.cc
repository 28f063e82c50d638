#include "drill/live.h"

#include <gtest/gtest.h>

namespace glass::drill {

namespace {

Live connection() {
  Live live;
  live.script_local_isn = 100;
  live.local_isn = 5'000'000;
  live.remote_isn = 700;
  return live;
}

}  // namespace

TEST(Live, CountsFromTheSynOfEachSide) {
  const Live live = connection();
  EXPECT_EQ(live.local_seq(1, false), 5'000'001u);
  EXPECT_EQ(live.remote_seq(1, false), 701u);
  EXPECT_EQ(live.script_local_seq(5'000'011, false), 11u);
  EXPECT_EQ(live.script_remote_seq(711, false), 11u);
}

TEST(Live, SynsKeepTheScriptsAbsoluteNumbers) {
  const Live live = connection();
  EXPECT_EQ(live.local_seq(100, true), 5'000'000u);
  EXPECT_EQ(live.script_local_seq(5'000'000, true), 100u);
  EXPECT_EQ(live.remote_seq(700, true), 700u);
  EXPECT_EQ(live.script_remote_seq(700, true), 700u);
}

TEST(Live, NumbersWrap) {
  Live live;
  live.local_isn = 0xfffffff0;
  EXPECT_EQ(live.local_seq(0x20, false), 0x10u);
  EXPECT_EQ(live.script_local_seq(0x10, false), 0x20u);
}

TEST(Live, EchoesOnlyWhatWasSent) {
  Live live;
  EXPECT_FALSE(live.tsecr(100, false));
  EXPECT_FALSE(live.tsecr(100, true));
  live.learn_tsval(100, 9000);
  live.learn_tsval(120, 9025);
  EXPECT_EQ(live.tsecr(100, false), 9000u);
  EXPECT_EQ(live.tsecr(120, false), 9025u);
  EXPECT_FALSE(live.tsecr(110, false));
}

TEST(Live, ScaledEchoesCountFromTheFirstPair) {
  Live live;
  live.learn_tsval(100, 9000);
  live.learn_tsval(120, 9025);
  EXPECT_EQ(live.tsecr(110, true), 9010u);
  EXPECT_EQ(live.script_tsval(9025), 125u);
}

}  // namespace glass::drill
