// The hello client of the textbook: connects, and reads until the server closes.
//
// Written once: `executor` may be an event loop over a real device, a simulated world, or a loop of the caller's own.
#pragma once
#include <array>
#include <string>

#include "async/timeout.h"
#include "hello/hello_server.h"

namespace glass::hello {

// What the server said.
inline Task<Result<std::string>> hello_client(Stack& stack, Executor& executor, IpAddress server, Say say) {
  say("client: connecting to " + to_string(server));
  Result<TcpStream> stream = co_await with_timeout(executor, 60s, TcpStream::connect(stack, executor, {server, kPort}));
  if (!stream) co_return Err(stream.error());

  std::string text;
  std::array<uint8_t, 100> buffer;
  for (;;) {
    const Result<size_t> n = co_await stream->recv(buffer);
    if (!n) co_return Err(n.error());
    if (*n == 0) break;  // the server has closed
    text.append(buffer.begin(), buffer.begin() + *n);
  }
  say("client: received '" + text.substr(0, text.find('\n')) + "'");
  co_return text;
}

}  // namespace glass::hello
