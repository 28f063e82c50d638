#include "async/task.h"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "async/spawn.h"
#include "async/timeout.h"

namespace glass {
namespace {

void run_all(Executor& executor) {
  Instant now = executor.now();
  do {
    while (executor.poll(now)) {
    }
    now = executor.next_deadline();
  } while (now != kNever);
}

Task<int> value(int x) { co_return x; }
Task<int> sum_to(int n) {
  int sum = 0;
  for (int i = 1; i <= n; ++i) sum += co_await value(i);
  co_return sum;
}
Task<int> count_to(int n) {
  int count = 0;
  while (count < n) count += co_await value(1);
  co_return count;
}
Task<int> failing(Executor& e) {
  co_await reschedule(e);
  throw std::runtime_error("broken");
}
Task<void> note(std::vector<int>& to, int what) {
  to.push_back(what);
  co_return;
}

// Says when a coroutine's locals are gone.
struct Witness {
  explicit Witness(int& c) : count(c) { ++count; }
  Witness(const Witness&) = delete;
  Witness& operator=(const Witness&) = delete;
  ~Witness() { --count; }
  int& count;
};

TEST(TaskTest, RunsOnlyWhenAwaited) {
  Executor executor;
  std::vector<int> log;
  { Task<void> never = note(log, 1); }
  EXPECT_TRUE(log.empty());
  spawn(executor, note(log, 2));
  EXPECT_TRUE(log.empty()) << "spawn() must not run the task inside the call";
  run_all(executor);
  EXPECT_EQ(log, std::vector{2});
}

TEST(TaskTest, GivesItsValue) {
  Executor executor;
  auto job = spawn(executor, sum_to(10));
  EXPECT_FALSE(job.done());
  run_all(executor);
  ASSERT_TRUE(job.done());
  EXPECT_EQ(job.result(), 55);
}

TEST(TaskTest, ManyTasksThatDoNotWaitNeedNoStack) {
  Executor executor;
  auto job = spawn(executor, count_to(200'000));
  run_all(executor);
  EXPECT_EQ(job.result(), 200'000);
}

Task<int> depth(Executor& e, int n) {
  if (n == 0) {
    co_await reschedule(e);
    co_return 0;
  }
  co_return 1 + co_await depth(e, n - 1);
}

TEST(TaskTest, ADeepChainResumesThroughAllLevels) {
  Executor executor;
  auto job = spawn(executor, depth(executor, 1000));
  run_all(executor);
  EXPECT_EQ(job.result(), 1000);
}

TEST(TaskTest, PassesMoveOnlyValues) {
  Executor executor;
  auto make = []() -> Task<std::unique_ptr<int>> { co_return std::make_unique<int>(7); };
  auto use = [](Task<std::unique_ptr<int>> t) -> Task<int> { co_return *co_await std::move(t); };
  auto job = spawn(executor, use(make()));
  run_all(executor);
  EXPECT_EQ(job.result(), 7);
}

TEST(TaskTest, ExceptionsPassThroughAwaits) {
  Executor executor;
  auto outer = [](Executor& e) -> Task<std::string> {
    try {
      co_return std::to_string(co_await failing(e));
    } catch (const std::runtime_error& error) {
      co_return error.what();
    }
  };
  auto job = spawn(executor, outer(executor));
  run_all(executor);
  EXPECT_EQ(job.result(), "broken");
}

TEST(TaskTest, AHeldTaskKeepsItsException) {
  Executor executor;
  auto job = spawn(executor, failing(executor));
  run_all(executor);
  ASSERT_TRUE(job.done());
  EXPECT_FALSE(job.cancelled());
  EXPECT_THROW(job.result(), std::runtime_error);
}

TEST(TaskTest, ADroppedTaskThrowsOutOfPoll) {
  Executor executor;
  std::vector<int> log;
  (void)spawn(executor, failing(executor));
  (void)spawn(executor, note(log, 1));
  EXPECT_THROW(run_all(executor), std::runtime_error);
  run_all(executor);  // the others go on
  EXPECT_EQ(log, std::vector{1});
  EXPECT_EQ(executor.tasks(), 0u);
}

TEST(TaskTest, TasksRunInOrderOfPosting) {
  Executor executor;
  std::vector<int> log;
  auto twice = [](Executor& e, std::vector<int>& to, int n) -> Task<void> {
    to.push_back(n);
    co_await reschedule(e);
    to.push_back(10 + n);
  };
  for (int i = 0; i < 4; ++i) spawn(executor, twice(executor, log, i));
  EXPECT_TRUE(executor.poll(Instant{1s})) << "the second halves wait for the next poll";
  EXPECT_EQ(log, (std::vector{0, 1, 2, 3}));
  EXPECT_EQ(executor.next_deadline(), Instant{1s});
  EXPECT_FALSE(executor.poll(Instant{1s}));
  EXPECT_EQ(log, (std::vector{0, 1, 2, 3, 10, 11, 12, 13}));
  EXPECT_EQ(executor.next_deadline(), kNever);
}

TEST(TaskTest, OneTaskWaitsForAnother) {
  Executor executor;
  std::vector<int> log;
  auto slow = spawn(executor, [](Executor& e, std::vector<int>& to) -> Task<int> {
    co_await delay(e, 10ms);
    to.push_back(1);
    co_return 5;
  }(executor, log));
  auto waiter = [](Spawned<int> job, std::vector<int>& to) -> Task<void> {
    co_await job.wait();
    to.push_back(job.result());
    co_await job.wait();  // done already
    to.push_back(6);
  };
  spawn(executor, waiter(slow, log));
  spawn(executor, waiter(slow, log));
  run_all(executor);
  EXPECT_EQ(log, (std::vector{1, 5, 6, 5, 6}));
}

Task<void> hold(Executor& e, int& alive, bool& finished) {
  Witness witness(alive);
  co_await delay(e, 1s);
  finished = true;
}
Task<void> hold_below(Executor& e, int& alive, bool& finished) {
  Witness witness(alive);
  co_await hold(e, alive, finished);
}

TEST(TaskTest, CancelDestroysTheWholeChain) {
  Executor executor;
  int alive = 0;
  bool finished = false;
  auto job = spawn(executor, hold_below(executor, alive, finished));
  executor.poll(Instant{});
  EXPECT_EQ(alive, 2);
  job.cancel();
  EXPECT_FALSE(job.done());
  run_all(executor);
  EXPECT_TRUE(job.done());
  EXPECT_TRUE(job.cancelled());
  EXPECT_EQ(alive, 0);
  EXPECT_FALSE(finished);
  EXPECT_EQ(executor.timers().armed(), 0u) << "the delay must have left the timers";
  job.cancel();  // no effect
}

TEST(TaskTest, CancelBeforeTheStartNeverRunsIt) {
  Executor executor;
  std::vector<int> log;
  auto job = spawn(executor, note(log, 1));
  job.cancel();
  run_all(executor);
  EXPECT_TRUE(job.cancelled());
  EXPECT_TRUE(log.empty());
}

TEST(TaskTest, ATaskMayCancelItself) {
  Executor executor;
  int alive = 0;
  std::optional<Spawned<void>> job;
  job = spawn(executor, [](Executor& e, std::optional<Spawned<void>>& self, int& count) -> Task<void> {
    Witness witness(count);
    self->cancel();
    co_await delay(e, 1s);
    ADD_FAILURE() << "cancelled, and still running";
  }(executor, job, alive));
  run_all(executor);
  EXPECT_TRUE(job->cancelled());
  EXPECT_EQ(alive, 0);
}

TEST(TaskTest, WhoWaitsForACancelledTaskGoesOn) {
  Executor executor;
  int alive = 0;
  bool finished = false, went_on = false;
  auto job = spawn(executor, hold(executor, alive, finished));
  spawn(executor, [](Spawned<void> j, bool& flag) -> Task<void> {
    co_await j.wait();
    flag = j.cancelled();
  }(job, went_on));
  executor.poll(Instant{});
  job.cancel();
  run_all(executor);
  EXPECT_TRUE(went_on);
}

TEST(TaskTest, TheExecutorTakesItsTasksWithIt) {
  int alive = 0;
  bool finished = false;
  std::optional<Spawned<void>> kept;
  {
    Executor executor;
    kept = spawn(executor, hold_below(executor, alive, finished));
    spawn(executor, hold(executor, alive, finished));
    executor.poll(Instant{});
    EXPECT_EQ(executor.tasks(), 2u);
    EXPECT_EQ(alive, 3);
  }
  EXPECT_EQ(alive, 0);
  EXPECT_TRUE(kept->cancelled());
}

}  // namespace
}  // namespace glass
