#include "drill/report.h"

#include <gtest/gtest.h>

#include "drill/run.h"

namespace glass::drill {

TEST(Report, MarksTheWordsThatDiffer) {
  EXPECT_EQ(mark_differences("> . 1:1(0) ack 1 win 5", "> . 1:1(0) ack 2 win 5"), "               ^");
  EXPECT_EQ(mark_differences("> . 1:1(0) <nop,TS val 1 ecr 2>", "> . 1:1(0) <nop,TS val 1 ecr 33>"),
            "                             ^^");
  EXPECT_EQ(mark_differences("> . 1:1(0)", "> . 1:1(0)"), "");
}

TEST(Report, NamesScriptLineAndPackets) {
  RunResult result;
  result.failure = Failure{.line = 12,
                           .event = "+0 > . 1:1(0) ack 1",
                           .what = "ack is 2 instead of 1",
                           .expected = "> . 1:1(0) ack 1",
                           .got = "> . 1:1(0) ack 2",
                           .socket = "ESTAB"};
  Script script;
  script.path = "a.pkt";
  EXPECT_EQ(format_failure(script, result),
            "a.pkt:12: ack is 2 instead of 1\n"
            "  +0 > . 1:1(0) ack 1\n"
            "  expected  > . 1:1(0) ack 1\n"
            "  got       > . 1:1(0) ack 2\n"
            "                           ^\n"
            "  socket\n"
            "    ESTAB\n");
  result.failure.reset();
  EXPECT_EQ(format_failure(script, result), "");
}

}  // namespace glass::drill
