// lwIP, measured as Glasstack is in bench_glass.cc: the same names, sizes and counters.
#include <array>
#include <cstring>

#include "common.h"
#include "lwip_world.h"

namespace bench {
namespace {

// What the server's program knows: the connection accepted last, and what it does with data.
struct Server {
  tcp_recv_fn receive;
  void* arg = nullptr;
  tcp_pcb* accepted = nullptr;

  static err_t accept(void* self, tcp_pcb* p, err_t) {
    auto* server = static_cast<Server*>(self);
    server->accepted = p;
    tcp_nagle_disable(p);
    tcp_arg(p, server->arg);
    tcp_recv(p, server->receive);
    return ERR_OK;
  }
};

// Reads into the application's buffer, as a program has to in the end.
struct Reader {
  std::vector<char> buffer = std::vector<char>(kRead);
  size_t offset = 0;
  uint64_t received = 0;

  static err_t receive(void* self, tcp_pcb* p, pbuf* data, err_t) {
    auto* reader = static_cast<Reader*>(self);
    if (!data) return tcp_close(p);
    for (const pbuf* piece = data; piece; piece = piece->next) {
      if (reader->offset + piece->len > reader->buffer.size()) reader->offset = 0;
      std::memcpy(reader->buffer.data() + reader->offset, piece->payload, piece->len);
      reader->offset += piece->len;
    }
    reader->received += data->tot_len;
    tcp_recved(p, data->tot_len);
    pbuf_free(data);
    return ERR_OK;
  }
};

// Writes in whole segments, which is what lwIP does best.
class Writer {
 public:
  void write(tcp_pcb* p) {
    for (;;) {
      size_t n = std::min<size_t>(tcp_sndbuf(p), kWrite);
      n -= n % TCP_MSS;
      if (!n || tcp_sndqueuelen(p) + 2 * (n / TCP_MSS) > TCP_SND_QUEUELEN) break;
      if (tcp_write(p, source_.data() + offset_, static_cast<u16_t>(n), TCP_WRITE_FLAG_COPY) != ERR_OK) break;
      offset_ = (offset_ + n) % (kSource - kWrite);
    }
    tcp_output(p);
  }

 private:
  std::vector<char> source_ = std::vector<char>(kSource, 0x5a);
  size_t offset_ = 0;
};

void bulk(benchmark::State& state) {
  Reader reader;
  Writer writer;
  Server server{Reader::receive, &reader};
  LwipWorld w;
  w.listen(&server, Server::accept);
  tcp_pcb* client = w.connect();
  if (!client) return state.SkipWithError("no connection");
  const auto turn = [&] {
    writer.write(client);
    w.turn();
  };
  for (int i = 0; i < 4000; ++i) turn();
  const uint64_t bytes = reader.received, segments = w.data_segments(), acks = w.acks();
  for (auto _ : state) turn();
  const uint64_t got = reader.received - bytes, seen = w.data_segments() - segments;
  if (!got) return state.SkipWithError("nothing arrived");
  state.counters["gbit_per_s"] = gbit_per_s(got);
  state.counters["ns_per_segment"] = ns_per(seen);
  state.counters["bytes_per_segment"] = static_cast<double>(got) / static_cast<double>(seen);
  state.counters["acks_per_segment"] = static_cast<double>(w.acks() - acks) / static_cast<double>(seen);
}

// Answers a byte with a byte, and counts.
err_t answer(void* count, tcp_pcb* p, pbuf* data, err_t) {
  if (!data) return ERR_OK;
  tcp_recved(p, data->tot_len);
  pbuf_free(data);
  ++*static_cast<uint64_t*>(count);
  tcp_write(p, "x", 1, TCP_WRITE_FLAG_COPY);
  tcp_output(p);
  return ERR_OK;
}

void ping_pong(benchmark::State& state, int connections) {
  uint64_t answers = 0, round_trips = 0;
  Server server{answer, &answers};
  LwipWorld w;
  w.listen(&server, Server::accept);
  std::vector<tcp_pcb*> clients;
  for (int i = 0; i < connections; ++i) {
    tcp_pcb* p = w.connect();
    if (!p) return state.SkipWithError("no connection");
    tcp_arg(p, &round_trips);
    tcp_recv(p, answer);
    clients.push_back(p);
  }
  for (tcp_pcb* p : clients) {
    tcp_write(p, "x", 1, TCP_WRITE_FLAG_COPY);
    tcp_output(p);
  }
  if (connections == 1)
    for (int i = 0; i < 1000; ++i) w.turn();
  const uint64_t before = round_trips;
  for (auto _ : state) w.turn();
  if (round_trips == before) return state.SkipWithError("no answer");
  state.counters["ns_per_round_trip"] = ns_per(round_trips - before);
}

void connect_close(benchmark::State& state) {
  Reader reader;
  Server server{Reader::receive, &reader};
  LwipWorld w;
  w.listen(&server, Server::accept);
  uint64_t connections = 0;
  for (auto _ : state) {
    tcp_pcb* p = w.connect();
    if (!p) return state.SkipWithError("no connection");
    tcp_close(p);
    w.settle();
    if (++connections % kConnectionsPerTimeWait == 0) w.pass_time_wait();
  }
  state.counters["per_s"] = per_s(connections);
}

void idle_memory(benchmark::State& state) {
  Reader reader;
  Server server{Reader::receive, &reader};
  LwipWorld w;
  w.listen(&server, Server::accept);
  Reader client_reader;
  const size_t heap = heap_bytes();
  for (auto _ : state) {
    for (int i = 0; i < kManyConnections; ++i) {
      tcp_pcb* p = w.connect();
      if (!p) return state.SkipWithError("no connection");
      tcp_arg(p, &client_reader);
      tcp_recv(p, Reader::receive);
      for (tcp_pcb* from : {p, server.accepted}) {
        tcp_write(from, "x", 1, TCP_WRITE_FLAG_COPY);
        tcp_output(from);
        w.settle();
      }
    }
    for (int i = 0; i < 10; ++i) {
      LwipWorld::run_timers();
      w.settle();
    }
  }
  state.counters["bytes_per_endpoint"] = static_cast<double>(heap_bytes() - heap) / (2.0 * kManyConnections);
}

void register_all() {
  using benchmark::RegisterBenchmark;
  RegisterBenchmark("bulk_mss1460_window64k", bulk);
  RegisterBenchmark("ping_pong_1", [](benchmark::State& s) { ping_pong(s, 1); });
  // One turn is a round trip on each connection, and takes about a second.
  RegisterBenchmark("ping_pong_10000", [](benchmark::State& s) { ping_pong(s, kManyConnections); })->Iterations(1);
  RegisterBenchmark("connect_close", connect_close);
  RegisterBenchmark("idle_memory", idle_memory)->Iterations(1);
  benchmark::AddCustomContext("peer", LwipWorld::describe());
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  bench::register_all();
  return bench::run(argc, argv);
}
