#include "async/timeout.h"

#include <gtest/gtest.h>

#include <vector>

#include "async/cancel.h"
#include "async/spawn.h"

namespace glass {
namespace {

constexpr Instant at(Duration d) { return Instant{d}; }

void run_until(Executor& executor, Instant end) {
  for (Instant now = executor.now(); now <= end; now = executor.next_deadline())
    while (executor.poll(now)) {
    }
  executor.poll(end);
}

Task<Result<int>> answer_after(Executor& e, Duration d, int answer) {
  co_await delay(e, d);
  co_return answer;
}
Task<Result<int>> at_once(int answer) { co_return answer; }

// The result as a number: the value, or the error below zero.
int number(const Result<int>& r) { return r ? *r : -r.error(); }

template <class A>
Task<int> outcome(A awaitable) {
  co_return number(co_await std::move(awaitable));
}

TEST(DelayTest, ResumesAtItsInstant) {
  Executor executor;
  executor.poll(at(1s));
  bool fired = false;
  spawn(executor, [](Executor& e, bool& f) -> Task<void> {
    co_await delay(e, 200ms);
    f = true;
  }(executor, fired));
  run_until(executor, at(1s + 200ms) - 1ns);
  EXPECT_FALSE(fired);
  run_until(executor, at(1s + 200ms));
  EXPECT_TRUE(fired);
}

TEST(DelayTest, ManyResumeInOrderOfTimeThenOfArming) {
  Executor executor;
  std::vector<int> log;
  auto wait = [](Executor& e, Duration d, int n, std::vector<int>& to) -> Task<void> {
    co_await delay(e, d);
    to.push_back(n);
  };
  spawn(executor, wait(executor, 3ms, 1, log));
  spawn(executor, wait(executor, 1ms, 2, log));
  spawn(executor, wait(executor, 3ms, 3, log));
  spawn(executor, wait(executor, Duration::zero(), 4, log));
  run_until(executor, at(1s));
  EXPECT_EQ(log, (std::vector{4, 2, 1, 3}));
}

TEST(WithTimeoutTest, GivesTheResultThatComesInTime) {
  Executor executor;
  auto job = spawn(executor, outcome(with_timeout(executor, 20ms, answer_after(executor, 10ms, 5))));
  run_until(executor, at(1s));
  EXPECT_EQ(job.result(), 5);
  EXPECT_EQ(executor.timers().armed(), 0u);
}

TEST(WithTimeoutTest, GivesTheResultThatIsThereAtOnce) {
  Executor executor;
  auto job = spawn(executor, outcome(with_timeout(executor, 20ms, at_once(5))));
  executor.poll(at(0s));
  EXPECT_EQ(job.result(), 5);
  EXPECT_EQ(executor.timers().armed(), 0u);
}

TEST(WithTimeoutTest, EndsWhatIsLateAndDestroysIt) {
  Executor executor;
  auto job = spawn(executor, outcome(with_timeout(executor, 20ms, answer_after(executor, 30ms, 5))));
  run_until(executor, at(20ms) - 1ns);
  EXPECT_FALSE(job.done());
  run_until(executor, at(20ms));
  ASSERT_TRUE(job.done());
  EXPECT_EQ(job.result(), -ETIMEDOUT);
  EXPECT_EQ(executor.timers().armed(), 0u);
}

TEST(WithTimeoutTest, TheInnerOneOfTwoCountsFirst) {
  Executor executor;
  auto inner = spawn(
      executor, outcome(with_timeout(executor, 50ms, with_timeout(executor, 20ms, answer_after(executor, 90ms, 5)))));
  auto outer = spawn(
      executor, outcome(with_timeout(executor, 20ms, with_timeout(executor, 50ms, answer_after(executor, 90ms, 5)))));
  run_until(executor, at(20ms));
  EXPECT_EQ(inner.result(), -ETIMEDOUT);
  EXPECT_EQ(outer.result(), -ETIMEDOUT);
  EXPECT_EQ(executor.timers().armed(), 0u);
}

TEST(WithTimeoutTest, ATimeoutAtTheSameInstantAsTheResultIsNotBoth) {
  Executor executor;
  std::vector<int> log;
  auto job = [](Executor& e, std::vector<int>& to) -> Task<void> {
    to.push_back(number(co_await with_timeout(e, 10ms, answer_after(e, 10ms, 5))));
    co_await delay(e, 1s);
    to.push_back(1);
  };
  spawn(executor, job(executor, log));
  run_until(executor, at(2s));
  ASSERT_EQ(log.size(), 2u);
  EXPECT_EQ(log[1], 1);
}

TEST(WithTimeoutTest, DestroyingTheWaiterDisarms) {
  Executor executor;
  auto job = spawn(executor, outcome(with_timeout(executor, 20ms, answer_after(executor, 10ms, 5))));
  executor.poll(at(0s));
  EXPECT_EQ(executor.timers().armed(), 2u);
  job.cancel();
  executor.poll(at(0s));
  EXPECT_EQ(executor.timers().armed(), 0u);
}

TEST(CancelTest, EndsAllThatWaitsUnderTheToken) {
  Executor executor;
  CancelSource source;
  auto a = spawn(executor, outcome(with_cancel(executor, source.token(), answer_after(executor, 10ms, 1))));
  auto b = spawn(executor, outcome(with_cancel(executor, source.token(), answer_after(executor, 30ms, 2))));
  auto c = spawn(executor, outcome(with_cancel(executor, CancelToken(), answer_after(executor, 30ms, 3))));
  run_until(executor, at(20ms));
  source.cancel();
  EXPECT_FALSE(b.done()) << "cancel() only marks";
  run_until(executor, at(20ms));
  EXPECT_EQ(a.result(), 1);
  EXPECT_EQ(b.result(), -ECANCELED);
  run_until(executor, at(40ms));
  EXPECT_EQ(c.result(), 3);
}

TEST(CancelTest, WhatBeginsLaterEndsAtOnce) {
  Executor executor;
  CancelSource source;
  source.cancel();
  auto job = spawn(executor, outcome(with_cancel(executor, source.token(), answer_after(executor, 10ms, 1))));
  executor.poll(at(0s));
  EXPECT_EQ(job.result(), -ECANCELED);
}

TEST(CancelTest, AnOperationMayCancelItself) {
  Executor executor;
  CancelSource source;
  auto suicidal = [](Executor& e, CancelSource& s) -> Task<Result<int>> {
    s.cancel();
    co_await delay(e, 1s);
    co_return 1;
  };
  auto late = [](Executor& e, CancelSource& s) -> Task<Result<int>> {
    co_await delay(e, 1s);
    s.cancel();
    co_return 2;  // it ends before the mark is looked at
  };
  auto first = spawn(executor, outcome(with_cancel(executor, source.token(), suicidal(executor, source))));
  run_until(executor, at(0s));
  EXPECT_EQ(first.result(), -ECANCELED);
  CancelSource other;
  auto second = spawn(executor, outcome(with_cancel(executor, other.token(), late(executor, other))));
  run_until(executor, at(3s));
  EXPECT_EQ(second.result(), 2);
}

TEST(CancelTest, DestroyingTheWaiterLeavesTheSource) {
  Executor executor;
  CancelSource source;
  auto job = spawn(executor, outcome(with_cancel(executor, source.token(), answer_after(executor, 10ms, 1))));
  executor.poll(at(0s));
  job.cancel();
  executor.poll(at(0s));
  EXPECT_TRUE(job.cancelled());
  source.cancel();  // finds nobody
  EXPECT_FALSE(executor.poll(at(0s)));
}

}  // namespace
}  // namespace glass
