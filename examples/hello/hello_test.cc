// The hello programs, in memory and in virtual time. Over TAP: check_tap.sh.
#include <gtest/gtest.h>

#include <algorithm>

#include "async/spawn.h"
#include "hello/hello_client.h"
#include "hello/hello_server.h"
#include "sim/world.h"

namespace glass::hello {
namespace {

struct Log {
  Say say = [this](const std::string& line) { lines.push_back(line); };
  std::vector<std::string> lines;
};

void expect_greeting(Spawned<Result<std::string>>& client) {
  ASSERT_TRUE(client.done());
  ASSERT_TRUE(client.result()) << "error " << client.result().error();
  EXPECT_EQ(*client.result(), kGreeting);
  EXPECT_EQ(client.result()->size(), 14u);
}

TEST(HelloTest, InMemoryOverLoopback) {
  Log log;
  Stack stack;
  Executor executor;
  auto server = spawn(executor, hello_server(stack, executor, 1, log.say));
  auto client = spawn(executor, hello_client(stack, executor, IpAddress::v4(127, 0, 0, 1), log.say));
  for (Instant now{1s}; now < Instant{10s};
       now = std::max(now, std::min(stack.next_deadline(), executor.next_deadline()))) {
    (void)stack.poll(now);
    (void)executor.poll(now);
  }
  expect_greeting(client);
  EXPECT_TRUE(server.done() && server.result());
  EXPECT_EQ(log.lines,
            (std::vector<std::string>{"server: waiting for connections", "client: connecting to 127.0.0.1",
                                      "server: got connection from 127.0.0.1", "client: received 'Hello, world!'"}));
}

class HelloInVirtualTime : public testing::TestWithParam<const char*> {};

TEST_P(HelloInVirtualTime, TheClientIsGreeted) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(testing::Message() << "to repeat: hello_sim '" << GetParam() << "' " << seed);
    Log log;
    World world({.seed = seed});
    Stack& alice = world.add_host("alice");
    Stack& bob = world.add_host("bob");
    world.connect(alice, "10.0.0.1/24", bob, "10.0.0.2/24", {.netem = GetParam()});
    auto server = spawn(world, hello_server(bob, world, 1, log.say));
    auto client = spawn(world, hello_client(alice, world, IpAddress::v4(10, 0, 0, 2), log.say));
    ASSERT_TRUE(world.run());
    expect_greeting(client);
    EXPECT_TRUE(server.done() && server.result());
    EXPECT_EQ(world.pool().skbs_in_use(), 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(Links, HelloInVirtualTime,
                         testing::Values("", "delay 50ms", "delay 50ms loss 10%", "duplicate 50%"));

TEST(HelloTest, NobodyListens) {
  Log log;
  World world;
  Stack& alice = world.add_host("alice");
  Stack& bob = world.add_host("bob");
  world.connect(alice, "10.0.0.1/24", bob, "10.0.0.2/24");
  auto client = spawn(world, hello_client(alice, world, IpAddress::v4(10, 0, 0, 2), log.say));
  ASSERT_TRUE(world.run());
  ASSERT_TRUE(client.done());
  ASSERT_FALSE(client.result());
  EXPECT_EQ(client.result().error(), ECONNREFUSED);
}

TEST(HelloTest, NobodyIsThere) {
  Log log;
  World world;
  Stack& alice = world.add_host("alice");
  Stack& bob = world.add_host("bob");
  world.connect(alice, "10.0.0.1/24", bob, "10.0.0.2/24", {.netem = "loss 100%"});
  auto client = spawn(world, hello_client(alice, world, IpAddress::v4(10, 0, 0, 2), log.say));
  ASSERT_TRUE(world.run());
  ASSERT_TRUE(client.done());
  ASSERT_FALSE(client.result());
  EXPECT_EQ(client.result().error(), ETIMEDOUT);
  EXPECT_EQ(world.elapsed() / 1s, 60);
}

}  // namespace
}  // namespace glass::hello
