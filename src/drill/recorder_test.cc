#include "drill/recorder.h"

#include <gtest/gtest.h>

namespace glass::drill {

TEST(Recorder, WritesEventsWithTheTimesBetweenThem) {
  Script script;
  script.options = {{"tolerance_usecs", "6000"}, {"strict_segments", ""}};
  script.init = CommandEvent{"begin"};
  script.cleanup = CommandEvent{"end"};
  Recorder recorder(script);
  recorder.line(0, "socket(..., SOCK_STREAM, IPPROTO_TCP) = 3");
  const size_t call = recorder.line(10'000, "read(3, ..., 10) = 0");
  const size_t packet = recorder.line(10'500, "< . 1:1(0) ack 1 win 10");
  recorder.replace(call, "read(3, ..., 10) = 5");
  recorder.returned(call, 110'000);
  recorder.note(packet, "ok");
  EXPECT_EQ(recorder.text(), R"(--tolerance_usecs=6000
--strict_segments
`begin`

0         socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0.01...+0.11 read(3, ..., 10) = 5
+0.0005   < . 1:1(0) ack 1 win 10                                        // ok

`end`
)");
}

TEST(Recorder, TakesTheTimeOffAnEvent) {
  EXPECT_EQ(text_without_time({.text = "+0...0.2 read(4, ..., 10) = 0", .what = SyscallEvent{.name = "read"}}),
            "read(4, ..., 10) = 0");
  EXPECT_EQ(text_without_time({.text = "0.1 `true`", .what = CommandEvent{"true"}}), "`true`");
  EXPECT_EQ(text_without_time({.text = "+0 %{ assert 1 }%", .what = CodeEvent{" assert 1 "}}), "%{ assert 1 }%");
}

TEST(Recorder, PutsAnotherResult) {
  EXPECT_EQ(with_result("read(4, ..., 10) = 0", "= -1 EAGAIN"), "read(4, ..., 10) = -1 EAGAIN");
  EXPECT_EQ(with_result("poll([{fd=4, events=POLLIN}], 1, 0) = 1", "= 0"), "poll([{fd=4, events=POLLIN}], 1, 0) = 0");
}

}  // namespace glass::drill
