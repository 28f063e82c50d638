#include "base/timer_wheel.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "base/rng.h"

namespace glass {
namespace {

Instant at(int64_t ns) { return Instant(Duration(ns)); }

struct Probe {
  timer_list timer;
  int id = 0;
  std::vector<int>* fired = nullptr;
};

Probe& probe_of(timer_list* t) { return *reinterpret_cast<Probe*>(t); }

struct Probes {
  explicit Probes(size_t n) : probe(n) {
    for (size_t i = 0; i < n; ++i) {
      probe[i].id = static_cast<int>(i);
      probe[i].fired = &fired;
      probe[i].timer.function = [](timer_list* t) { probe_of(t).fired->push_back(probe_of(t).id); };
    }
  }
  timer_list* operator[](size_t i) { return &probe[i].timer; }
  std::vector<Probe> probe;
  std::vector<int> fired;
};

using Ids = std::vector<int>;

TEST(TimerWheel, SizeStaysSmall) { EXPECT_LE(sizeof(timer_list), 32u); }

TEST(TimerWheel, EmptyNeverExpires) {
  TimerWheel wheel;
  EXPECT_EQ(wheel.next_expiry(), kNever);
  EXPECT_TRUE(wheel.advance(at(1'000'000'000'000)));
  EXPECT_EQ(wheel.next_expiry(), kNever);
}

TEST(TimerWheel, FiresAtItsInstantAndNotANanosecondBefore) {
  TimerWheel wheel;
  Probes p(1);
  wheel.advance(at(12345));
  for (int64_t ahead : {1, 100, 65'535, 65'536, 4'194'304, 200'000'000, 2'000'000'000}) {
    const int64_t due = 12345 + 3 * ahead;
    wheel.mod_timer(p[0], at(due));
    EXPECT_EQ(wheel.next_expiry(), at(due));
    EXPECT_TRUE(wheel.advance(at(due - 1)));
    EXPECT_TRUE(p.fired.empty()) << due;
    EXPECT_EQ(wheel.next_expiry(), at(due));
    EXPECT_TRUE(wheel.advance(at(due)));
    EXPECT_EQ(p.fired, Ids{0}) << due;
    EXPECT_FALSE(p[0]->pending());
    EXPECT_EQ(wheel.armed(), 0u);
    p.fired.clear();
  }
}

TEST(TimerWheel, OrderOfExpiryThenOfArming) {
  TimerWheel wheel;
  Probes p(6);
  wheel.mod_timer(p[0], at(3'000'000'000));
  wheel.mod_timer(p[1], at(500));
  wheel.mod_timer(p[2], at(3'000'000'000));
  wheel.mod_timer(p[3], at(400));
  wheel.mod_timer(p[4], at(500));
  wheel.mod_timer(p[5], at(3'000'000'000));
  wheel.mod_timer(p[0], at(3'000'000'000));  // armed again: now after its equals
  wheel.advance(at(1'000'000'000'000));
  EXPECT_EQ(p.fired, (Ids{3, 1, 4, 2, 5, 0}));
}

TEST(TimerWheel, PastInstantsFireAtTheNextAdvanceInOrder) {
  TimerWheel wheel;
  Probes p(4);
  wheel.advance(at(10'000'000));
  wheel.mod_timer(p[0], at(10'000'000));
  wheel.mod_timer(p[1], at(-5));
  wheel.mod_timer(p[2], at(9'000'000));
  wheel.mod_timer(p[3], Instant::min());
  EXPECT_LE(wheel.next_expiry(), at(10'000'000));
  EXPECT_TRUE(p.fired.empty());
  wheel.advance(at(10'000'000));
  EXPECT_EQ(p.fired, (Ids{3, 1, 2, 0}));
}

TEST(TimerWheel, WorksAtBothEndsOfTime) {
  TimerWheel wheel;
  Probes p(3);
  wheel.mod_timer(p[0], kNever);
  wheel.mod_timer(p[1], kNever - 1ns);
  wheel.mod_timer(p[2], Instant::min() + 1ns);
  EXPECT_TRUE(wheel.advance(Instant::min()));
  EXPECT_TRUE(p.fired.empty());
  EXPECT_TRUE(wheel.advance(kNever - 2ns));
  EXPECT_EQ(p.fired, (Ids{2}));
  EXPECT_TRUE(wheel.advance(kNever));
  EXPECT_EQ(p.fired, (Ids{2, 1, 0}));
}

TEST(TimerWheel, CancelledTimersDoNotFire) {
  TimerWheel wheel;
  Probes p(3);
  for (int i = 0; i < 3; ++i) wheel.mod_timer(p[i], at(1000 * i));
  wheel.del_timer(p[1]);
  wheel.del_timer(p[1]);
  EXPECT_EQ(wheel.armed(), 2u);
  wheel.advance(at(1'000'000));
  EXPECT_EQ(p.fired, (Ids{0, 2}));
}

TEST(TimerWheel, LimitStopsAndSaysSo) {
  TimerWheel wheel;
  Probes p(4);
  for (int i = 0; i < 4; ++i) wheel.mod_timer(p[i], at(10 + i));
  EXPECT_FALSE(wheel.advance(at(100), 0));
  EXPECT_FALSE(wheel.advance(at(100), 3));
  EXPECT_EQ(p.fired, (Ids{0, 1, 2}));
  EXPECT_LE(wheel.next_expiry(), at(100));
  EXPECT_EQ(wheel.armed(), 1u);
  EXPECT_TRUE(wheel.advance(at(100), 1));
  EXPECT_EQ(p.fired, (Ids{0, 1, 2, 3}));
}

TEST(TimerWheel, FunctionMayCancelATimerThatIsDueToo) {
  struct Canceller {
    timer_list timer;
    TimerWheel* wheel;
    timer_list* victim;
  };
  TimerWheel wheel;
  Probes p(3);
  Canceller c{{}, &wheel, p[1]};
  c.timer.function = [](timer_list* t) {
    auto* self = reinterpret_cast<Canceller*>(t);
    self->wheel->del_timer(self->victim);
  };
  wheel.mod_timer(&c.timer, at(5));
  for (int i = 0; i < 3; ++i) wheel.mod_timer(p[i], at(6));
  wheel.advance(at(10));
  EXPECT_EQ(p.fired, (Ids{0, 2}));
  EXPECT_EQ(wheel.armed(), 0u);
}

TEST(TimerWheel, PeriodicTimerCatchesUpInOneCall) {
  struct Periodic {
    timer_list timer;
    TimerWheel* wheel;
    std::vector<Instant> seen;
  };
  TimerWheel wheel;
  Periodic x{{}, &wheel, {}};
  x.timer.function = [](timer_list* t) {
    auto* self = reinterpret_cast<Periodic*>(t);
    self->seen.push_back(t->expires);
    self->wheel->mod_timer(t, t->expires + 10ms);
  };
  wheel.mod_timer(&x.timer, at(0) + 10ms);
  EXPECT_TRUE(wheel.advance(at(0) + 1s));
  ASSERT_EQ(x.seen.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(x.seen[i], at(0) + (i + 1) * 10ms);
}

TEST(TimerWheel, NextExpiryIsExactWhenNothingWasCancelled) {
  Rng rng(7);
  TimerWheel wheel;
  Probes p(300);
  std::multimap<Instant, int> model;
  for (int i = 0; i < 300; ++i) {
    const Instant when = at(static_cast<int64_t>(rng.next() >> (20 + rng.below(40))));
    wheel.mod_timer(p[i], when);
    model.emplace(when, i);
  }
  while (!model.empty()) {
    ASSERT_EQ(wheel.next_expiry(), model.begin()->first);
    wheel.advance(wheel.next_expiry());
    ASSERT_FALSE(p.fired.empty());
    for (int id : p.fired) {
      ASSERT_EQ(model.begin()->second, id);
      model.erase(model.begin());
    }
    p.fired.clear();
  }
}

// The wheel against a std::multimap: the same random arming, moving, cancelling and advancing for both, also from
// inside the functions that the wheel calls.
class Model {
 public:
  explicit Model(uint64_t seed, int timers) : rng_(seed), owned_(timers) {
    for (int i = 0; i < timers; ++i) {
      owned_[i].model = this;
      owned_[i].id = i;
      owned_[i].timer.function = [](timer_list* t) {
        auto* self = reinterpret_cast<Owned*>(t);
        self->model->fire(self->id);
      };
    }
  }

  void run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFatalFailure(); ++i) {
      const uint32_t what = rng_.below(10);
      if (what < 8) act();
      if (what >= 7) advance();
      check();
    }
  }

 private:
  struct Owned {
    timer_list timer;
    Model* model = nullptr;
    int id = 0;
  };

  // Spans of every magnitude, with many equal instants among them.
  Duration some_span() {
    const uint64_t span = rng_.next() >> (8 + rng_.below(54));
    return Duration(static_cast<int64_t>(rng_.chance(0.3) ? span & ~uint64_t{0x3fffff} : span));
  }
  Instant later(Duration span) { return span < kNever - now_ ? now_ + span : kNever; }
  Instant some_instant() {
    if (rng_.chance(0.1)) return now_ - std::min(some_span(), now_.time_since_epoch());
    if (rng_.chance(0.1)) return now_;
    if (rng_.chance(0.2) && !model_.empty()) return model_.begin()->first;
    if (rng_.chance(0.5)) return later(Duration(rng_.below(300'000'000)));
    return later(some_span());
  }

  void forget(int id) {
    for (auto it = model_.begin(); it != model_.end(); ++it) {
      if (it->second == id) return void(model_.erase(it));
    }
  }
  void act() {
    const int id = static_cast<int>(rng_.below(static_cast<uint32_t>(owned_.size())));
    forget(id);
    if (rng_.chance(0.25)) return wheel_.del_timer(&owned_[id].timer);
    const Instant when = some_instant();
    wheel_.mod_timer(&owned_[id].timer, when);
    model_.emplace(when, id);
  }
  void fire(int id) {
    ASSERT_FALSE(model_.empty());
    ASSERT_EQ(model_.begin()->second, id) << "wrong order";
    ASSERT_LE(model_.begin()->first, now_) << "early";
    ASSERT_FALSE(owned_[id].timer.pending());
    model_.erase(model_.begin());
    ASSERT_LE(wheel_.next_expiry(), model_.empty() ? kNever : model_.begin()->first);
    while (budget_ > 0 && rng_.chance(0.6)) --budget_, act();
  }
  void advance() {
    Duration step = rng_.chance(0.5) ? Duration(rng_.below(10'000'000)) : some_span() / 64;
    if (rng_.chance(0.3) && wheel_.next_expiry() != kNever) step = std::max(0ns, wheel_.next_expiry() - now_);
    now_ = later(step);
    budget_ = 20;
    bool done = false;
    while (!done) {
      const unsigned limit = rng_.chance(0.5) ? ~0u : rng_.below(4);
      done = wheel_.advance(now_, limit);
      ASSERT_EQ(done, model_.empty() || model_.begin()->first > now_) << "limit " << limit;
      check();
      if (!done && rng_.chance(0.2)) act();
    }
    ASSERT_TRUE(wheel_.armed() == 0 || wheel_.next_expiry() > now_) << "an event loop would spin";
  }
  void check() {
    ASSERT_EQ(wheel_.armed(), model_.size());
    ASSERT_LE(wheel_.next_expiry(), model_.empty() ? kNever : model_.begin()->first) << "late";
    ASSERT_TRUE(!model_.empty() || wheel_.next_expiry() == kNever);
  }

  Rng rng_;
  TimerWheel wheel_;
  Instant now_{};
  std::vector<Owned> owned_;
  std::multimap<Instant, int> model_;
  int budget_ = 0;
};

TEST(TimerWheel, BehavesLikeASortedMap) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(::testing::Message() << "Model(seed " << seed << ")");
    Model(seed, seed % 3 == 0 ? 3 : seed % 3 == 1 ? 40 : 200).run(400);
    if (HasFailure()) return;
  }
}

TEST(TimerWheel, ManyTimersInOneTickEachArmedAgainWithinIt) {
  struct Busy {
    timer_list timer;
    TimerWheel* wheel;
    Instant* last;
    int left;
  };
  TimerWheel wheel;
  Instant last{};
  std::vector<Busy> busy(20'000, Busy{{}, &wheel, &last, 3});
  Rng rng(3);
  for (Busy& b : busy) {
    b.timer.function = [](timer_list* t) {
      auto* self = reinterpret_cast<Busy*>(t);
      ASSERT_GE(t->expires, *self->last);
      *self->last = t->expires;
      if (self->left-- > 0) self->wheel->mod_timer(t, t->expires + 10ns);
    };
    wheel.mod_timer(&b.timer, at(rng.below(60'000)));
  }
  EXPECT_TRUE(wheel.advance(at(65'000)));
  EXPECT_EQ(wheel.armed(), 0u);
}

}  // namespace
}  // namespace glass
