// Hello between two hosts in virtual time, with every frame printed.
//
//   hello_sim                              over an ideal wire
//   hello_sim "delay 50ms loss 30%"        over a worse one, in tc-netem's words
//   hello_sim "delay 50ms loss 30%" 2      the same with another seed
#include <fmt/format.h>

#include <cstdlib>
#include <cstring>
#include <exception>

#include "async/spawn.h"
#include "hello/hello_client.h"
#include "hello/hello_server.h"
#include "sim/world.h"

namespace {

int run(const char* netem, uint64_t seed) {
  using namespace glass;
  World world({.seed = seed, .record = Recording::text});
  Stack& alice = world.add_host("alice");
  Stack& bob = world.add_host("bob");
  world.connect(alice, "10.0.0.1/24", bob, "10.0.0.2/24", {.netem = netem});

  const hello::Say say = [](const std::string& line) { fmt::print("{}\n", line); };
  auto server = spawn(world, hello::hello_server(bob, world, 1, say));
  auto client = spawn(world, hello::hello_client(alice, world, IpAddress::v4(10, 0, 0, 2), say));
  const bool idle = world.run();

  for (const std::string& line : world.lines()) fmt::print("{}\n", line);
  if (!idle || !client.done() || !client.result()) {
    fmt::print(stderr, "hello_sim: {}\n",
               client.done() ? strerror(client.result().error()) : "the client did not finish");
    return 1;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc > 1 ? argv[1] : "", argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1);
  } catch (const std::exception& error) {
    fmt::print(stderr, "hello_sim: {}\n", error.what());
    return 2;
  }
}
