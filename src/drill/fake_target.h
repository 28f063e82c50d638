// A target for tests of the runner: it has no stack, does what the test told it beforehand, and keeps what it was
// given.
//
//   FakeTarget target;
//   target.sends(10'000, "> S. 0:0(0) ack 1");      // leaves at 10 ms
//   target.returns("accept", 5, 20'000);            // a call that is over at 20 ms
#pragma once
#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <map>

#include "drill/build.h"
#include "drill/parser.h"
#include "drill/target.h"
#include "tcp/tcp_info.h"
#include "wire/tcp.h"

namespace glass::drill {

inline constexpr uint32_t kFakeIsn = 7'000'000;
inline constexpr uint16_t kFakeRemotePort = 40000;  // the first that a runner uses

// Every call succeeds; descriptors count up.
class FakeSyscalls : public Syscalls {
 public:
  std::map<std::string, int64_t> results{};

  int64_t socket(int, int, int) override { return result("socket", next_fd_++); }
  int64_t bind(int, const sockaddr*, socklen_t) override { return result("bind", 0); }
  int64_t listen(int, int) override { return result("listen", 0); }
  int64_t accept(int, sockaddr*, socklen_t*) override { return result("accept", next_fd_++); }
  int64_t connect(int, const sockaddr*, socklen_t) override { return result("connect", 0); }
  int64_t readv(int, const iovec*, int) override { return result("read", 0); }
  int64_t writev(int, const iovec* iov, int) override { return result("write", static_cast<int64_t>(iov->iov_len)); }
  int64_t recvmsg(int, msghdr*, int) override { return result("recvmsg", 0); }
  int64_t sendmsg(int, const msghdr*, int) override { return result("sendmsg", 0); }
  int64_t fcntl(int, int, int) override { return result("fcntl", 0); }
  int64_t ioctl(int, unsigned long, int*) override { return result("ioctl", 0); }
  int64_t close(int) override { return result("close", 0); }
  int64_t shutdown(int, int) override { return result("shutdown", 0); }
  int64_t getsockopt(int, int, int, void*, socklen_t*) override { return result("getsockopt", 0); }
  int64_t setsockopt(int, int, int, const void*, socklen_t) override { return result("setsockopt", 0); }
  int64_t poll(pollfd*, nfds_t, int) override { return result("poll", 0); }
  int64_t open(const char*, int) override { return result("open", next_fd_++); }
  int64_t pipe(int*) override { return result("pipe", 0); }
  int64_t splice(int, int64_t*, int, int64_t*, size_t, unsigned) override { return result("splice", 0); }
  int64_t sendfile(int, int, int64_t*, size_t) override { return result("sendfile", 0); }
  int64_t epoll_create(int) override { return result("epoll_create", next_fd_++); }
  int64_t epoll_ctl(int, int, int, epoll_event*) override { return result("epoll_ctl", 0); }
  int64_t epoll_wait(int, epoll_event*, int, int) override { return result("epoll_wait", 0); }

  std::string last{};  // the call made last

 private:
  int64_t result(const char* name, int64_t usual) {
    last = name;
    auto it = results.find(name);
    return it == results.end() ? usual : it->second;
  }
  int next_fd_ = 100;
};

class FakeTarget : public Target {
 public:
  // --- what the test arranges
  Live live{};  // as the target's side has it
  void sends(int64_t at_us, const std::string& packet) { sends(at_us, bytes_of(packet)); }
  void sends(int64_t at_us, std::vector<uint8_t> bytes) { plan_.push_back({at_us, std::move(bytes)}); }
  void returns(const std::string& call, int64_t result, int64_t at_us) {
    calls.results[call] = result;
    over_at_[call] = at_us;
  }
  std::vector<uint8_t> bytes_of(const std::string& packet) const;
  FakeSyscalls calls{};
  std::optional<DropReport> drop{};
  glass::tcp_info info{};
  std::string failing_command{};

