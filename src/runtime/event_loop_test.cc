#include "runtime/event_loop.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>

#include "async/socket.h"
#include "async/spawn.h"
#include "async/timeout.h"

namespace glass {
namespace {

struct Pipe {
  Pipe() { EXPECT_EQ(pipe(fd.data()), 0); }
  ~Pipe() {
    close(fd[0]);
    close(fd[1]);
  }
  void put() { EXPECT_EQ(write(fd[1], "x", 1), 1); }
  void take() {
    char c;
    EXPECT_EQ(read(fd[0], &c, 1), 1);
  }
  std::array<int, 2> fd{};
};

Task<void> set_after(Executor& executor, Duration d, bool& flag) {
  co_await delay(executor, d);
  flag = true;
}

TEST(EventLoopTest, TimersFireInOrderAndNotBeforeTheirTime) {
  EventLoop loop;
  std::vector<int> order;
  auto note = [](Executor& e, Duration d, int n, std::vector<int>& to) -> Task<void> {
    const Instant due = e.now() + d;
    co_await delay(e, d);
    EXPECT_GE(e.now(), due);
    to.push_back(n);
  };
  spawn(loop, note(loop, 2ms, 2, order));
  spawn(loop, note(loop, 1ms, 1, order));
  EXPECT_TRUE(loop.run_until([&] { return order.size() == 2; }));
  EXPECT_EQ(order, (std::vector{1, 2}));
}

TEST(EventLoopTest, RunUntilGivesUpAtItsLimit) {
  EventLoop loop;
  EXPECT_FALSE(loop.run_until([] { return false; }, 1ms));
  EXPECT_TRUE(loop.run_until([] { return true; }, Duration::zero()));
}

TEST(EventLoopTest, WatchedDescriptorsCallBackWhileReadable) {
  EventLoop loop;
  Pipe pipe;
  int calls = 0;
  loop.watch_fd(pipe.fd[0], [&] {
    ++calls;
    pipe.take();
  });
  pipe.put();
  pipe.put();
  EXPECT_TRUE(loop.run_until([&] { return calls == 2; }));
  EXPECT_FALSE(loop.run_until([&] { return calls > 2; }, 1ms));
}

TEST(EventLoopTest, ACallbackMayRemoveItsOwnWatch) {
  EventLoop loop;
  Pipe pipe;
  int calls = 0;
  loop.watch_fd(pipe.fd[0], [&] {
    ++calls;
    loop.unwatch(pipe.fd[0]);
  });
  pipe.put();
  EXPECT_FALSE(loop.run_until([&] { return calls > 1; }, 1ms));
  EXPECT_EQ(calls, 1);
  loop.watch_fd(pipe.fd[0], [&] { pipe.take(), ++calls; });  // the descriptor can be watched again
  EXPECT_TRUE(loop.run_until([&] { return calls == 2; }));
}

TEST(EventLoopTest, StopFromATaskEndsRun) {
  EventLoop loop;
  bool reached = false;
  spawn(loop, [](EventLoop& l, bool& r) -> Task<void> {
    co_await delay(l, 1us);
    r = true;
    l.stop();
  }(loop, reached));
  loop.run();
  EXPECT_TRUE(reached);
}

TEST(EventLoopTest, StopBeforeRunEndsItAtOnceAndOnlyOnce) {
  EventLoop loop;
  loop.stop();
  loop.run();
  bool fired = false;
  spawn(loop, set_after(loop, 1us, fired));
  EXPECT_TRUE(loop.run_until([&] { return fired; }));
}

EventLoop* stopped_by_signal = nullptr;

TEST(EventLoopTest, StopFromASignalHandlerWakesTheLoop) {
  EventLoop loop;
  stopped_by_signal = &loop;
  struct sigaction action {};
  action.sa_handler = [](int) { stopped_by_signal->stop(); };
  ASSERT_EQ(sigaction(SIGALRM, &action, nullptr), 0);
  const itimerval in_one_ms{{0, 0}, {0, 1000}};
  ASSERT_EQ(setitimer(ITIMER_REAL, &in_one_ms, nullptr), 0);
  loop.run();  // has nothing else to wake up for
  SUCCEED();
}

TEST(EventLoopTest, AnExceptionOfATaskThatNobodyHoldsComesOutOfRun) {
  EventLoop loop;
  spawn(loop, []() -> Task<void> {
    throw std::runtime_error("lost");
    co_return;
  }());
  EXPECT_THROW(loop.run(), std::runtime_error);
}

TEST(EventLoopTest, ADatagramGoesRoundOverLoopback) {
  Stack stack;
  EventLoop loop;
  loop.add_stack(stack);
  const SocketAddress here{IpAddress::v4(127, 0, 0, 1), 7};
  auto exchange = [](Stack& s, Executor& e, SocketAddress to) -> Task<std::string> {
    UdpSocket server = *UdpSocket::bound(s, e, to);
    UdpSocket client = *UdpSocket::bound(s, e, {to.address, 0});
    std::array<uint8_t, 100> buffer;
    const Result<size_t> sent = co_await client.send_to(bytes_of("ping"), to);
    EXPECT_TRUE(sent);
    const Result<size_t> n = co_await with_timeout(e, 5s, server.recv(buffer));
    co_return n ? std::string(buffer.begin(), buffer.begin() + *n) : "error " + std::to_string(n.error());
  };
  auto job = spawn(loop, exchange(stack, loop, here));
  EXPECT_TRUE(loop.run_until([&] { return job.done(); }, 10s));
  EXPECT_EQ(job.result(), "ping");
}

}  // namespace
}  // namespace glass
