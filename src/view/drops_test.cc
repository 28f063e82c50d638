#include "view/drops.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace glass {
namespace {

const DropPlace* first_place() { return DROP(TCP_CSUM); }
const DropPlace* second_place() { return DROP(QDISC_DROP); }

TEST(Drops, CatalogueHoldsEveryPlaceOnce) {
  const auto rows = drop_catalogue();
  ASSERT_FALSE(rows.empty());
  for (size_t i = 1; i < rows.size(); ++i) EXPECT_NE(rows[i - 1], rows[i]);
  const DropRow mine = drop_row(*first_place());
  EXPECT_EQ(mine.reason, "TCP_CSUM");
  EXPECT_EQ(mine.function, "first_place");
  EXPECT_EQ(mine.file, "src/view/drops_test.cc");
  EXPECT_EQ(std::ranges::count(rows, mine), 1);
}

TEST(Drops, RowsAreWhatWasTakenMostFrequentFirst) {
  Trace trace;
  trace.drop(first_place(), 1, 60, nullptr, 0);
  for (int i = 0; i < 3; ++i) trace.drop(second_place(), 2, 60, nullptr, 0);
  const auto rows = drop_rows(trace);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].reason, "QDISC_DROP");
  EXPECT_EQ(rows[0].count, 3u);
  EXPECT_EQ(rows[1].count, 1u);
  const std::string text = format_drops_by_place(rows);
  EXPECT_NE(text.find("    3  QDISC_DROP  second_place (src/view/drops_test.cc:"), std::string::npos) << text;
  EXPECT_NE(format_drops_by_reason(rows).find("    1  TCP_CSUM    The TCP checksum is wrong."), std::string::npos);
}

TEST(Drops, StacksAreCountedWhileTracing) {
  static constexpr FunctionInfo kOuter{"tcp_v4_rcv", "src/tcp/a.cc", 5};
  Trace trace;
  trace.start();
  trace.enter(&kOuter, 1, 60);
  trace.drop(first_place(), 1, 60, nullptr, 0);
  trace.leave();
  const auto rows = drop_stack_rows(trace);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].stack, std::vector<std::string>{"tcp_v4_rcv (src/tcp/a.cc:5)"});
  EXPECT_NE(format_drops_by_stack(rows).find("1 x TCP_CSUM at first_place (src/view/drops_test.cc:"),
            std::string::npos);
}

TEST(Drops, NothingDropped) {
  EXPECT_EQ(format_drops_by_place({}), "no packet was dropped\n");
  EXPECT_EQ(format_drops_by_reason({}), "no packet was dropped\n");
  EXPECT_EQ(format_drops_by_stack({}), "no packet was dropped while tracing was on\n");
}

TEST(Drops, JsonRoundTrip) {
  const std::vector<DropRow> rows{{"TCP_CSUM", "tcp_v4_rcv", "src/tcp/a.cc", 7, 3}};
  EXPECT_EQ(drop_rows_from_json(to_json(rows)), rows);
  EXPECT_EQ(catalogue_json(rows).dump(),
            R"([{"reason":"TCP_CSUM","function":"tcp_v4_rcv","file":"src/tcp/a.cc","line":7}])");
  const auto stacks = drop_stack_rows_from_json(to_json(std::vector<DropStackRow>{{rows[0], {"a", "b"}}}));
  ASSERT_EQ(stacks.size(), 1u);
  EXPECT_EQ(stacks[0].stack, (std::vector<std::string>{"a", "b"}));
}

TEST(Drops, JsonOfAnyKindIsTaken) {
  for (const char* text : {"null", "3", "{}", "[3]", R"([{"count":"many","stack":7,"line":-1}])"}) {
    const Json j = Json::parse(text);
    for (const DropRow& r : drop_rows_from_json(j)) EXPECT_EQ(r, DropRow());
    for (const DropStackRow& r : drop_stack_rows_from_json(j)) EXPECT_TRUE(r.stack.empty());
  }
}

}  // namespace
}  // namespace glass
