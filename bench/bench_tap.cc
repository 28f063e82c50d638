#include "bench_tap.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <thread>

#include "common.h"
#include "driver/tun.h"
#include "glass_world.h"

namespace bench {
namespace {

using namespace glass;

constexpr uint16_t kKernelPort = 5001;
constexpr uint64_t kWarmUpBytes = 64 << 20, kBytesPerIteration = 4 << 20;
constexpr uint64_t kPatienceNs = 5'000'000'000;  // without a byte for so long, it is broken
constexpr unsigned kIdleTurns = 200;             // before sleeping: a wake-up costs more than these

// Moves this process into a network namespace of its own; empty, or why that is not possible.
std::string enter_own_namespace() {
  const unsigned uid = getuid(), gid = getgid();
  if (unshare(CLONE_NEWNET) == 0) return {};
  if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return fmt::format("no network namespace: {}", std::strerror(errno));
  std::ofstream("/proc/self/setgroups") << "deny";
  if (!(std::ofstream("/proc/self/uid_map") << "0 " << uid << " 1" << std::flush) ||
      !(std::ofstream("/proc/self/gid_map") << "0 " << gid << " 1" << std::flush))
    return "no user mapping in the new namespace";
  return {};
}

// The kernel's end of the connection: a thread that only reads or only writes, on a core of its own.
class KernelPeer {
 public:
  explicit KernelPeer(bool reads) : reads_(reads), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = ::htons(kKernelPort);
    const int on = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    ready_ = bind(listener_, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0 && listen(listener_, 1) == 0;
    if (ready_) thread_ = std::thread([this] { serve(); });
  }
  ~KernelPeer() {
    stop_ = true;
    shutdown(listener_, SHUT_RDWR);
    if (const int s = connection_; s >= 0) shutdown(s, SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
    close(listener_);
  }
  KernelPeer(const KernelPeer&) = delete;
  KernelPeer& operator=(const KernelPeer&) = delete;

  bool ready() const { return ready_; }
  uint64_t received() const { return received_.load(std::memory_order_relaxed); }

 private:
  void serve() {
    pin_this_thread(1);
    const int s = accept(listener_, nullptr, nullptr);
    if (s < 0) return;
    connection_ = s;
    std::vector<char> buffer(256 << 10);
    while (!stop_) {
      const ssize_t n =
          reads_ ? recv(s, buffer.data(), buffer.size(), 0) : send(s, buffer.data(), buffer.size(), MSG_NOSIGNAL);
      if (n <= 0) break;
      if (reads_) received_.fetch_add(static_cast<uint64_t>(n), std::memory_order_relaxed);
    }
    connection_ = -1;
    close(s);
  }

  bool reads_, ready_ = false;
  int listener_;
  std::atomic<bool> stop_ = false;
  std::atomic<int> connection_ = -1;
  std::atomic<uint64_t> received_ = 0;
  std::thread thread_;
};

// Glasstack's end: one stack on the TAP device and one connection.
class TapHost {
 public:
  explicit TapHost(TunTapDriver& tap) : tap_(tap) {
    net_device& dev = stack_.add_device("eth0", tap);
    stack_.ip().add_address(dev, *parse_prefix("10.77.0.2/24"));
    stack_.advance(now());
  }
  bool connect() {
    socket_.open(stack_, stack_.sockets().sys_socket(AF_INET, SOCK_STREAM, 0).value(), ready_);
    (void)stack_.sockets().sys_connect(socket_.fd, {IpAddress::v4(10, 77, 0, 1), kKernelPort});
    const uint64_t limit = clock_ns() + kPatienceNs;
    while (!(events_ & (POLLOUT | POLLERR)) && clock_ns() < limit) turn();
    return (events_ & POLLOUT) && !(events_ & POLLERR);
  }
  void write_turn() {
    while (events_ & POLLOUT) {
      const Result<size_t> n = stack_.sockets().sys_sendto(socket_.fd, source_);
      if (!n || *n < source_.size()) events_ &= ~static_cast<uint32_t>(POLLOUT);
    }
    turn();
  }
  void read_turn() {
    turn();
    while (events_ & POLLIN) {
      const Result<size_t> n = stack_.sockets().sys_recvfrom(socket_.fd, buffer_);
      if (!n || *n < buffer_.size()) events_ &= ~static_cast<uint32_t>(POLLIN);
      if (n) received_ += *n;
    }
  }
  uint64_t received() const { return received_; }