  // --- what it was given
  std::vector<std::vector<uint8_t>> injected{};
  std::vector<int64_t> injected_at{};
  std::vector<std::string> commands{};

  FakeTarget() {
    live.ends = {.local = IpAddress::v4(192, 168, 0, 1),
                 .remote = IpAddress::v4(192, 0, 2, 1),
                 .local_port = 8080,
                 .remote_port = kFakeRemotePort};
    live.local_isn = kFakeIsn;
  }

  std::string name() const override { return "fake"; }
  bool virtual_time() const override { return true; }
  int64_t now_us() override { return now_; }
  int64_t epoch_ns() const override { return 0; }

  void run_until(int64_t until_us) override {
    int64_t next = until_us;
    if (!plan_.empty()) next = std::min(next, std::max(now_, plan_.front().time_us));
    if (running_) next = std::min(next, std::max(now_, running_->time_us));
    now_ = std::max(now_, next);
    if (!plan_.empty() && plan_.front().time_us <= now_) {
      left_.push_back(std::move(plan_.front()));
      plan_.pop_front();
    }
  }

  void start_call(std::function<int64_t(Syscalls&)> call) override {
    const int64_t result = call(calls);
    auto it = over_at_.find(calls.last);
    running_ = Finished{result, it == over_at_.end() ? now_ : it->second};
  }
  std::optional<Finished> finished_call() override {
    if (!running_ || running_->time_us > now_) return std::nullopt;
    return std::exchange(running_, std::nullopt);
  }

  void inject(std::span<const uint8_t> packet, uint16_t /*gso_size*/) override {
    injected.emplace_back(packet.begin(), packet.end());
    injected_at.push_back(now_);
  }
  std::optional<OutboundPacket> next_packet() override {
    while (!plan_.empty() && plan_.front().time_us <= now_) {
      left_.push_back(std::move(plan_.front()));
      plan_.pop_front();
    }
    if (left_.empty()) return std::nullopt;
    OutboundPacket packet = std::move(left_.front());
    left_.pop_front();
    return packet;
  }
  bool can_tell_drops() const override { return true; }
  std::optional<DropReport> last_drop() override { return drop; }
  std::optional<std::string> command(const std::string& text) override {
    commands.push_back(text);
    if (text == failing_command) return "no such command";
    return std::nullopt;
  }
  int64_t raw_sockopt(int, int level, int name, void* value, socklen_t* length) override {
    if (level != IPPROTO_TCP || name != 11) return -92;  // ENOPROTOOPT
    *length = sizeof(info);
    std::memcpy(value, &info, sizeof(info));
    return 0;
  }
  std::string socket_line(int) override { return "ESTAB"; }
  std::string last_trace() override { return "tcp_v4_rcv"; }

 private:
  int64_t now_ = 0;
  std::deque<OutboundPacket> plan_{}, left_{};
  std::optional<Finished> running_{};
  std::map<std::string, int64_t> over_at_{};
};

// The packet as the target sends it: built from its own end of the connection.
inline std::vector<uint8_t> FakeTarget::bytes_of(const std::string& packet) const {
  auto script = parse_script("packet", "0 " + packet + "\n");
  EXPECT_TRUE(script) << packet << ": " << script.error().text;
  PacketEvent event = std::get<PacketEvent>(script->events.at(0).what);
  Live other = live;
  other.ends = {live.ends.remote, live.ends.local, live.ends.remote_port, live.ends.local_port};
  std::swap(other.local_isn, other.remote_isn);
  auto& tcp = std::get<TcpSpec>(event.what);
  if (tcp.flags & TCPHDR_SYN) tcp.seq += kFakeIsn;  // a SYN's numbers are absolute
  for (const TcpOptionSpec& option : tcp.options)
    if (option.kind == TcpOptionSpec::Kind::timestamp) other.learn_tsval(option.echo, option.echo);
  auto bytes = build_packet(event, other, {});
  EXPECT_TRUE(bytes) << packet << ": " << bytes.error();
  return *bytes;
}

}  // namespace glass::drill
