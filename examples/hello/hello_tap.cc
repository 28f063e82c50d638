// Hello between this stack and the local kernel, over a TAP device.
//
//   unshare -rn bash                              a shell in a network namespace of its own; in it:
//   hello_tap server [DEVICE] &                   then: nc 10.0.0.2 3490
//   hello_tap client [DEVICE]                     fetches the greeting of a server of the kernel at 10.0.0.1:3490
//
// The device gets 10.0.0.1/24 on the kernel's side; the stack is 10.0.0.2. Serves one client and ends.
#include <fmt/format.h>

#include <cstring>
#include <exception>
#include <string>

#include "async/spawn.h"
#include "driver/tun.h"
#include "hello/hello_client.h"
#include "hello/hello_server.h"
#include "runtime/event_loop.h"

namespace {

using namespace glass;

// Closing is not the end of a connection: its last segments are still to be sent and answered.
void let_connections_finish(EventLoop& loop, Stack& stack) {
  (void)loop.run_until([&] { return stack.tcp().orphans == 0; }, 10s);
}

int report(const std::string& what, int error) {
  fmt::print(stderr, "hello_tap: {}: {}\n", what, strerror(error));
  return 1;
}

int run(const std::string& role, const std::string& device) {
  auto tap = TunTapDriver::open({.name = device, .host_address = parse_prefix("10.0.0.1/24")});
  if (!tap) {
    fmt::print(stderr, "hello_tap: {}\n", tap.error());
    return 1;
  }
  Stack stack({.seed = random_seed()});
  stack.ip().add_address(stack.add_device("eth0", **tap), *parse_prefix("10.0.0.2/24"));
  EventLoop loop;
  loop.add_stack(stack);
  loop.watch_device((*tap)->fd(), [&tap] { (*tap)->interrupt(); });

  const hello::Say say = [](const std::string& line) {
    fmt::print("{}\n", line);
    fflush(stdout);
  };
  if (role == "server") {
    auto server = spawn(loop, hello::hello_server(stack, loop, 1, say));
    (void)loop.run_until([&] { return server.done(); });
    let_connections_finish(loop, stack);
    return server.result() ? 0 : report("server", server.result().error());
  }
  auto client = spawn(loop, hello::hello_client(stack, loop, IpAddress::v4(10, 0, 0, 1), say));
  (void)loop.run_until([&] { return client.done(); });
  let_connections_finish(loop, stack);
  return client.result() ? 0 : report("client", client.result().error());
}

}  // namespace

int main(int argc, char** argv) {
  const std::string role = argc > 1 ? argv[1] : "";
  if (role != "server" && role != "client") {
    fmt::print(stderr, "usage: hello_tap server|client [DEVICE]\n");
    return 2;
  }
  try {
    return run(role, argc > 2 ? argv[2] : "tap0");
  } catch (const std::exception& error) {
    fmt::print(stderr, "hello_tap: {}\n", error.what());
    return 1;
  }
}
