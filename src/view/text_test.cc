#include "view/text.h"

#include <gtest/gtest.h>

namespace glass {
namespace {

TEST(Text, BytesAndRates) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(999), "999 B");
  EXPECT_EQ(format_bytes(1000), "1.0 kB");
  EXPECT_EQ(format_bytes(999'960), "1.0 MB");
  EXPECT_EQ(format_bytes(10'485'760), "10.5 MB");
  EXPECT_EQ(format_bytes(1'073'741'824), "1.1 GB");
  EXPECT_EQ(format_rate(10'000'000, 2s), "5.0 MB/s");
  EXPECT_EQ(format_rate(1, Duration::zero()), "-");
}

TEST(Text, SourcePathsAreRelativeToTheTree) {
  EXPECT_EQ(source_path("/home/me/glasstack/src/tcp/tcp_input.cc"), "src/tcp/tcp_input.cc");
  EXPECT_EQ(source_path("/home/me/src/glasstack/src/ip/ip.cc"), "src/ip/ip.cc");
  EXPECT_EQ(source_path("src/ip/ip.cc"), "src/ip/ip.cc");
  EXPECT_EQ(source_path("elsewhere.cc"), "elsewhere.cc");
  EXPECT_EQ(format_place("ip_rcv", "/x/src/ip/ip_input.cc", 7), "ip_rcv (src/ip/ip_input.cc:7)");
}

TEST(Text, TablesAlignByWhatIsSeen) {
  Table table({{"NAME"}, {"N", Table::Align::right}, {"REST"}});
  table.add({"✗", "1", "a"});
  table.add({"long name", "1000", ""});
  EXPECT_EQ(table.text(), "NAME          N  REST\n✗             1  a\nlong name  1000\n");
  EXPECT_EQ(table.text(Style{.colour = true}).substr(0, 4), "\x1b[1m");
}

TEST(Text, Wraps) {
  EXPECT_EQ(wrap("one two three", 9, 2), "  one two\n  three\n");
  EXPECT_EQ(wrap("unbreakable", 4, 1), " unbreakable\n");
  EXPECT_EQ(wrap("", 10, 2), "");
}

TEST(Text, ColourOnlyWhereWanted) {
  EXPECT_EQ(Style{}.red("x"), "x");
  EXPECT_EQ((Style{.colour = true}.red("x")), "\x1b[31mx\x1b[0m");
}

}  // namespace
}  // namespace glass
