// glass ping: ICMP echo from a stack of our own, printed as ping(8) prints it.
#include <fmt/format.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>

#include "async/spawn.h"
#include "async/timeout.h"
#include "cli/command.h"
#include "cli/network.h"
#include "view/ping.h"

namespace glass {

namespace {

struct PingOptions {
  std::string host;
  uint64_t count = 0;  // 0: until stopped
  double interval = 1, wait = 10;
  uint32_t size = 56;
  bool json = false;
};

Duration seconds(double s) { return Duration(static_cast<int64_t>(s * 1e9)); }

// One run of ping: what was sent when, and what came back.
class Pinger {
 public:
  Pinger(Network& network, const IpAddress& to, const PingOptions& o)
      : network_(network), to_(to), o_(o), id_(static_cast<uint16_t>(getpid())), payload_(o.size) {
    std::iota(payload_.begin(), payload_.end(), uint8_t{0});
    network_.stack().ip().ping_register(
        id_, [this](const IpAddress& from, uint16_t sequence, uint8_t ttl, std::span<const uint8_t> data) {
          on_reply(from, sequence, ttl, data.size());
        });
  }
  ~Pinger() { network_.stack().ip().ping_unregister(id_); }
  Pinger(const Pinger&) = delete;
  Pinger& operator=(const Pinger&) = delete;

  Task<void> run() {
    EventLoop& loop = network_.loop();
    Instant next = loop.now();
    for (uint64_t n = 1; o_.count == 0 || n <= o_.count; ++n) {
      if (!send(static_cast<uint16_t>(n))) break;
      if (n == o_.count) break;
      next += seconds(o_.interval);
      co_await delay_until(loop, next);
    }
    const Instant give_up = loop.now() + seconds(o_.wait);
    while (!waiting_.empty() && loop.now() < give_up && error_ == 0)
      co_await delay(loop, std::min<Duration>(give_up - loop.now(), 1ms));
    done_ = true;
  }

  bool done() const { return done_; }
  int error() const { return error_; }
  const PingStatistics& statistics() const { return statistics_; }

 private:
  bool send(uint16_t sequence) {
    waiting_[sequence] = network_.loop().now();
    answered_.erase(sequence);
    statistics_.sent();
    const Result<void> sent = network_.stack().ip().ping_send(to_, id_, sequence, payload_);
    // A neighbour that does not answer is a lost packet; no route at all ends it.
    if (!sent && sent.error() != EHOSTUNREACH) error_ = sent.error();
    return error_ == 0;
  }

  void on_reply(const IpAddress& from, uint16_t sequence, uint8_t ttl, size_t size) {
    const bool duplicate = answered_.contains(sequence);
    const auto sent = duplicate ? answered_.find(sequence) : waiting_.find(sequence);
    if (sent == (duplicate ? answered_ : waiting_).end()) return;
    const Duration rtt = network_.stack().now() - sent->second;
    if (duplicate) {
      statistics_.duplicate();
    } else {
      statistics_.received(rtt);
      answered_.insert(waiting_.extract(sent));
    }
    if (!o_.json) print(format_ping_reply(from, size, sequence, ttl, rtt, duplicate));
  }

  Network& network_;
  IpAddress to_;
  const PingOptions& o_;
  const uint16_t id_;
  std::vector<uint8_t> payload_;
  std::map<uint16_t, Instant> waiting_, answered_;
  PingStatistics statistics_;
  bool done_ = false;
  int error_ = 0;
};

void check(const PingOptions& o) {
  constexpr uint32_t kMost = 65507;
  if (o.size > kMost)
    throw Failure(fmt::format("-s {} does not fit in a packet: at most {}", o.size, kMost), kExitUsage);
  if (!(o.interval >= 0.001) || o.interval > 1e6) throw Failure("-i has to be at least 0.001 seconds", kExitUsage);
  if (!(o.wait >= 0) || o.wait > 1e6) throw Failure("-W has to be 0 or more seconds", kExitUsage);
}

int ping(Session& session, const PingOptions& o) {
  const auto to = parse_ip(o.host);
  if (!to || !to->is_v4())
    throw Failure(fmt::format("'{}' is no IPv4 address: names are not resolved", o.host), kExitUsage);
  check(o);
  auto network = value_or_fail(Network::open(session.link));
  if (!o.json) print(format_ping_start(o.host, *to, o.size));
  Pinger pinger(*network, *to, o);
  const Instant start = network->loop().now();
  spawn(network->loop(), pinger.run());
  network->run_until([&] { return pinger.done(); });
  const Duration elapsed = network->loop().now() - start;
  network->loop().cancel_all();
  if (!network->failure().empty()) throw Failure(network->failure());
  if (pinger.error())
    throw Failure(fmt::format("cannot send to {}: {}", o.host, errno_text(pinger.error())), kExitUsage);
  print(o.json ? to_json(pinger.statistics(), *to, elapsed).dump() + "\n"
               : format_ping_summary(o.host, pinger.statistics(), elapsed));
  return pinger.statistics().replies() ? 0 : 1;
}

}  // namespace

void add_ping(CLI::App& app, Session& session) {
  CLI::App* cmd = app.add_subcommand("ping", "send ICMP echo requests and time the replies");
  auto o = std::make_shared<PingOptions>();
  cmd->add_option("host", o->host, "an IPv4 address")->required()->type_name("HOST");
  cmd->add_option("-c", o->count, "stop after so many requests")->type_name("N")->check(CLI::PositiveNumber);
  cmd->add_option("-i", o->interval, "time between requests")->capture_default_str()->type_name("SEC");
  cmd->add_option("-s", o->size, "bytes of data in each")->capture_default_str()->type_name("SIZE");
  cmd->add_option("-W", o->wait, "how long to wait for the last replies")->capture_default_str()->type_name("SEC");
  cmd->add_flag("--json", o->json, "only the statistics, as JSON");
  add_link_options(*cmd, session.link);
  cmd->footer(
      "Example: unshare -rn glass ping 10.0.0.1 -c 3 --tap tap0 --addr 10.0.0.2/24 --host-addr 10.0.0.1/24\n"
      "Exit code: 0 if a reply came, 1 if none came, 2 on other errors.");
  on_run(*cmd, session, [&session, o] { return ping(session, *o); });
}

}  // namespace glass
