// Hello in memory: one stack that talks to itself over 127.0.0.1, driven by a loop of the program's own. Nothing here
// asks the system for anything but to print: this loop is all it takes to carry the stack in another program.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "async/spawn.h"
#include "hello/hello_client.h"
#include "hello/hello_server.h"

int main() {
  using namespace glass;
  Stack stack;
  Executor executor;
  const hello::Say say = [](const std::string& line) { fmt::print("{}\n", line); };
  auto server = spawn(executor, hello::hello_server(stack, executor, 1, say));
  auto client = spawn(executor, hello::hello_client(stack, executor, IpAddress::v4(127, 0, 0, 1), say));

  Instant now{1s};
  while (now != kNever && !client.done()) {
    (void)stack.poll(now);
    (void)executor.poll(now);
    // With input from outside, this is where the program would sleep until this instant or until there is some.
    now = std::max(now, std::min(stack.next_deadline(), executor.next_deadline()));
  }

  if (client.done() && client.result()) return 0;
  fmt::print(stderr, "hello_loopback: {}\n", client.done() ? strerror(client.result().error()) : "nobody answers");
  return 1;
}
