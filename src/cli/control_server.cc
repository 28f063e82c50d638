#include "cli/control_server.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <nlohmann/json.hpp>

#include "cli/control_path.h"
#include "view/counters.h"
#include "view/drops.h"
#include "view/events.h"
#include "view/json_fields.h"
#include "view/sockets.h"
#include "wire/format_packet.h"

namespace glass {

namespace {

using Error = std::unexpected<std::string>;
constexpr size_t kMaxLine = 65536, kMaxWaiting = 1 << 16, kMaxOutput = 8 << 20;

SoftnetRow softnet_row(Stack& stack) {
  const softnet_data& sd = stack.softnet();
  SoftnetRow row{sd.processed, sd.dropped, sd.time_squeeze, static_cast<uint64_t>(sd.input_pkt_queue.qlen()), {}};
  for (const auto& dev : stack.devices())
    row.devices.push_back({dev->name, dev->mtu, dev->stats, dev->qdisc ? dev->qdisc->describe() : "noqueue",
                           dev->ingress ? dev->ingress->describe() : "-"});
  return row;
}

}  // namespace

struct ControlServer::Client {
  explicit Client(int descriptor) : fd(descriptor) {}
  ~Client() { ::close(fd); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  struct Waiting {
    EventRow row;
    std::string packet;
  };
  const int fd;
  std::string input, output;
  bool wants_trace = false, watches_drops = false, watches_events = false, broken = false;
  std::vector<Waiting> waiting;  // events that happened since the last flush
  uint64_t lost = 0;
};

std::expected<std::unique_ptr<ControlServer>, std::string> ControlServer::open(const std::string& path, Stack& stack,
                                                                               EventLoop& loop) {
  std::unique_ptr<ControlServer> server(new ControlServer(stack, loop));
  std::expected<std::string, std::string> where = path;
  if (path.empty()) where = make_control_path(ControlEnvironment::current(), getpid());
  if (!where) return Error(where.error());
  if (auto done = server->listen_at(*where); !done) return Error(done.error());
  return server;
}

ControlServer::ControlServer(Stack& stack, EventLoop& loop) : stack_(stack), loop_(loop) {}

std::expected<void, std::string> ControlServer::listen_at(const std::string& path) {
  const auto fail = [&] {
    return Error(fmt::format("cannot listen on {}: {}; choose another with --control", path, std::strerror(errno)));
  };
  sockaddr_un address{};
  if (path.size() >= sizeof address.sun_path)
    return Error(fmt::format("--control {}: the path is too long for a unix socket (at most {} characters)", path,
                             sizeof address.sun_path - 1));
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size());
  listen_fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listen_fd_ < 0) return fail();
  if (control_socket_alive(path))
    return Error(fmt::format("{} is in use by another glass: choose another with --control", path));
  struct stat s;
  if (lstat(path.c_str(), &s) == 0 && S_ISSOCK(s.st_mode)) ::unlink(path.c_str());  // left behind by one that died
  if (::bind(listen_fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return fail();
  path_ = path;
  ::chmod(path.c_str(), 0600);
  if (::listen(listen_fd_, 16) != 0) return fail();
  loop_.watch_fd(listen_fd_, [this] { accept_clients(); });
  return {};
}

ControlServer::~ControlServer() {
  if (tracing_) stack_.trace().stop();
  stack_.trace().set_sink(nullptr);
  for (const auto& c : clients_) loop_.unwatch(c->fd);
  if (listen_fd_ < 0) return;
  loop_.unwatch(listen_fd_);
  ::close(listen_fd_);
  if (!path_.empty()) ::unlink(path_.c_str());
}

void ControlServer::accept_clients() {
  for (;;) {
    const int fd = ::accept4(listen_fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    clients_.push_back(std::make_unique<Client>(fd));
    loop_.watch_fd(fd, [this, fd] { read_from(fd); });
  }
}

void ControlServer::read_from(int fd) {
  const auto at = std::ranges::find_if(clients_, [fd](const auto& c) { return c->fd == fd; });
  if (at == clients_.end()) return;
  Client& client = **at;
  std::array<char, 4096> buffer;
  const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) return forget(fd);
  client.input.append(buffer.data(), static_cast<size_t>(n));
  answer_lines(client);
  if (client.input.size() > kMaxLine || !write_to(client)) return forget(fd);
  if (!client.output.empty()) retry_.arm(loop_.now() + 10ms);
}

void ControlServer::answer_lines(Client& client) {
  for (size_t end; (end = client.input.find('\n')) != std::string::npos;) {
    const std::string line = client.input.substr(0, end);
    client.input.erase(0, end + 1);
    client.output += answer(client, line).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  }
}

Json ControlServer::answer(Client& client, const std::string& line) {
  const Json request = Json::parse(line, nullptr, false);
  const std::string command = text_field(request, "cmd");
  const Trace& trace = stack_.trace();
  Json reply{{"ok", true}};
  if (command == "counters") {
    reply["counters"] = to_json(snapshot(trace));
  } else if (command == "drops") {
    reply["drops"] = to_json(drop_rows(trace));
  } else if (command == "stacks") {
    reply["tracing"] = trace.on();
    reply["stacks"] = to_json(drop_stack_rows(trace));
  } else if (command == "sockets") {
    reply["sockets"] = to_json(socket_rows(stack_.tcp().sockets()));
  } else if (command == "softnet") {
    reply["softnet"] = to_json(softnet_row(stack_));
  } else if (command == "info") {
    reply["pid"] = getpid();
    reply["hostname"] = stack_.hostname();
    reply["tracing"] = trace.on();
  } else if (command == "trace") {
    client.wants_trace = true;
    adjust_trace();
  } else if (command == "watch") {
    return watch(client, text_field(request, "what"));
  } else {
    return {{"ok", false}, {"error", fmt::format("unknown request: {}", line.substr(0, 80))}};
  }
  return reply;
}

Json ControlServer::watch(Client& client, const std::string& what) {
  if (what != "drops" && what != "events") return {{"ok", false}, {"error", "watch either drops or events"}};
  (what == "drops" ? client.watches_drops : client.watches_events) = true;
  client.wants_trace |= client.watches_events;
  adjust_trace();
  return {{"ok", true}, {"now_ns", stack_.now().time_since_epoch().count()}};
}

void ControlServer::adjust_trace() {
  const bool watched =
      std::ranges::any_of(clients_, [](const auto& c) { return c->watches_drops || c->watches_events; });
  const bool wanted = std::ranges::any_of(clients_, [](const auto& c) { return c->wants_trace; });
  stack_.trace().set_sink(watched ? this : nullptr);
  if (wanted == tracing_) return;
  tracing_ = wanted;
  wanted ? stack_.trace().start() : stack_.trace().stop();
}

// --- events: called from inside the stack, so they are only noted

void ControlServer::on_drop(const TraceEvent& e, const uint8_t* packet, size_t size) {
  for (const auto& c : clients_) {
    if (!c->watches_drops) continue;
    if (c->waiting.size() >= kMaxWaiting) {
      ++c->lost;
    } else {
      c->waiting.push_back({event_row(e), size ? format_packet({packet, size}) : ""});
    }
  }
  flusher_.post();
}

void ControlServer::on_event(const TraceEvent& e) {
  for (const auto& c : clients_) {
    if (!c->watches_events) continue;
    if (c->waiting.size() >= kMaxWaiting) {
      ++c->lost;
    } else {
      c->waiting.push_back({event_row(e), ""});
    }
  }
  flusher_.post();
}

void ControlServer::flush() {
  bool unfinished = false;
  for (const auto& c : clients_) {
    for (Client::Waiting& w : c->waiting) {
      if (c->output.size() > kMaxOutput) {
        ++c->lost;
        continue;
      }
      Json j = to_json(w.row);
      if (!w.packet.empty()) j["packet"] = w.packet;
      c->output += j.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    }
    c->waiting.clear();
    if (c->lost && c->output.size() <= kMaxOutput)
      c->output += fmt::format("{{\"lost\":{}}}\n", std::exchange(c->lost, 0));
    c->broken = !write_to(*c);
    unfinished |= !c->output.empty();
  }
  std::vector<int> broken;
  for (const auto& c : clients_)
    if (c->broken) broken.push_back(c->fd);
  for (int fd : broken) forget(fd);
  if (unfinished) retry_.arm(loop_.now() + 10ms);
}

// False if the client has gone.
bool ControlServer::write_to(Client& c) {
  while (!c.output.empty()) {
    const ssize_t n = ::send(c.fd, c.output.data(), c.output.size(), MSG_NOSIGNAL);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    c.output.erase(0, static_cast<size_t>(n));
  }
  return true;
}

void ControlServer::forget(int fd) {
  loop_.unwatch(fd);
  std::erase_if(clients_, [fd](const auto& c) { return c->fd == fd; });
  adjust_trace();
}

}  // namespace glass
