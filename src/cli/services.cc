#include "cli/services.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <cstring>
#include <nlohmann/json.hpp>

#include "async/timeout.h"
#include "view/text.h"

namespace glass {

namespace {

using Error = std::unexpected<std::string>;
constexpr std::string_view kHello = "Hello, world!\n";
constexpr int kBacklog = 1024;
constexpr size_t kBuffer = 64 * 1024;

Task<void> echo(TcpStream& stream, ServiceState& state) {
  std::vector<uint8_t> buffer(kBuffer);
  for (;;) {
    const Result<size_t> n = co_await stream.recv(buffer);
    if (!n || *n == 0) co_return;
    state.bytes_in += *n;
    const Result<void> sent = co_await stream.send_all(std::span(buffer).first(*n));
    if (!sent) co_return;
    state.bytes_out += *n;
  }
}

Task<void> discard(TcpStream& stream, ServiceState& state) {
  std::vector<uint8_t> buffer(kBuffer);
  for (;;) {
    const Result<size_t> n = co_await stream.recv(buffer);
    if (!n || *n == 0) co_return;
    state.bytes_in += *n;
  }
}

Task<void> hello(TcpStream& stream, ServiceState& state) {
  const Result<void> sent = co_await stream.send_all(bytes_of(kHello));
  if (sent) state.bytes_out += kHello.size();
}

Task<void> connection(Executor& executor, TcpStream stream, ServiceState& state) {
  ++state.connections;
  ++state.open;
  switch (state.service.kind) {
    case Service::Kind::http: co_await serve_http_connection(executor, std::move(stream), *state.site); break;
    case Service::Kind::echo: co_await echo(stream, state); break;
    case Service::Kind::discard: co_await discard(stream, state); break;
    case Service::Kind::hello: co_await hello(stream, state); break;
  }
  --state.open;
}

Task<void> accept_connections(Executor& executor, TcpListener listener, ServiceState& state) {
  for (;;) {
    Result<TcpStream> peer = co_await listener.accept();
    if (peer) {
      spawn(executor, connection(executor, std::move(*peer), state));
    } else {
      co_await delay(executor, 100ms);  // out of descriptors or memory: some connections have to end first
    }
  }
}

}  // namespace

std::string_view name(Service::Kind kind) {
  switch (kind) {
    case Service::Kind::http: return "http";
    case Service::Kind::echo: return "echo";
    case Service::Kind::discard: return "discard";
    case Service::Kind::hello: return "hello";
  }
  return "";
}

std::expected<Service, std::string> parse_service(Service::Kind kind, const std::string& text) {
  Service s{.kind = kind, .port = 0, .directory = {}};
  const size_t equals = kind == Service::Kind::http ? text.find('=') : std::string::npos;
  const std::string_view digits = std::string_view(text).substr(0, equals);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), s.port);
  const bool port_good = error == std::errc() && end == digits.data() + digits.size() && s.port != 0;
  if (kind == Service::Kind::http) {
    if (equals != std::string::npos) s.directory = text.substr(equals + 1);
    if (!port_good || s.directory.empty())
      return Error(fmt::format("--http '{}': write it as PORT=DIRECTORY, for example 80=.", text));
  } else if (!port_good) {
    return Error(fmt::format("--{} '{}': a port from 1 to 65535 is needed", name(kind), text));
  }
  return s;
}

std::expected<void, std::string> Services::add(const Service& service) {
  ServiceState& state = states_.emplace_back();
  state.service = service;
  if (service.kind == Service::Kind::http) {
    auto directory = SiteDirectory::open(service.directory);
    if (!directory) return Error(directory.error());
    state.site = std::make_unique<HttpSite>(HttpSite{std::move(*directory), state.http});
  }
  auto listener = TcpListener::listen(stack_, executor_, {IpAddress::v4(0), service.port}, kBacklog);
  if (!listener && listener.error() == EADDRINUSE)
    return Error(fmt::format("port {} is in use already: give each service a port of its own", service.port));
  if (!listener)
    return Error(fmt::format("cannot listen on port {}: {}", service.port, std::strerror(listener.error())));
  spawn(executor_, accept_connections(executor_, std::move(*listener), state));
  return {};
}

namespace {

std::string statuses(const HttpStatistics& h) {
  std::vector<std::string> parts;
  for (const auto& [status, count] : h.by_status) parts.push_back(fmt::format("{} x {}", count, status));
  return fmt::format("{}", fmt::join(parts, ", "));
}

}  // namespace

std::string Services::summary() const {
  Table table({{"SERVICE"},
               {"PORT", Table::Align::right},
               {"CONNECTIONS", Table::Align::right},
               {"OPEN", Table::Align::right},
               {"IN", Table::Align::right},
               {"OUT", Table::Align::right},
               {"ANSWERS"}});
  for (const ServiceState& s : states_) {
    const bool http = s.service.kind == Service::Kind::http;
    table.add({std::string(name(s.service.kind)), std::to_string(s.service.port), std::to_string(s.connections),
               std::to_string(s.open), http ? "-" : format_bytes(s.bytes_in),
               format_bytes(http ? s.http.body_bytes : s.bytes_out), statuses(s.http)});
  }
  return table.text();
}

Json Services::json() const {
  Json j = Json::array();
  for (const ServiceState& s : states_) {
    Json row{
        {"service", name(s.service.kind)}, {"port", s.service.port}, {"connections", s.connections}, {"open", s.open}};
    if (s.service.kind == Service::Kind::http) {
      row["directory"] = s.service.directory;
      row["requests"] = s.http.requests;
      row["bytes_out"] = s.http.body_bytes;
      for (const auto& [status, count] : s.http.by_status) row["by_status"][std::to_string(status)] = count;
    } else {
      row["bytes_in"] = s.bytes_in;
      row["bytes_out"] = s.bytes_out;
    }
    j.push_back(row);
  }
  return j;
}

}  // namespace glass
