// What every layer of one stack shares (Linux's struct net): its time, timers, randomness, trace, packet memory,
// tunables.
//
// A layer gets a `net&` when it is made and keeps it; the stack owns it. `now` is set by the stack at every entry and
// stands still until the next, so code below may read it as often as it likes.
#pragma once
#include "base/rng.h"
#include "base/siphash.h"
#include "base/time.h"
#include "base/timer_wheel.h"
#include "net/sysctl.h"
#include "skb/pool.h"
#include "trace/trace.h"

namespace glass {

struct net {
  net(SkbPool& packet_pool, uint64_t seed) : pool(packet_pool), rng(seed), secret{rng.next(), rng.next()} {}
  net(const net&) = delete;
  net& operator=(const net&) = delete;

  Instant now{};
  Trace trace;
  TimerWheel timers;
  SkbPool& pool;
  Rng rng;
  SipKey secret;  // for hashes an outsider must not foresee
  Sysctl sysctl;
};

}  // namespace glass
