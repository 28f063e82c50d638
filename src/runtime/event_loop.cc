#include "runtime/event_loop.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <system_error>

namespace glass {

namespace {

constexpr int kEventsAtOnce = 32;

int checked(int result, const char* call) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), call);
  return result;
}

timespec to_timespec(Duration d) { return {d.count() / 1'000'000'000, d.count() % 1'000'000'000}; }

}  // namespace

uint64_t random_seed() {
  uint64_t seed;
  if (getrandom(&seed, sizeof seed, 0) != sizeof seed) checked(-1, "getrandom");
  return seed;
}

EventLoop::EventLoop(const EventLoopConfig& config)
    : config_(config), epoll_fd_(checked(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")), wake_fd_(-1) {
  wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd_ < 0) {
    ::close(epoll_fd_);
    checked(-1, "eventfd");
  }
  set_now(clock());
  epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};  // null: stop()
  checked(epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, wake_fd_, &event), "epoll_ctl");
}

EventLoop::~EventLoop() {
  cancel_all();
  ::close(wake_fd_);
  ::close(epoll_fd_);
}

Instant EventLoop::clock() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return Instant(std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec));
}

void EventLoop::add_stack(Stack& stack) {
  stacks_.push_back(&stack);
  stack.advance(clock());
}

void EventLoop::remove_stack(Stack& stack) { std::erase(stacks_, &stack); }

// --- descriptors

void EventLoop::watch_fd(int fd, std::function<void()> readable) { add_watch(fd, false, std::move(readable)); }
void EventLoop::watch_device(int fd, std::function<void()> interrupt) { add_watch(fd, true, std::move(interrupt)); }

void EventLoop::add_watch(int fd, bool device, std::function<void()> callback) {
  auto watch = std::make_unique<Watch>(Watch{fd, device, false, false, std::move(callback)});
  epoll_event event{.events = EPOLLIN, .data = {.ptr = watch.get()}};
  checked(epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
  watches_.push_back(std::move(watch));
}

void EventLoop::unwatch(int fd) {
  for (const auto& watch : watches_) {
    if (watch->fd != fd || watch->removed) continue;
    epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr);
    watch->removed = some_removed_ = true;  // freed after the turn: it may be its own callback that asks
  }
}

void EventLoop::forget_removed() {
  if (std::exchange(some_removed_, false)) std::erase_if(watches_, [](const auto& w) { return w->removed; });
}

void EventLoop::look_at_recent_devices() {
  for (size_t i = 0; i < watches_.size(); ++i) {  // by index: a callback may add a watch
    Watch& watch = *watches_[i];
    if (watch.device && watch.recent && !watch.removed) watch.callback();
  }
}

void EventLoop::ask_epoll(Duration timeout) {
  for (const auto& watch : watches_) watch->recent = false;
  turns_since_check_ = 0;
  std::array<epoll_event, kEventsAtOnce> events;
  timespec wait = to_timespec(timeout);
  int n = epoll_pwait2(epoll_fd_, events.data(), kEventsAtOnce, timeout == Duration::max() ? nullptr : &wait, nullptr);
  if (n < 0 && errno == ENOSYS) {  // before Linux 5.11: ppoll() counts in nanoseconds as well
    pollfd epoll_ready{epoll_fd_, POLLIN, 0};
    ppoll(&epoll_ready, 1, timeout == Duration::max() ? nullptr : &wait, nullptr);
    n = epoll_wait(epoll_fd_, events.data(), kEventsAtOnce, 0);
  }
  if (n < 0 && errno != EINTR) checked(n, "epoll_pwait2");
  if (timeout > Duration::zero()) set_now(clock());
  for (int i = 0; i < n; ++i) {
    auto* watch = static_cast<Watch*>(events[static_cast<size_t>(i)].data.ptr);
    if (!watch || watch->removed) continue;
    watch->recent = true;
    watch->callback();
  }
}

// --- turns

Instant EventLoop::next_event() const {
  Instant next = next_deadline();
  for (const Stack* stack : stacks_) next = std::min(next, stack->next_deadline());
  return next;
}

uint64_t EventLoop::packets_processed() const {
  uint64_t n = 0;
  for (Stack* stack : stacks_) n += stack->softnet().processed;
  return n;
}

void EventLoop::turn(Instant wake_at_latest) {
  set_now(clock());
  const Instant wake_at = std::min(next_event(), wake_at_latest);
  if (wake_at > now() && now() >= look_until_) {
    ask_epoll(wake_at == kNever ? Duration::max() : wake_at - now());
  } else if (++turns_since_check_ >= config_.turns_per_check) {
    ask_epoll(Duration::zero());
  } else {
    look_at_recent_devices();
  }
  const uint64_t before = packets_processed();
  for (size_t i = 0; i < stacks_.size(); ++i) (void)stacks_[i]->poll(now());
  (void)poll(now());
  const bool a_device_was_ready = std::ranges::any_of(watches_, [](const auto& w) { return w->device && w->recent; });
  if (a_device_was_ready && packets_processed() != before) look_until_ = now() + config_.spin;
  forget_removed();
}

void EventLoop::run() {
  (void)run_until([] { return false; });
}

bool EventLoop::run_until(const std::function<bool()>& done, Duration limit) {
  const Instant end = limit == Duration::max() ? kNever : clock() + limit;
  while (!done()) {
    if (stopped_.exchange(false)) {
      uint64_t count;
      (void)!::read(wake_fd_, &count, sizeof count);
      return false;
    }
    if (now() >= end) return false;
    turn(end);
  }
  return true;
}

void EventLoop::stop() noexcept {
  stopped_ = true;
  const uint64_t one = 1;
  (void)!::write(wake_fd_, &one, sizeof one);
}

}  // namespace glass
