// Glasstack, measured in memory: one thread drives both ends of an in-memory cable through the socket calls.
#include <array>
#include <memory>

#include "bench_tap.h"
#include "common.h"
#include "glass_world.h"

namespace bench {
namespace {

using namespace glass;

// The sender writes while the socket takes it, the receiver reads what is there: one turn of both.
class BulkTransfer {
 public:
  explicit BulkTransfer(const WorldOptions& options) : world_(options) {}
  bool start() {
    writable_ = world_.connect(client_, server_);
    return writable_;
  }
  void turn() {
    if (writable_) write();
    world_.turn();
    if (!world_.ready_b.empty()) read();
    for (Endpoint* e : world_.ready_a) writable_ |= (e->take_events() & POLLOUT) != 0;
    world_.ready_a.clear();
  }
  uint64_t received() const { return received_; }
  uint64_t segments() const { return world_.b0->stats.rx_packets; }
  uint64_t acks() const { return world_.a0->stats.rx_packets; }

 private:
  void write() {
    for (;;) {
      const Result<size_t> n = world_.a.sockets().sys_sendto(client_.fd, std::span(source_).subspan(offset_, kWrite));
      if (!n) break;
      offset_ = (offset_ + *n) % (kSource - kWrite);
      if (*n < kWrite) break;
    }
    writable_ = false;
  }
  void read() {
    for (Endpoint* e : world_.ready_b) e->take_events();
    world_.ready_b.clear();
    for (;;) {
      const Result<size_t> n = world_.b.sockets().sys_recvfrom(server_.fd, buffer_);
      if (!n || !*n) break;
      received_ += *n;
      if (*n < buffer_.size()) break;
    }
  }

  Endpoint client_, server_;
  std::vector<uint8_t> source_ = std::vector<uint8_t>(kSource, 0x5a), buffer_ = std::vector<uint8_t>(kRead);
  World world_;
  bool writable_ = false;
  size_t offset_ = 0;
  uint64_t received_ = 0;
};

void bulk(benchmark::State& state, const WorldOptions& options) {
  BulkTransfer transfer(options);
  if (!transfer.start()) return state.SkipWithError("no connection");
  for (int i = 0; i < 4000; ++i) transfer.turn();  // slow start, autotuning
  const uint64_t bytes = transfer.received(), segments = transfer.segments(), acks = transfer.acks();
  for (auto _ : state) transfer.turn();
  const uint64_t got = transfer.received() - bytes, seen = transfer.segments() - segments;
  if (!got) return state.SkipWithError("nothing arrived");
  state.counters["gbit_per_s"] = gbit_per_s(got);
  state.counters["ns_per_segment"] = ns_per(seen);
  state.counters["bytes_per_segment"] = static_cast<double>(got) / static_cast<double>(seen);
  state.counters["acks_per_segment"] = static_cast<double>(transfer.acks() - acks) / static_cast<double>(seen);
}

// Every program answers one byte with one byte, on however many connections.
class PingPong {
 public:
  bool start(int connections) {
    ends_.resize(static_cast<size_t>(connections) * 2);
    for (size_t i = 0; i < ends_.size(); i += 2)
      if (!world_.connect(ends_[i], ends_[i + 1])) return false;
    for (size_t i = 0; i < ends_.size(); i += 2) (void)world_.a.sockets().sys_sendto(ends_[i].fd, kByte);
    return true;
  }
  void turn() {
    const Instant now{std::chrono::nanoseconds(world_.clock.tick())};
    world_.b.poll(now);
    answer(world_.b, world_.ready_b);
    world_.a.poll(now);
    round_trips_ += answer(world_.a, world_.ready_a);
  }
  uint64_t round_trips() const { return round_trips_; }

 private:
  static constexpr std::array<uint8_t, 1> kByte{'x'};

  static uint64_t answer(Stack& stack, Endpoint::Ready& ready) {
    uint64_t answered = 0;
    std::array<uint8_t, 16> buffer;
    for (Endpoint* e : ready) {
      if (!(e->take_events() & POLLIN)) continue;
      const Result<size_t> n = stack.sockets().sys_recvfrom(e->fd, buffer);
      if (!n || !*n) continue;
      (void)stack.sockets().sys_sendto(e->fd, kByte);
      ++answered;
    }
    ready.clear();
    return answered;
  }

