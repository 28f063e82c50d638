#include "socket/eventpoll.h"

#include <gtest/gtest.h>

#include "socket/pipe.h"

namespace glass {
namespace {

// A file whose readiness the test sets.
struct TestFile final : File {
  uint32_t poll() override { return state; }
  void become(uint32_t s, uint32_t events) {
    state = s;
    wait().wake_up(events);
  }
  uint32_t state = 0;
};

struct Eventpoll : testing::Test {
  // What epoll_wait() with room for `room` gives: "fd:events ...".
  std::string take(eventpoll& from, size_t room = 8) {
    std::vector<epoll_event> events(room);
    const size_t n = from.take(events);
    std::string out;
    for (size_t i = 0; i < n; ++i)
      out += (i ? " " : "") + std::to_string(events[i].data.fd) + ":" + std::to_string(events[i].events);
    return out;
  }
  std::string take(size_t room = 8) { return take(ep, room); }
  int add(File& f, int fd, uint32_t events) {
    const Result<void> r = ep.ctl(EPOLL_CTL_ADD, f, fd, {events, {.fd = fd}});
    return r ? 0 : r.error();
  }
  int mod(File& f, int fd, uint32_t events) {
    const Result<void> r = ep.ctl(EPOLL_CTL_MOD, f, fd, {events, {.fd = fd}});
    return r ? 0 : r.error();
  }
  TestFile a, b;
  eventpoll ep;
};

TEST_F(Eventpoll, LevelIsReportedAsLongAsItLasts) {
  add(a, 4, EPOLLIN);
  EXPECT_EQ(take(), "");
  a.become(POLLIN | POLLOUT, POLLIN);
  EXPECT_EQ(take(), "4:1");
  EXPECT_EQ(take(), "4:1");
  a.state = 0;
  EXPECT_EQ(take(), "");
  a.become(POLLIN, POLLIN);
  EXPECT_EQ(take(), "4:1");
}

TEST_F(Eventpoll, EdgeIsReportedOncePerWakeUpEvenIfNothingWasRead) {
  a.state = POLLOUT;
  add(a, 4, EPOLLIN | EPOLLOUT | EPOLLET);
  EXPECT_EQ(take(), "4:4");
  EXPECT_EQ(take(), "");
  a.become(POLLIN | POLLOUT, POLLIN);
  EXPECT_EQ(take(), "4:5");
  EXPECT_EQ(take(), "");
  a.become(POLLIN | POLLOUT, POLLIN);
  EXPECT_EQ(take(), "4:5");
}

TEST_F(Eventpoll, WakeUpForOtherEventsDoesNotConcernAnEdge) {
  add(a, 4, EPOLLIN | EPOLLET);
  a.become(POLLIN | POLLOUT, POLLOUT);
  EXPECT_EQ(take(), "");
  a.become(POLLIN | POLLOUT, 0);  // a change of state concerns everybody
  EXPECT_EQ(take(), "4:1");
}

TEST_F(Eventpoll, ErrorAndHangUpAreAlwaysReported) {
  add(a, 4, EPOLLET);
  a.become(POLLERR | POLLHUP | POLLIN, POLLERR);
  EXPECT_EQ(take(), "4:" + std::to_string(EPOLLERR | EPOLLHUP));
}

TEST_F(Eventpoll, OneShotFiresOnceUntilArmedAgain) {
  add(a, 4, EPOLLIN | EPOLLONESHOT);
  a.become(POLLIN, POLLIN);
  EXPECT_EQ(take(), "4:1");
  a.become(POLLIN | POLLERR, POLLIN | POLLERR);
  EXPECT_EQ(take(), "");
  EXPECT_EQ(mod(a, 4, EPOLLIN | EPOLLONESHOT), 0);
  EXPECT_EQ(take(), "4:" + std::to_string(EPOLLIN | EPOLLERR));
}

TEST_F(Eventpoll, AddingReportsWhatIsReadyAlready) {
  a.state = POLLIN;
  EXPECT_EQ(add(a, 4, EPOLLIN | EPOLLET), 0);
  EXPECT_EQ(take(), "4:1");
}

TEST_F(Eventpoll, ErrorsOfCtl) {
  EXPECT_EQ(mod(a, 4, EPOLLIN), ENOENT);
  EXPECT_EQ(ep.ctl(EPOLL_CTL_DEL, a, 4).error(), ENOENT);
  EXPECT_EQ(add(a, 4, EPOLLIN), 0);
  EXPECT_EQ(add(a, 4, EPOLLIN), EEXIST);
  EXPECT_EQ(add(a, 5, EPOLLIN), 0);  // another descriptor of the same file is another item
  EXPECT_EQ(add(ep, 6, EPOLLIN), EINVAL);
  EXPECT_EQ(ep.ctl(99, a, 4).error(), EINVAL);
}

TEST_F(Eventpoll, ExclusiveCannotBeChanged) {
  EXPECT_EQ(add(a, 4, EPOLLIN | EPOLLEXCLUSIVE), 0);
  EXPECT_EQ(mod(a, 4, EPOLLIN), EINVAL);
  EXPECT_EQ(add(b, 5, EPOLLIN), 0);
  EXPECT_EQ(mod(b, 5, EPOLLIN | EPOLLEXCLUSIVE), EINVAL);
  EXPECT_EQ(add(b, 6, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT), EINVAL);
}

TEST_F(Eventpoll, ExclusiveWakesOneWaitingSet) {
  struct Sleeper final : wait_queue_entry {
    bool wake(uint32_t) override { return ++woken; }
    int woken = 0;
  } first, second;
  eventpoll other;
  ASSERT_TRUE(other.ctl(EPOLL_CTL_ADD, a, 4, {EPOLLIN | EPOLLEXCLUSIVE, {.fd = 4}}));
  add(a, 4, EPOLLIN | EPOLLEXCLUSIVE);
  other.wait().add(first);
  ep.wait().add(second);
  a.become(POLLIN, POLLIN);
  EXPECT_EQ(first.woken + second.woken, 1);
  EXPECT_EQ(take(other), "4:1");
  EXPECT_EQ(take(), "");
  other.wait().remove(first);
  ep.wait().remove(second);
}

TEST_F(Eventpoll, TheOldestComesFirstAndTheRestWaits) {
  add(a, 4, EPOLLIN | EPOLLET);
  add(b, 5, EPOLLIN | EPOLLET);
  b.become(POLLIN, POLLIN);
  a.become(POLLIN, POLLIN);
  EXPECT_EQ(take(1), "5:1");
  EXPECT_EQ(take(1), "4:1");
  EXPECT_EQ(take(1), "");
}

TEST_F(Eventpoll, ASetInASetIsReadable) {
  eventpoll outer;
  add(a, 4, EPOLLIN);
  ASSERT_TRUE(outer.ctl(EPOLL_CTL_ADD, ep, 9, {EPOLLIN, {.fd = 9}}));
  EXPECT_EQ(take(outer), "");
  a.become(POLLIN, POLLIN);
  EXPECT_EQ(take(outer), "9:1");
}

TEST_F(Eventpoll, AFileThatEndsLeaves) {
  auto file = std::make_unique<TestFile>();
  file->state = POLLIN;
  add(*file, 4, EPOLLIN);
  file.reset();
  EXPECT_EQ(take(), "");
}

}  // namespace
}  // namespace glass
