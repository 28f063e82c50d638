#include <gtest/gtest.h>

#include "base/rng.h"
#include "dev/qdisc.h"

namespace glass {
namespace {

using Distribution = NetemConfig::Distribution;

TEST(NetemParse, NothingIsNoImpairment) { EXPECT_EQ(parse_netem(""), NetemConfig{}); }

TEST(NetemParse, EveryOption) {
  const auto c = parse_netem(
      "delay 20ms 5ms 25% distribution normal loss random 2% 10% duplicate 1% corrupt 0.1% reorder 25% 50% gap 5 rate "
      "100mbit limit 5000");
  ASSERT_TRUE(c) << c.error();
  EXPECT_EQ(*c, (NetemConfig{.delay = 20ms,
                             .jitter = 5ms,
                             .delay_correlation = 0.25,
                             .distribution = Distribution::normal,
                             .loss = 0.02,
                             .loss_correlation = 0.1,
                             .duplicate = 0.01,
                             .corrupt = 0.001,
                             .reorder = 0.25,
                             .reorder_correlation = 0.5,
                             .gap = 5,
                             .rate = 100'000'000,
                             .limit = 5000}));
}

TEST(NetemParse, UnitsOfTime) {
  const std::pair<const char*, Duration> rows[] = {{"1s", 1s},       {"2secs", 2s},    {"1.5ms", 1500us},
                                                   {"10msec", 10ms}, {"100us", 100us}, {"7usecs", 7us},
                                                   {"12ns", 12ns},   {"0", 0ns},       {"3MS", 3ms}};
  for (const auto& [word, expected] : rows) {
    const auto c = parse_netem(std::string("delay ") + word);
    ASSERT_TRUE(c) << c.error();
    EXPECT_EQ(c->delay, expected) << word;
  }
}

TEST(NetemParse, UnitsOfRate) {
  const std::pair<const char*, uint64_t> rows[] = {{"10kbit", 10'000},       {"100mbit", 100'000'000},
                                                   {"1gbit", 1'000'000'000}, {"1.5Gbit", 1'500'000'000},
                                                   {"5000", 5000},           {"9bit", 9},
                                                   {"1kibit", 1024},         {"10mbps", 80'000'000}};
  for (const auto& [word, expected] : rows) {
    const auto c = parse_netem(std::string("rate ") + word);
    ASSERT_TRUE(c) << c.error();
    EXPECT_EQ(c->rate, expected) << word;
  }
}

TEST(NetemParse, PercentSignMayBeLeftOut) {
  EXPECT_EQ(parse_netem("loss 2")->loss, 0.02);
  EXPECT_EQ(parse_netem("loss 100%")->loss, 1.0);
  EXPECT_EQ(parse_netem("drop 0.5%")->loss, 0.005);
}

TEST(NetemParse, ReorderWithoutGapConcernsEveryPacket) { EXPECT_EQ(parse_netem("delay 1ms reorder 5%")->gap, 1u); }

// The message names the word at fault.
TEST(NetemParse, BadWordsAreNamed) {
  const std::pair<const char*, const char*> rows[] = {
      {"dela 10ms", "\"dela\""},
      {"delay", "after \"delay\""},
      {"delay fast", "\"fast\""},
      {"delay 10", "\"10\""},
      {"delay 10ms 5", "\"5\""},
      {"delay 10parsec", "\"10parsec\""},
      {"delay -5ms", "\"-5ms\""},
      {"loss 101%", "\"101%\""},
      {"loss 2% 10x", "\"10x\""},
      {"loss gemodel 1%", "\"gemodel\""},
      {"loss state 1%", "\"state\""},
      {"limit 0", "\"limit\""},
      {"limit 1.5", "\"1.5\""},
      {"limit", "after \"limit\""},
      {"rate 10parsec", "\"10parsec\""},
      {"rate 0", "\"0\""},
      {"slot 1ms 2ms", "\"slot\""},
      {"ecn", "\"ecn\""},
      {"distribution pareto", "\"pareto\""},
      {"distribution normal", "\"distribution\""},
      {"delay 1ms 0ms 5%", "\"delay\""},
      {"reorder 25%", "\"reorder\""},
      {"delay 1ms gap 5", "\"gap\""},
      {"rate 1mbit 20", "\"20\""},
      {"duplicate nan", "\"nan\""},
      {"delay 1e30s", "\"1e30s\""},
      {"delay 99999999999999s", "\"99999999999999s\""},
  };
  for (const auto& [words, named] : rows) {
    const auto c = parse_netem(words);
    ASSERT_FALSE(c) << words;
    EXPECT_NE(c.error().find(named), std::string::npos) << words << " -> " << c.error();
    EXPECT_EQ(c.error().find('\n'), std::string::npos);
  }
}

TEST(NetemParse, FormatReadsBack) {
  EXPECT_EQ(format_netem({}), "limit 1000");
  EXPECT_EQ(format_netem({.delay = 20ms}), "limit 1000 delay 20ms");
  EXPECT_EQ(format_netem({.delay = 1500us, .loss = 0.02, .rate = 100'000'000}),
            "limit 1000 delay 1500us loss 2% rate 100mbit");
  for (uint64_t seed = 1; seed <= 500; ++seed) {
    Rng rng(seed);
    const auto probability = [&rng] { return rng.below(2) ? rng.below(1001) / 1000.0 : 0.0; };
    const auto duration = [&rng] {
      return Duration(rng.below(2) ? int64_t{rng.below(1000)} * 1000000 : int64_t{rng.next_u32()});
    };
    NetemConfig c{.delay = duration() + 1ns,
                  .jitter = duration() + 1ns,
                  .delay_correlation = probability(),
                  .loss = probability(),
                  .duplicate = probability()};
    c.distribution = rng.below(2) ? Distribution::normal : Distribution::uniform;
    if (c.loss > 0) c.loss_correlation = probability();
    c.reorder = probability();
    if (c.reorder > 0) c.gap = 1 + rng.below(5);
    c.rate = rng.below(2) ? rng.next_u32() : 0;
    c.limit = 1 + rng.below(100000);
    EXPECT_TRUE(parse_netem(format_netem(c)) == c) << "seed " << seed << ": " << format_netem(c);
  }
}

TEST(MakeQdisc, KnowsItsDisciplines) {
  SkbPool pool;
  net ns(pool, 1);
  EXPECT_EQ(make_qdisc(ns, "pfifo_fast", 1).value()->describe(), "pfifo_fast");
  EXPECT_EQ(make_qdisc(ns, "noqueue", 1).value(), nullptr);
  EXPECT_EQ(make_qdisc(ns, "netem", 1).value()->describe(), "netem limit 1000");
  EXPECT_EQ(make_qdisc(ns, " netem delay 10ms ", 1).value()->describe(), "netem limit 1000 delay 10ms");
  for (const char* bad : {"", "fq", "netemdelay 1ms", "pfifo_fast limit 3", "netem delay"})
    EXPECT_FALSE(make_qdisc(ns, bad, 1)) << bad;
  EXPECT_NE(make_qdisc(ns, "fq", 1).error().find("\"fq\""), std::string::npos);
}

}  // namespace
}  // namespace glass
