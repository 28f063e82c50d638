// glass demo: two hosts in virtual time say hello and move 10 MB over a link that delays and loses.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "async/socket.h"
#include "async/spawn.h"
#include "cli/command.h"
#include "cli/demo_record.h"
#include "sim/world.h"
#include "view/counters.h"
#include "view/path.h"
#include "view/sequence.h"
#include "wire/format_packet.h"

namespace glass {

namespace {

constexpr std::string_view kHello = "Hello, world!\n";
constexpr uint16_t kHelloPort = 3490, kTransferPort = 3491;
constexpr size_t kTransferBytes = 10'000'000;
constexpr Duration kLimit = 24h;
constexpr const char* kDefaultNetem = "delay 20ms loss 2%";

struct DemoOptions {
  std::string output = "glass-demo.pcapng";
  bool json = false;
};

// --- the programs that run on the two hosts; a result of -1 means "still running", otherwise an errno

uint8_t byte_at(size_t position) { return static_cast<uint8_t>(position * 31 + (position >> 8)); }

Task<int> send_hello(TcpStream peer) {
  const Result<void> sent = co_await peer.send_all(bytes_of(kHello));
  co_return sent ? 0 : sent.error();
}

Task<int> send_much(TcpStream peer) {
  std::vector<uint8_t> data(kTransferBytes);
  for (size_t i = 0; i < data.size(); ++i) data[i] = byte_at(i);
  const Result<void> sent = co_await peer.send_all(data);
  co_return sent ? 0 : sent.error();
}

// The server of the textbook: waits for one caller, says its piece, closes.
Task<void> serve_one(Stack& stack, Executor& executor, uint16_t port, Task<int> (*talk)(TcpStream), int& result) {
  Result<TcpListener> listener = TcpListener::listen(stack, executor, {IpAddress::v4(0), port}, 10);
  if (!listener) {
    result = listener.error();
    co_return;
  }
  Result<TcpStream> peer = co_await listener->accept();
  result = peer ? co_await talk(std::move(*peer)) : peer.error();
}

struct Received {
  std::string text;  // the first bytes
  uint64_t bytes = 0;
  bool as_sent = true;  // each byte is byte_at() its position
  int result = -1;
};

Task<int> receive(Stack& stack, Executor& executor, SocketAddress from, Received& r) {
  Result<TcpStream> stream = co_await TcpStream::connect(stack, executor, from);
  if (!stream) co_return stream.error();
  std::vector<uint8_t> buffer(65536);
  for (;;) {
    const Result<size_t> n = co_await stream->recv(buffer);
    if (!n) co_return n.error();
    if (*n == 0) co_return 0;
    for (size_t i = 0; i < *n; ++i) r.as_sent &= buffer[i] == byte_at(r.bytes + i);
    if (r.text.size() < 64) r.text.append(reinterpret_cast<const char*>(buffer.data()), std::min<size_t>(*n, 64));
    r.bytes += *n;
  }
}

Task<void> receive_to_end(Stack& stack, Executor& executor, SocketAddress from, Received& r) {
  r.result = co_await receive(stack, executor, from, r);
}

// --- the run

bool all_closed(const Stack& stack_const) {
  auto& stack = const_cast<Stack&>(stack_const);
  return std::ranges::all_of(stack.tcp().sockets(),
                             [](const TcpSocketRow& s) { return s.state == "LISTEN" || s.state == "TIME-WAIT"; });
}

class Demo {
 public:
  Demo(uint64_t seed, const std::string& netem)
      : world_({.seed = seed}), client_(world_.add_host("client")), server_(world_.add_host("server")) {
    const World::Link link = world_.connect(client_, "10.0.0.1/24", server_, "10.0.0.2/24", {.netem = netem});
    record_.join(client_, link.a, server_, link.b);
    start_ = world_.now();
  }
  ~Demo() {
    world_.cancel_all();
    record_.leave();
  }
  Demo(const Demo&) = delete;
  Demo& operator=(const Demo&) = delete;

  void run() {
    client_.trace().start(1 << 16);
    server_.trace().start(1 << 16);
    exchange(kHelloPort, send_hello, hello_);
    client_.trace().stop();
    server_.trace().stop();
    hello_frames_ = record_.events().size();
    hello_end_ = world_.now();
    exchange(kTransferPort, send_much, transfer_);
    transfer_time_ = world_.now() - hello_end_;
    record_.leave();
  }

  std::string text(const Style&) const;
  Json json() const;
  const LinkRecorder& record() const { return record_; }

