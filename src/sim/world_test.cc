#include "sim/world.h"

#include <gtest/gtest.h>

#include <array>
#include <stdexcept>

#include "async/socket.h"
#include "async/spawn.h"
#include "async/timeout.h"

namespace glass {
namespace {

const SocketAddress kServer{IpAddress::v4(10, 0, 0, 2), 7};

Task<void> echo(Stack& stack, Executor& executor, int datagrams) {
  UdpSocket socket = *UdpSocket::bound(stack, executor, kServer);
  std::array<uint8_t, 2000> buffer;
  for (int i = 0; i < datagrams; ++i) {
    SocketAddress from;
    const Result<size_t> n = co_await socket.recv_from(buffer, from);
    if (n) (void)co_await socket.send_to(std::span(buffer).first(*n), from);
  }
}

// Sends datagrams and counts the answers.
Task<int> ask(Stack& stack, Executor& executor, int datagrams, Duration patience) {
  UdpSocket socket = *UdpSocket::bound(stack, executor, {});
  std::array<uint8_t, 2000> buffer;
  int answers = 0;
  for (int i = 0; i < datagrams; ++i) {
    (void)co_await socket.send_to(bytes_of("datagram " + std::to_string(i)), kServer);
    const Result<size_t> n = co_await with_timeout(executor, patience, socket.recv(buffer));
    answers += n.has_value();
  }
  co_return answers;
}

struct Pair {
  explicit Pair(const WorldConfig& config, const LinkConfig& link = {}) : world(config) {
    world.connect(a, "10.0.0.1/24", b, "10.0.0.2/24", link);
  }
  World world;
  Stack& a = world.add_host("a");
  Stack& b = world.add_host("b");
};

TEST(WorldTest, TheClockJumpsFromEventToEvent) {
  World world;
  const Instant start = world.now();
  Instant woke{};
  spawn(world, [](World& w, Instant& at) -> Task<void> {
    co_await delay(w, 30min);
    at = w.now();
  }(world, woke));
  EXPECT_TRUE(world.run());
  EXPECT_EQ(woke - start, 30min);
  EXPECT_EQ(world.elapsed(), 30min);
}

TEST(WorldTest, RunSaysWhenItDoesNotComeToAnEnd) {
  World world;
  spawn(world, [](World& w) -> Task<void> {
    for (;;) co_await delay(w, 1s);
  }(world));
  EXPECT_FALSE(world.run(1min));
  EXPECT_LE(world.elapsed(), 1min);
}

TEST(WorldTest, RunUntilAnInstantStopsThere) {
  World world;
  int ticks = 0;
  spawn(world, [](World& w, int& n) -> Task<void> {
    for (;; ++n) co_await delay(w, 1s);
  }(world, ticks));
  world.run_for(3s + 500ms);
  EXPECT_EQ(ticks, 3);
  EXPECT_EQ(world.elapsed(), 3s + 500ms);
  world.run_for(500ms);
  EXPECT_EQ(ticks, 4);
  EXPECT_TRUE(world.run_until([&] { return ticks == 10; }));
  EXPECT_EQ(world.elapsed(), 10s);
  EXPECT_FALSE(world.run_until([] { return false; }, 1s));
}

TEST(WorldTest, DatagramsTakeTheTimeOfTheLink) {
  Pair pair({}, {.netem = "delay 10ms"});
  spawn(pair.world, echo(pair.b, pair.world, 1));
  auto asked = spawn(pair.world, ask(pair.a, pair.world, 1, 1s));
  EXPECT_TRUE(pair.world.run_until([&] { return asked.done(); }));
  EXPECT_EQ(asked.result(), 1);
  EXPECT_EQ(pair.world.elapsed(), 20ms);
}

TEST(WorldTest, EachDirectionMayHaveItsOwnImpairment) {
  Pair pair({}, {.netem = "delay 10ms", .netem_ba = "delay 35ms"});
  spawn(pair.world, echo(pair.b, pair.world, 1));
  auto asked = spawn(pair.world, ask(pair.a, pair.world, 1, 1s));
  EXPECT_TRUE(pair.world.run_until([&] { return asked.done(); }));
  EXPECT_EQ(pair.world.elapsed(), 45ms);
}

TEST(WorldTest, EthernetLinksResolveAddresses) {
  Pair pair({.record = Recording::text}, {.wire = {.ethernet = true}});
  spawn(pair.world, echo(pair.b, pair.world, 1));
  auto asked = spawn(pair.world, ask(pair.a, pair.world, 1, 1s));
  EXPECT_TRUE(pair.world.run_until([&] { return asked.done(); }));
  EXPECT_EQ(asked.result(), 1);
  ASSERT_FALSE(pair.world.lines().empty());
  EXPECT_EQ(pair.world.lines().front(), "0.000000000 a eth0 > ARP who-has 10.0.0.2 tell 10.0.0.1");
}

struct Outcome {
  uint64_t digest;
  std::vector<std::string> lines;
  int answers;
  bool operator==(const Outcome&) const = default;
};

Outcome lossy_run(uint64_t seed) {
  Pair pair({.seed = seed, .record = Recording::text}, {.netem = "delay 10ms 5ms loss 20% duplicate 10% corrupt 5%"});
  spawn(pair.world, echo(pair.b, pair.world, 1000));
  auto asked = spawn(pair.world, ask(pair.a, pair.world, 50, 100ms));
  EXPECT_TRUE(pair.world.run());
  EXPECT_GT(asked.result(), 10);
  EXPECT_LT(asked.result(), 50);
  return {pair.world.digest(), pair.world.lines(), asked.result()};
}

TEST(WorldTest, TheSameSeedGivesTheSameTrace) {
  const Outcome first = lossy_run(7);
  EXPECT_TRUE(lossy_run(7) == first);
  EXPECT_NE(lossy_run(8).digest, first.digest);
}

TEST(WorldTest, AHostInTheMiddleOfTwoLinks) {
  World world;
  Stack& a = world.add_host("a");
  Stack& middle = world.add_host("middle");
  Stack& c = world.add_host("c");
  world.connect(a, "10.0.0.1/24", middle, "10.0.0.2/24");
  const World::Link second = world.connect(middle, "10.0.1.1/24", c, "10.0.1.2/24");
  EXPECT_EQ(second.a.name, "eth1");
  EXPECT_EQ(second.b.name, "eth0");
  spawn(world, echo(middle, world, 1));
  auto asked = spawn(world, ask(a, world, 1, 1s));
  EXPECT_TRUE(world.run());
  EXPECT_EQ(asked.result(), 1);
}

TEST(WorldTest, BadTextIsRefusedWithTheWordThatIsWrong) {
  World world;
  Stack& a = world.add_host("a");
  Stack& b = world.add_host("b");
  EXPECT_THROW(world.connect(a, "10.0.0/24", b, "10.0.0.2/24"), std::invalid_argument);
  try {
    world.connect(a, "10.0.0.1/24", b, "10.0.0.2/24", {.netem = "delay 10ms lose 3%"});
    FAIL();
  } catch (const std::invalid_argument& error) {
    EXPECT_NE(std::string(error.what()).find("lose"), std::string::npos) << error.what();
  }
}

TEST(WorldTest, AWorldMayEndInTheMiddleOfEverything) {
  Pair pair({}, {.netem = "delay 10ms"});
  spawn(pair.world, echo(pair.b, pair.world, 100));
  spawn(pair.world, ask(pair.a, pair.world, 100, 1s));
  pair.world.run_for(105ms);  // a datagram is on its way
  EXPECT_GT(pair.world.pool().skbs_in_use(), 0u);
}

}  // namespace
}  // namespace glass
