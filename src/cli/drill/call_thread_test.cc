#include "cli/drill/call_thread.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

namespace glass {

TEST(CallThread, ACallThatDoesNotBlockIsOverAtOnce) {
  CallThread calls;
  calls.start([] { return int64_t{7}; });
  const auto done = calls.finished();
  ASSERT_TRUE(done);
  EXPECT_EQ(done->result, 7);
  EXPECT_FALSE(calls.finished()) << "taken once";
}

TEST(CallThread, OneThatBlocksGoesOnBesideTheCaller) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  CallThread calls;
  char byte = 0;
  calls.start([&] { return read(ends[0], &byte, 1); });
  EXPECT_FALSE(calls.finished());
  ASSERT_EQ(write(ends[1], "x", 1), 1);
  pollfd over{calls.fd(), POLLIN, 0};
  ASSERT_EQ(poll(&over, 1, -1), 1);
  const auto done = calls.finished();
  ASSERT_TRUE(done);
  EXPECT_EQ(done->result, 1);
  EXPECT_EQ(byte, 'x');
  over.revents = 0;
  EXPECT_EQ(poll(&over, 1, 0), 0);
  close(ends[0]);
  close(ends[1]);
}

TEST(CallThread, OneStillAsleepIsInterruptedAtTheEnd) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  int64_t result = 0;
  {
    CallThread calls;
    char byte;
    calls.start([&] { return result = read(ends[0], &byte, 1); });
  }
  EXPECT_EQ(result, -1);
  close(ends[0]);
  close(ends[1]);
}

}  // namespace glass