 private:
  void exchange(uint16_t port, Task<int> (*talk)(TcpStream), Received& received) {
    int served = -1;
    spawn(world_, serve_one(server_, world_, port, talk, served));
    spawn(world_, receive_to_end(client_, world_, {IpAddress::v4(10, 0, 0, 2), port}, received));
    const bool done = world_.run_until(
        [&] { return served >= 0 && received.result >= 0 && all_closed(client_) && all_closed(server_); }, kLimit);
    if (received.result > 0) throw Failure(fmt::format("the demo's client failed: {}", errno_text(received.result)));
    if (served > 0) throw Failure(fmt::format("the demo's server failed: {}", errno_text(served)));
    if (!done)
      throw Failure(
          "the demo did not end within a day of virtual time: does the link of --netem let anything through?");
  }
  std::string hello_diagram(const Style&) const;
  std::string repair_diagram(const Style&) const;
  std::string segment_path(const Style&) const;
  std::string drop_list(const Style&) const;
  std::string counter_table(const Style&) const;

  LinkRecorder record_;  // before the world, whose queues write to it
  World world_;
  Stack& client_;
  Stack& server_;
  Instant start_, hello_end_;
  Duration transfer_time_{};
  size_t hello_frames_ = 0;
  Received hello_, transfer_;
};

// --- what it prints

std::string title(std::string_view text, const Style& style) {
  return style.bold(style.cyan(fmt::format("== {} ==", text))) + "\n";
}

std::string Demo::hello_diagram(const Style& style) const {
  return sequence_diagram(
      record_.events().first(hello_frames_),
      {.left = "client 10.0.0.1", .right = fmt::format("server 10.0.0.2:{}", kHelloPort), .start = start_, .only = {}},
      style);
}

// "seq 1:15": tells which bytes a packet carries; empty for one without data.
std::string_view data_range(std::string_view label) {
  const size_t at = label.find("seq ");
  const std::string_view range = at == std::string_view::npos ? "" : label.substr(at, label.find(' ', at + 4) - at);
  return range.find(':') == std::string_view::npos ? "" : range;
}

// Which packets tell how the first lost data segment among frames[from...] was repaired: the loss, some after it, the
// first ACKs that report the hole, the retransmission, and the ACK of it. Empty: nothing was lost, or it was not sent
// again.
std::vector<size_t> repair_story(std::span<const SequenceEvent> frames, const std::vector<std::string>& labels,
                                 size_t from) {
  constexpr size_t kFollowers = 3, kReports = 3;
  size_t lost = from;
  while (lost < frames.size() && (frames[lost].arrived || data_range(labels[lost]).empty())) ++lost;
  if (lost == frames.size()) return {};
  const std::string_view range = data_range(labels[lost]);
  const std::string still_missing = fmt::format("ack {} ", range.substr(4, range.find(':') - 4));
  const auto from_receiver = [&](size_t i) { return frames[i].from_left != frames[lost].from_left; };
  std::vector<size_t> story;
  for (size_t i = lost; i < frames.size() && i <= lost + kFollowers; ++i) story.push_back(i);
  size_t again = story.back() + 1, reports = 0;
  for (; again < frames.size() && (!frames[again].arrived || data_range(labels[again]) != range); ++again)
    if (from_receiver(again) && labels[again].find("<sack") != std::string::npos && reports++ < kReports)
      story.push_back(again);
  if (again == frames.size()) return {};
  story.push_back(again);
  for (size_t i = again + 1; i < frames.size(); ++i) {
    if (!from_receiver(i) || frames[i].sent < *frames[again].arrived ||
        labels[i].find(still_missing) != std::string::npos)
      continue;
    story.push_back(i);
    break;
  }
  return story;
}

std::string Demo::repair_diagram(const Style& style) const {
  const auto frames = record_.events();
  std::vector<size_t> story = repair_story(frames, sequence_labels(frames), hello_frames_);
  if (story.empty()) return "no data segment was lost and sent again\n";
  return sequence_diagram(frames,
                          {.left = "client 10.0.0.1",
                           .right = fmt::format("server 10.0.0.2:{}", kTransferPort),
                           .start = start_,
                           .only = std::move(story)},
                          style);
}

// Down through the server that sends, up through the client that receives.
std::string Demo::segment_path(const Style& style) const {
  const auto down = server_.trace().events(), up = client_.trace().events();
  const auto call = find_call(down, "__sys_sendto", 0);
  if (!call) return "the trace holds no call of __sys_sendto\n";
  const uint32_t skb = packet_entering(down, *call, "__dev_queue_xmit");
  std::vector<TraceEvent> sent = packet_path(down, call->end, skb);
  const auto on_wire = std::ranges::find_if(sent, [](const TraceEvent& e) {
    return e.kind == TraceEvent::Kind::enter && std::string_view(e.function->name) == "veth_xmit";
  });
  if (on_wire != sent.end()) sent.erase(on_wire + 1, sent.end());
  const auto recv = find_call_with(up, "__sys_recvfrom", 0, skb);
  const auto before_recv = std::span(up).first(recv ? recv->begin : up.size());
  std::vector<PathPart> parts{{"server", call_path(down, *call, skb)},
                              {"server", std::move(sent)},
                              {"client", packet_path(before_recv, 0, skb)}};
  if (recv) parts.push_back({"client", call_path(up, *recv, skb)});
  return format_path(parts, start_, style);
}

std::string host_name(size_t host) { return host == 0 ? "client" : "server"; }

std::string packet_name(const LinkRecorder::Drop& d, const std::vector<std::string>& labels) {
  if (d.frame) return labels[*d.frame];
  return d.packet.empty() ? "" : format_packet(d.packet);
}

std::string Demo::drop_list(const Style& style) const {
  Table table({{"TIME", Table::Align::right}, {"HOST"}, {"REASON"}, {"PLACE"}, {"PACKET"}});
  const std::vector<std::string> labels = sequence_labels(record_.events());
  for (const LinkRecorder::Drop& d : record_.drops())
    table.add({format_milliseconds(d.when - start_), host_name(d.host), d.place.reason,
               format_place(d.place.function, d.place.file, d.place.line), packet_name(d, labels)});
  return table.empty() ? "none\n" : table.text(style);
}

std::string Demo::counter_table(const Style& style) const {
  return format_counter_columns({{"client", snapshot(client_.trace())}, {"server", snapshot(server_.trace())}}, style);
}

std::string Demo::text(const Style& style) const {
  std::string greeting = hello_.text;
  std::erase(greeting, '\n');
  std::string out = title("The hello exchange: handshake, data, close", style) + hello_diagram(style);
  out += fmt::format("the client read \"{}\"\n\n", greeting);
  out += title("How the first lost segment of the 10 MB transfer is repaired", style) + repair_diagram(style) + "\n";
  out += title("The way of the hello segment: down through the server, up through the client", style) +
         segment_path(style) + "\n";
  out += title("Every packet that was dropped, both exchanges", style) + drop_list(style) + "\n";
  out += title("Counters that moved", style) + counter_table(style) + "\n";
  out += title("The transfer", style);
  out += fmt::format("{} arrived {} in {} of virtual time, {}; {} segments were sent again, {} packets dropped\n",
                     format_bytes(transfer_.bytes),
                     transfer_.as_sent && transfer_.bytes == kTransferBytes ? "as sent" : "DAMAGED",
                     format_seconds(transfer_time_), format_rate(transfer_.bytes, transfer_time_),
                     server_.ns().trace.value(Mib::TcpRetransSegs), record_.drops().size());
  return out;
}

Json Demo::json() const {
  Json drops = Json::array();
  const std::vector<std::string> labels = sequence_labels(record_.events());
  for (const LinkRecorder::Drop& d : record_.drops()) {
    Json j = to_json(d.place);
    j.erase("count");
    j["time_ms"] = static_cast<double>((d.when - start_).count()) / 1e6;
    j["host"] = host_name(d.host);
    j["packet"] = packet_name(d, labels);
    drops.push_back(std::move(j));
  }
  return {{"hello", hello_.text},
          {"transfer",
           {{"bytes", transfer_.bytes},
            {"as_sent", transfer_.as_sent},
            {"seconds", static_cast<double>(transfer_time_.count()) / 1e9}}},
          {"packets", record_.events().size()},
          {"drops", drops},
          {"counters",
           {{"client", to_json(difference({}, snapshot(client_.trace())))},
            {"server", to_json(difference({}, snapshot(server_.trace())))}}}};
}

int demo(Session& session, const DemoOptions& o) {
  const auto netem = value_or_fail(check_netem(session.link.netem), kExitUsage);
  const std::string words = session.link.netem.empty() ? kDefaultNetem : netem ? format_netem(*netem) : "";
  // First, so that a path that cannot be written is known before the work is done.
  auto writer = value_or_fail(PcapngWriter::open(o.output));
  Demo demo(session.link.seed.value_or(1), words);
  demo.run();
  demo.record().write_capture(*writer);
  writer->flush();
  if (!writer->ok()) throw Failure(fmt::format("cannot write {}: is the disk full?", o.output));
  if (o.json) {
    print(demo.json().dump(2) + "\n");
  } else {
    print(demo.text(style_for(1)));
    print(fmt::format("{} packets, with drops as comments, are in {} (open it with Wireshark)\n", writer->packets(),
                      o.output));
  }
  return 0;
}

}  // namespace

void add_demo(CLI::App& app, Session& session) {
  CLI::App* cmd =
      app.add_subcommand("demo", "two simulated hosts talk over a bad link, and everything is shown; no root needed");
  auto o = std::make_shared<DemoOptions>();
  cmd->add_option("-o,--output", o->output, "capture file to write, with drops as comments")
      ->capture_default_str()
      ->type_name("FILE");
  cmd->add_flag("--json", o->json, "drops, counters and result as JSON");
  add_simulation_options(*cmd, session.link);
  cmd->footer(
      "Example: glass demo --netem 'delay 50ms 10ms loss 5%' --seed 7\n"
      "The same seed and the same link give the same packets at the same times.\n"
      "Exit code: 0, 1 on failure, 2 on wrong usage.");
  on_run(*cmd, session, [&session, o] { return demo(session, *o); });
}

}  // namespace glass
