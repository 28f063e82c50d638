// Two Glasstack hosts on an in-memory cable and the programs on them, in one thread: what is measured.
//
//   World w({.receive_buffer = 256 << 10});
//   Endpoint client, server;
//   w.connect(client, server);   client.send(w.a, bytes);   w.settle();   server.receive(w.b, buffer);
//
// Programs use the socket calls and learn of readiness from their waiter, as an event loop does; no descriptor is ever
// asked in vain. Endpoints outlive the world.
#pragma once
#include <span>
#include <vector>

#include "common.h"
#include "driver/pair.h"
#include "stack/stack.h"

namespace bench {

// One open socket. Its stack's ReadyList names it once however often it is woken.
class Endpoint final : public glass::SocketWaiter {
 public:
  using Ready = std::vector<Endpoint*>;

  void open(glass::Stack&, int fd, Ready& ready);
  void sk_wake(glass::socket&, uint32_t poll_events) override {
    events |= poll_events;
    if (queued) return;
    queued = true;
    ready_->push_back(this);
  }
  // The events since the last call.
  uint32_t take_events() {
    queued = false;
    return std::exchange(events, 0);
  }

  int fd = -1;
  uint32_t events = 0;
  bool queued = false;

 private:
  Ready* ready_ = nullptr;
};

struct WorldOptions {
  glass::PairOptions link{};
  int64_t receive_buffer = 512 << 10;  // net.ipv4.tcp_rmem and tcp_wmem; the window is about half of it
};

class World {
 public:
  static constexpr uint16_t kPort = 80;

  explicit World(WorldOptions);

  // Both hosts run once, b first. True if either has work left.
  bool turn() {
    const glass::Instant now{std::chrono::nanoseconds(clock.tick())};
    const bool more_b = b.poll(now), more_a = a.poll(now);
    return more_a || more_b || b.softnet().pending();
  }
  void settle() {
    while (turn()) {
    }
  }
  void pass(glass::Duration d) {
    clock.skip(static_cast<uint64_t>(d.count()));
    settle();
  }
  // A connection from a to b. False if it did not come about.
  bool connect(Endpoint& client, Endpoint& server);

  glass::SkbPool pool;
  glass::PairLink link;
  glass::Stack a{{.hostname = "a", .seed = 1, .pool = &pool}}, b{{.hostname = "b", .seed = 2, .pool = &pool}};
  glass::net_device *a0, *b0;
  Endpoint::Ready ready_a, ready_b;
  CoarseClock clock;
  int listener;

 private:
  glass::IpAddress a_addr_ = glass::IpAddress::v4(10, 0, 0, 1), b_addr_ = glass::IpAddress::v4(10, 0, 0, 2);
};

}  // namespace bench
