// One TCP connection with endless data over a bottleneck, in virtual time.
//
//   BulkFlow flow({.congestion_control = "cubic", .path = "delay 20ms loss 0.1%"});
//   flow.run(30s);   flow.goodput_mbits();   flow.info().tcpi_snd_cwnd
//
// The sender's device is the bottleneck (a link of finite speed behind a queue); what `path` does happens behind it, on
// the receiver's side, so that a packet can overtake another. ACKs come back over `back`.
#pragma once
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "async/socket.h"
#include "async/spawn.h"
#include "sim/world.h"
#include "tcp/tcp_info.h"

namespace glass::test {

struct BulkFlowConfig {
  std::string congestion_control = "cubic";
  std::string link = "link rate 100mbit limit 333";  // a queue of one bandwidth-delay product at 40 ms
  std::string path = "delay 20ms", back = "delay 20ms";
  bool ecn = false;
  uint64_t seed = 1;
};

class BulkFlow {
 public:
  explicit BulkFlow(const BulkFlowConfig& c) : world_({.seed = c.seed}) {
    const World::Link wire = world_.connect(a_, "10.0.0.1/24", b_, "10.0.0.2/24", {});
    impair(wire.a.qdisc, a_, c.link, c.seed * 3);
    impair(wire.b.ingress, b_, "netem limit 100000 " + c.path, c.seed * 3 + 1);
    impair(wire.b.qdisc, b_, "netem limit 100000 " + c.back, c.seed * 3 + 2);
    for (Stack* host : {&a_, &b_}) {
      Sysctl& s = host->ns().sysctl;
      s.tcp_congestion_control = c.congestion_control;
      if (c.ecn) s.tcp_ecn = 1;
    }
    sink_.emplace(spawn(world_, receive()));
    source_.emplace(spawn(world_, send()));
  }

  void run(Duration d) { world_.run_for(d); }
  World& world() { return world_; }
  uint64_t received() const { return received_; }
  double seconds() const { return std::chrono::duration<double>(world_.elapsed()).count(); }
  double goodput_mbits() const { return static_cast<double>(received_) * 8 / 1e6 / seconds(); }

  glass::tcp_info info() {
    for (const TcpSocketRow& row : a_.tcp().sockets())
      if (row.state == "ESTAB") return row.info;
    return {};
  }
  const Trace& sender_trace() const { return a_.trace(); }
  const Trace& receiver_trace() const { return b_.trace(); }

 private:
  static constexpr uint16_t kPort = 5001;

  static void impair(std::unique_ptr<Qdisc>& place, Stack& host, const std::string& words, uint64_t seed) {
    auto made = make_qdisc(host.ns(), words, seed);
    if (!made) throw std::invalid_argument(made.error());
    place = std::move(*made);
  }

  Task<Result<void>> receive() {
    Result<TcpListener> listener = TcpListener::listen(b_, world_, {{}, kPort});
    if (!listener) co_return Err(listener.error());
    Result<TcpStream> peer = co_await listener->accept();
    if (!peer) co_return Err(peer.error());
    for (;;) {
      const Result<size_t> n = co_await peer->recv(into_);
      if (!n || !*n) co_return {};
      received_ += *n;
    }
  }
  Task<Result<void>> send() {
    Result<TcpStream> stream = co_await TcpStream::connect(a_, world_, {IpAddress::v4(10, 0, 0, 2), kPort});
    if (!stream) co_return Err(stream.error());
    for (;;) {
      const Result<void> sent = co_await stream->send_all(data_);
      if (!sent) co_return sent;
    }
  }

  World world_;
  Stack &a_ = world_.add_host("sender"), &b_ = world_.add_host("receiver");
  std::vector<uint8_t> data_ = std::vector<uint8_t>(256 << 10), into_ = std::vector<uint8_t>(256 << 10);
  uint64_t received_ = 0;
  std::optional<Spawned<Result<void>>> sink_, source_;
};

}  // namespace glass::test
