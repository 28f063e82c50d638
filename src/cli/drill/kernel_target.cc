#include "cli/drill/kernel_target.h"

#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <deque>
#include <thread>

#include "cli/command.h"
#include "cli/drill/call_thread.h"
#include "cli/drill/kernel_drops.h"
#include "cli/drill/kernel_host.h"
#include "cli/drill/kernel_syscalls.h"

namespace glass {

namespace {

using SteadyTime = std::chrono::steady_clock::time_point;
using namespace std::chrono_literals;

constexpr auto kSpin = 150us;  // before an instant we stay awake: a sleep ends late

// Other programs must not delay packets and calls by more than the script's tolerance. Where this is not allowed it
// goes on without.
void take_precedence() {
  const sched_param first{.sched_priority = 1};
  (void)sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &first);
  (void)prctl(PR_SET_TIMERSLACK, 1);
}

class KernelTarget final : public drill::Target {
 public:
  explicit KernelTarget(std::unique_ptr<KernelHost> host) : host_(std::move(host)) { take_precedence(); }

  std::string name() const override {
    utsname u{};
    uname(&u);
    return fmt::format("linux {}", u.release);
  }
  bool virtual_time() const override { return false; }
  int64_t now_us() override { return script_us(std::chrono::steady_clock::now()); }
  int64_t epoch_ns() const override { return epoch_ns_; }

  void run_until(int64_t until_us) override;
  void start_call(std::function<int64_t(drill::Syscalls&)> call) override {
    (void)now_us();
    thread_.start([this, call = std::move(call)] { return call(calls_); });
    sniff();
  }
  std::optional<Finished> finished_call() override {
    const auto done = thread_.finished();
    if (!done) return std::nullopt;
    return Finished{done->result, script_us(done->when)};
  }

  void inject(std::span<const uint8_t> packet, uint16_t gso_size) override {
    if (drops_) drops_->arm();
    (void)host_->write(packet, gso_size);
    drop_ = drops_ ? drops_->first() : std::nullopt;
    sniff();
  }
  std::optional<drill::OutboundPacket> next_packet() override {
    if (sent_.empty()) sniff();
    if (sent_.empty()) return std::nullopt;
    drill::OutboundPacket p = std::move(sent_.front());
    sent_.pop_front();
    return p;
  }
  bool can_tell_drops() const override { return drops_ != nullptr; }
  std::optional<drill::DropReport> last_drop() override { return drop_; }

  void set_directory(const std::string& path) override { host_->directory = path; }
  std::optional<std::string> command(const std::string& text) override { return host_->run(text); }
  int64_t raw_sockopt(int fd, int level, int option, void* value, socklen_t* length) override {
    return calls_.getsockopt(fd, level, option, value, length);
  }
  std::string socket_line(int) override { return host_->output_of("ss -tanie"); }
  std::string last_trace() override { return {}; }

 private:
  // The script's time begins with its first event, not with the commands before.
  int64_t script_us(SteadyTime t);
  bool sniff();

  std::unique_ptr<KernelHost> host_;
  std::unique_ptr<KernelDrops> drops_ = KernelDrops::open();
  std::optional<drill::DropReport> drop_;
  KernelSyscalls calls_;
  CallThread thread_{take_precedence};
  bool begun_ = false;
  SteadyTime begin_{};
  int64_t epoch_ns_ = 0;
  std::deque<drill::OutboundPacket> sent_;
};

int64_t KernelTarget::script_us(SteadyTime t) {
  if (!begun_) {
    begun_ = true;
    begin_ = t;
    timespec real{};
    clock_gettime(CLOCK_REALTIME, &real);
    epoch_ns_ = real.tv_sec * 1'000'000'000 + real.tv_nsec;
  }
  return std::chrono::duration_cast<std::chrono::microseconds>(t - begin_).count();
}

// Takes over what has left. True if there was something.
bool KernelTarget::sniff() {
  const size_t before = sent_.size();
  for (;;) {
    std::vector<uint8_t> packet = host_->read();
    if (packet.empty()) break;
    sent_.push_back({now_us(), std::move(packet)});
  }
  return sent_.size() != before;
}

void KernelTarget::run_until(int64_t until_us) {
  (void)now_us();
  const SteadyTime until = begin_ + std::chrono::microseconds(until_us);
  for (;;) {
    pollfd watched[] = {{host_->fd(), POLLIN, 0}, {thread_.fd(), POLLIN, 0}};
    const auto left = until - std::chrono::steady_clock::now() - kSpin;
    const int64_t ns = std::max<int64_t>(0, std::chrono::duration_cast<std::chrono::nanoseconds>(left).count());
    const timespec wait{ns / 1'000'000'000, ns % 1'000'000'000};
    (void)ppoll(watched, std::size(watched), &wait, nullptr);
    const bool call_over = watched[1].revents & POLLIN;
    if (sniff() || call_over || std::chrono::steady_clock::now() >= until) return;
  }
}

}  // namespace

std::expected<void, std::string> can_make_kernel_target() {
  std::expected<void, std::string> result{};
  // On a thread of its own, since it moves into the namespace it makes.
  std::thread([&] {
    if (auto host = KernelHost::open({}); !host) result = std::unexpected("--target kernel: " + host.error());
  }).join();
  return result;
}

std::unique_ptr<drill::Target> make_kernel_target(const drill::Addresses& addresses) {
  return std::make_unique<KernelTarget>(value_or_fail(KernelHost::open(addresses)));
}

}  // namespace glass
