// glass serve: small TCP servers on a stack of our own, until told to stop.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/network.h"
#include "cli/services.h"
#include "view/counters.h"
#include "view/drops.h"

namespace glass {

namespace {

struct ServeOptions {
  std::vector<std::string> http, echo, discard, hello;
  bool json = false;
};

std::vector<Service> wanted_services(const ServeOptions& o) {
  std::vector<Service> out;
  const auto take = [&](Service::Kind kind, const std::vector<std::string>& texts) {
    for (const std::string& text : texts) out.push_back(value_or_fail(parse_service(kind, text), kExitUsage));
  };
  take(Service::Kind::http, o.http);
  take(Service::Kind::echo, o.echo);
  take(Service::Kind::discard, o.discard);
  take(Service::Kind::hello, o.hello);
  if (out.empty())
    throw Failure("nothing to serve: give --http PORT=DIR, --echo PORT, --discard PORT or --hello PORT", kExitUsage);
  return out;
}

std::string announcement(const Service& s, const IpAddress& address) {
  if (s.kind == Service::Kind::http)
    return fmt::format("  http://{}:{}/ serves {}\n", to_string(address), s.port, s.directory);
  return fmt::format("  {} on {}:{}\n", name(s.kind), to_string(address), s.port);
}

std::string traffic_line(const net_device& dev, const Trace& t) {
  return fmt::format("{}: {} packets in ({}), {} out ({}); {} TCP segments sent, {} of them again\n", dev.name,
                     dev.stats.rx_packets, format_bytes(dev.stats.rx_bytes), dev.stats.tx_packets,
                     format_bytes(dev.stats.tx_bytes), t.value(Mib::TcpOutSegs), t.value(Mib::TcpRetransSegs));
}

std::string summary(Network& network, const Services& services, Duration time) {
  constexpr size_t kMostDrops = 8;  // one screen
  std::string out = fmt::format("served for {}\n\n{}\n{}", format_seconds(time), services.summary(),
                                traffic_line(network.dev(), network.stack().trace()));
  auto drops = drop_rows(network.stack().trace());
  const size_t more = drops.size() > kMostDrops ? drops.size() - kMostDrops : 0;
  drops.resize(drops.size() - more);
  out += "\n" + format_drops_by_place(drops, style_for(1));
  if (more) out += fmt::format("... and at {} more places\n", more);
  return out;
}

Json summary_json(Network& network, const Services& services, Duration time) {
  return {{"seconds", static_cast<double>(time.count()) / 1e9},
          {"services", services.json()},
          {"counters", to_json(difference({}, snapshot(network.stack().trace())))},
          {"drops", to_json(drop_rows(network.stack().trace()))}};
}

int serve(Session& session, const ServeOptions& o) {
  const auto wanted = wanted_services(o);
  auto network = value_or_fail(Network::open(session.link));
  Services services(network->stack(), network->loop());
  for (const Service& s : wanted) check_or_fail(services.add(s));
  if (!o.json) {
    std::string text =
        fmt::format("glass is {} on {}; stop it with Ctrl-C\n", to_string(network->address()), network->device());
    for (const Service& s : wanted) text += announcement(s, network->address());
    print(text);
  }
  const Instant start = EventLoop::clock();
  network->run_until([&] { return network->interrupted(); });
  const Duration time = EventLoop::clock() - start;
  const std::string failure = network->failure();
  print(o.json ? summary_json(*network, services, time).dump(2) + "\n" : "\n" + summary(*network, services, time));
  network->loop().cancel_all();
  network->drain(1s);
  if (!failure.empty()) throw Failure(failure);
  return 0;
}

}  // namespace

void add_serve(CLI::App& app, Session& session) {
  CLI::App* cmd = app.add_subcommand("serve", "serve files and small TCP services until Ctrl-C");
  auto o = std::make_shared<ServeOptions>();
  const auto repeatable = [&](const char* option, std::vector<std::string>& values, const char* type,
                              const char* text) {
    cmd->add_option(option, values, text)->type_name(type)->allow_extra_args(false);
  };
  repeatable("--http", o->http, "PORT=DIR", "HTTP/1.1 server for the files of a directory; may be repeated");
  repeatable("--echo", o->echo, "PORT", "sends back what it gets (RFC 862); may be repeated");
  repeatable("--discard", o->discard, "PORT", "throws away what it gets (RFC 863); may be repeated");
  repeatable("--hello", o->hello, "PORT", "says \"Hello, world!\" and closes; may be repeated");
  cmd->add_flag("--json", o->json, "print the closing summary as JSON");
  add_link_options(*cmd, session.link);
  cmd->footer(
      "Example: unshare -rn glass serve --tap tap0 --addr 10.0.0.2/24 --host-addr 10.0.0.1/24 --http 80=. --echo 7\n"
      "Exit code: 0 when stopped by SIGINT or SIGTERM, 1 on failure, 2 on wrong usage.");
  on_run(*cmd, session, [&session, o] { return serve(session, *o); });
}

}  // namespace glass