 private:
  static Instant now() { return Instant{std::chrono::nanoseconds(clock_ns())}; }

  void turn() {
    const uint64_t seen = stack_.softnet().processed;
    tap_.interrupt();
    const bool more = stack_.poll(now());
    for (Endpoint* e : ready_) events_ |= e->take_events();
    ready_.clear();
    if (more || seen != stack_.softnet().processed)
      idle_ = 0;
    else if (++idle_ > kIdleTurns)
      wait();
  }
  void wait() {
    idle_ = 0;
    pollfd p{tap_.fd(), POLLIN, 0};
    const auto until = stack_.next_deadline() - now();
    if (until > 1ms) ::poll(&p, 1, 1);
  }

  TunTapDriver& tap_;
  std::vector<uint8_t> source_ = std::vector<uint8_t>(kRead, 0x5a), buffer_ = std::vector<uint8_t>(4 * kRead);
  Endpoint socket_;
  Endpoint::Ready ready_;
  Stack stack_{{.hostname = "glass", .seed = 1}};
  uint32_t events_ = 0;
  unsigned idle_ = 0;
  uint64_t received_ = 0;
};

struct TapRun {
  bool up;
  KernelPeer kernel;
  TapHost host;

  TapRun(bool upwards, TunTapDriver& tap) : up(upwards), kernel(upwards), host(tap) {}
  uint64_t received() const { return up ? kernel.received() : host.received(); }
  // Until so many more bytes have arrived; false if nothing does any more.
  bool move(uint64_t bytes) {
    const uint64_t goal = received() + bytes;
    uint64_t last = received(), last_at = clock_ns();
    for (unsigned i = 0; received() < goal; ++i) {
      up ? host.write_turn() : host.read_turn();
      if (i % 1024) continue;
      if (received() != last)
        last = received(), last_at = clock_ns();
      else if (clock_ns() - last_at > kPatienceNs)
        return false;
    }
    return true;
  }
};

void tap_bulk(benchmark::State& state, bool up) {
  static const std::string refused = enter_own_namespace();  // once a process: there is no way back
  if (!refused.empty()) return state.SkipWithError(refused.c_str());
  auto tap = TunTapDriver::open({.name = "glass0", .host_address = parse_prefix("10.77.0.1/24")});
  if (!tap) return state.SkipWithError(tap.error().c_str());
  TapRun run(up, **tap);
  if (!run.kernel.ready()) return state.SkipWithError("the kernel's socket cannot listen");
  if (!run.host.connect()) return state.SkipWithError("no connection to the kernel");
  bool alive = run.move(kWarmUpBytes);
  const uint64_t before = run.received(), cpu = thread_cpu_ns();
  for (auto _ : state) alive = alive && run.move(kBytesPerIteration);
  if (!alive) return state.SkipWithError("the transfer came to a halt");
  const uint64_t moved = run.received() - before;
  state.counters["gbit_per_s"] = gbit_per_s(moved);
  state.counters["gbit_per_core"] = static_cast<double>(moved) * 8 / static_cast<double>(thread_cpu_ns() - cpu);
}

}  // namespace

void register_tap() {
  for (const bool up : {true, false})
    benchmark::RegisterBenchmark(up ? "tap_up" : "tap_down", [up](benchmark::State& s) {
      tap_bulk(s, up);
    })->UseRealTime();
}

}  // namespace bench
