// The hello server of the textbook: greets whoever connects to port 3490, and closes.
//
// Written once: `executor` may be an event loop over a real device, a simulated world, or a loop of the caller's own.
#pragma once
#include <functional>
#include <string>
#include <utility>

#include "async/socket.h"

namespace glass::hello {

inline constexpr uint16_t kPort = 3490;
inline constexpr std::string_view kGreeting = "Hello, world!\n";

using Say = std::function<void(const std::string&)>;  // takes a line about what happens

// Serves so many clients, one after the other.
inline Task<Result<void>> hello_server(Stack& stack, Executor& executor, unsigned clients, Say say) {
  Result<TcpListener> listener = TcpListener::listen(stack, executor, {{}, kPort});
  if (!listener) co_return Err(listener.error());
  say("server: waiting for connections");
  for (; clients > 0; --clients) {
    Result<TcpStream> client = co_await listener->accept();
    if (!client) co_return Err(client.error());
    if (const Result<SocketAddress> who = client->peer()) say("server: got connection from " + to_string(who->address));
    const Result<void> sent = co_await client->send_all(bytes_of(kGreeting));
    if (!sent) co_return Err(sent.error());
  }  // the stream closes with its scope
  co_return {};
}

}  // namespace glass::hello
