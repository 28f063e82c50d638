#include "cli/packetdrill/bridge.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <thread>
#include <utility>

namespace glass::packetdrill {

namespace {

constexpr int64_t kHour = 3'600'000'000;
constexpr std::chrono::seconds kPatience{1};  // of the real clock: packetdrill's own with its second thread

bool on_first_thread() { return ::gettid() == ::getpid(); }

// Whether a thread waits for something: the letter behind the name in its stat file.
bool is_asleep(pid_t thread) {
  std::ifstream in("/proc/self/task/" + std::to_string(thread) + "/stat");
  const std::string stat{std::istreambuf_iterator<char>(in), {}};
  const size_t state = stat.rfind(')') + 2;
  return state >= stat.size() || stat[state] == 'S';
}

}  // namespace

Bridge* bridge = nullptr;

Bridge::Bridge(const drill::Addresses& addresses, std::set<std::string> commands)
    : target_(drill::make_glass_target(addresses)), commands_(std::move(commands)) {}

int64_t Bridge::call(std::function<int64_t(Syscalls&)> call) {
  Lock lock(mutex_);
  target_->start_call(std::move(call));
  if (auto finished = target_->finished_call()) return finished->result;
  if (on_first_thread()) return call_alone();
  caller_ = ::gettid();
  changed_.wait(lock, [&] { return result_.has_value(); });
  return *std::exchange(result_, std::nullopt);
}

// Packetdrill took this call for one that does not block, so nobody else lets time pass.
int64_t Bridge::call_alone() {
  const int64_t end = target_->now_us() + kHour;
  while (target_->now_us() < end) {
    target_->run_until(end);
    if (auto finished = target_->finished_call()) return finished->result;
  }
  std::fprintf(stderr, "glass: a system call has been blocking for an hour of the script's time\n");
  std::exit(EXIT_FAILURE);
}

void Bridge::run_until(Lock& lock, int64_t us) {
  target_->run_until(us);
  hand_over(lock);
}

// Gives the second thread the result of its call and the time to read the clock.
void Bridge::hand_over(Lock& lock) {
  const auto finished = target_->finished_call();
  if (!finished) return;
  result_ = finished->result;
  clock_unread_ = true;
  changed_.notify_all();
  changed_.wait_for(lock, kPatience, [&] { return !clock_unread_; });
  clock_unread_ = false;
  caller_busy_ = true;
}

// Only while packetdrill's own lock is free, or the other thread would wait for it.
void Bridge::await_second_thread(Lock& lock) {
  if (!std::exchange(caller_busy_, false)) return;
  lock.unlock();
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!is_asleep(caller_) && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  lock.lock();
}

int Bridge::add_descriptor(int64_t fd) {
  if (fd < 0) return static_cast<int>(fd);
  const int kernel_fd = ::eventfd(0, EFD_CLOEXEC);
  if (kernel_fd < 0) return -errno;
  const Lock lock(mutex_);
  descriptors_[kernel_fd] = static_cast<int>(fd);
  return kernel_fd;
}

int Bridge::descriptor(int kernel_fd) {
  const Lock lock(mutex_);
  const auto found = descriptors_.find(kernel_fd);
  return found == descriptors_.end() ? -1 : found->second;
}

int64_t Bridge::close(int kernel_fd) {
  const int fd = descriptor(kernel_fd);
  if (fd < 0) return -EBADF;
  const int64_t result = call([&](Syscalls& s) { return s.close(fd); });
  const Lock lock(mutex_);
  descriptors_.erase(kernel_fd);
  ::close(kernel_fd);
  return result;
}

void Bridge::inject(std::span<const uint8_t> packet) {
  Lock lock(mutex_);
  target_->inject(packet, 0);
  hand_over(lock);
}

std::optional<drill::OutboundPacket> Bridge::receive() {
  Lock lock(mutex_);
  const int64_t end = target_->now_us() + kHour;
  while (true) {
    if (auto packet = target_->next_packet()) return packet;
    if (target_->now_us() >= end) return std::nullopt;
    run_until(lock, end);
  }
}

int64_t Bridge::epoch_us() { return target_->epoch_ns() / 1000; }

int64_t Bridge::clock_us() {
  Lock lock(mutex_);
  if (clock_unread_ && !on_first_thread()) {
    clock_unread_ = false;
    changed_.notify_all();
    return target_->now_us();
  }
  run_until(lock, target_->now_us() + 1);
  return target_->now_us();
}

void Bridge::sleep(int64_t us) {
  Lock lock(mutex_);
  const int64_t end = target_->now_us() + us;
  await_second_thread(lock);
  while (target_->now_us() < end) {
    run_until(lock, end);
    await_second_thread(lock);
  }
}

std::optional<std::string> Bridge::command(const std::string& text) {
  Lock lock(mutex_);
  auto error = target_->command(text);
  hand_over(lock);
  return error;
}

int64_t Bridge::raw_sockopt(int kernel_fd, int level, int name, void* value, socklen_t* length) {
  const int fd = descriptor(kernel_fd);
  if (fd < 0) return -EBADF;
  const Lock lock(mutex_);
  return target_->raw_sockopt(fd, level, name, value, length);
}

}  // namespace glass::packetdrill