  std::vector<Endpoint> ends_;  // client, server, client, server ...
  World world_{{}};
  uint64_t round_trips_ = 0;
};

void ping_pong(benchmark::State& state, int connections) {
  PingPong game;
  if (!game.start(connections)) return state.SkipWithError("no connection");
  for (int i = 0; i < 1000; ++i) game.turn();
  const uint64_t before = game.round_trips();
  for (auto _ : state) game.turn();
  if (game.round_trips() == before) return state.SkipWithError("no answer");
  state.counters["ns_per_round_trip"] = ns_per(game.round_trips() - before);
}

// One connection after the other: open, accept, close by the client, close by the server. TIME_WAIT is lived through.
void connect_close(benchmark::State& state) {
  Endpoint client, server;
  World w({});
  std::array<uint8_t, 16> buffer;
  uint64_t connections = 0;
  for (auto _ : state) {
    if (!w.connect(client, server)) return state.SkipWithError("no connection");
    (void)w.a.sockets().sys_close(client.fd);
    w.settle();
    if (w.b.sockets().sys_recvfrom(server.fd, buffer).value_or(1) != 0) return state.SkipWithError("no end of stream");
    (void)w.b.sockets().sys_close(server.fd);
    w.settle();
    w.ready_a.clear();
    w.ready_b.clear();
    if (++connections % kConnectionsPerTimeWait == 0) w.pass(61s);
  }
  w.pass(61s);
  if (w.a.tcp().sockets().size() != 0) return state.SkipWithError("connections are left over");
  state.counters["per_s"] = per_s(connections);
}

// What 10,000 established connections keep, after a byte each way and some rest. Descriptors, hash buckets and the
// unused part of the last slab included; the benchmark's own bookkeeping made before.
void idle_memory(benchmark::State& state) {
  std::vector<Endpoint> ends(2 * kManyConnections);
  World w({});
  w.ready_a.reserve(64);
  w.ready_b.reserve(64);
  const std::array<uint8_t, 1> byte{'x'};
  std::array<uint8_t, 16> buffer;
  const size_t heap = heap_bytes(), packets = w.pool.bytes_reserved();
  for (auto _ : state) {
    for (size_t i = 0; i < ends.size(); i += 2) {
      if (!w.connect(ends[i], ends[i + 1])) return state.SkipWithError("no connection");
      (void)w.a.sockets().sys_sendto(ends[i].fd, byte);
      w.settle();
      (void)w.b.sockets().sys_recvfrom(ends[i + 1].fd, buffer);
      (void)w.b.sockets().sys_sendto(ends[i + 1].fd, byte);
      w.settle();
      (void)w.a.sockets().sys_recvfrom(ends[i].fd, buffer);
      for (Endpoint::Ready* ready : {&w.ready_a, &w.ready_b}) {
        for (Endpoint* e : *ready) e->take_events();
        ready->clear();
      }
    }
    for (int i = 0; i < 10; ++i) w.pass(1s);
  }
  const auto endpoints = static_cast<double>(ends.size());
  state.counters["bytes_per_endpoint"] = static_cast<double>(heap_bytes() - heap) / endpoints;
  state.counters["of_it_packets"] = static_cast<double>(w.pool.bytes_reserved() - packets) / endpoints;
  state.counters["packets_held"] = static_cast<double>(w.pool.skbs_in_use());
}

void register_all() {
  using benchmark::RegisterBenchmark;
  // A window like lwIP's 64 KiB, and one of about 256 KiB.
  const WorldOptions narrow{.receive_buffer = 128 << 10}, wide{.receive_buffer = 512 << 10};
  WorldOptions large = wide;
  large.link.tso = true;
  RegisterBenchmark("bulk_mss1460_window64k", [=](benchmark::State& s) { bulk(s, narrow); });
  RegisterBenchmark("bulk_mss1460_window256k", [=](benchmark::State& s) { bulk(s, wide); });
  RegisterBenchmark("bulk_64k_segments", [=](benchmark::State& s) { bulk(s, large); });
  RegisterBenchmark("ping_pong_1", [](benchmark::State& s) { ping_pong(s, 1); });
  RegisterBenchmark("ping_pong_10000", [](benchmark::State& s) { ping_pong(s, kManyConnections); })->Iterations(3000);
  RegisterBenchmark("connect_close", connect_close);
  RegisterBenchmark("idle_memory", idle_memory)->Iterations(1);
  register_tap();
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  bench::register_all();
  return bench::run(argc, argv);
}
