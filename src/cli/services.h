// The small servers of `glass serve`: echo (RFC 862), discard (RFC 863), hello, and HTTP.
//
//   Services services(network.stack(), network.loop());
//   services.add({Service::Kind::echo, 7, ""});         // error: one line, e.g. that the port is in use
//   ... network.run_until(...);   print(services.summary());
//
// Lives as long as the loop's tasks.
#pragma once
#include <deque>
#include <expected>
#include <memory>
#include <string>

#include "async/spawn.h"
#include "cli/http/server.h"
#include "view/json.h"

namespace glass {

struct Service {
  enum class Kind : uint8_t { http, echo, discard, hello };
  Kind kind = Kind::echo;
  uint16_t port = 0;
  std::string directory;  // http
};
std::string_view name(Service::Kind);
// "80=/srv" for http, "7" for the others.
std::expected<Service, std::string> parse_service(Service::Kind, const std::string& text);

struct ServiceState {
  Service service;
  uint64_t connections = 0, open = 0, bytes_in = 0, bytes_out = 0;
  HttpStatistics http;
  std::unique_ptr<HttpSite> site;
};

class Services {
 public:
  Services(Stack& stack, Executor& executor) : stack_(stack), executor_(executor) {}
  std::expected<void, std::string> add(const Service&);
  const std::deque<ServiceState>& all() const { return states_; }
  std::string summary() const;  // a table
  Json json() const;

 private:
  Stack& stack_;
  Executor& executor_;
  std::deque<ServiceState> states_;  // references stay good
};

}  // namespace glass
