#include "cli/drill/call_thread.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <csignal>

namespace glass {

namespace {

using namespace std::chrono_literals;

// Interrupts a system call and does nothing else.
constexpr int kInterrupt = SIGUSR1;
void nothing(int) {}

}  // namespace

CallThread::CallThread(std::function<void()> begin) : event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  struct sigaction action {};
  action.sa_handler = nothing;
  sigaction(kInterrupt, &action, nullptr);
  sigaction(SIGPIPE, &action, nullptr);  // a script expects EPIPE; not ignored, since its commands would inherit that
  thread_ = std::thread([this, begin = std::move(begin)] { work(begin); });
}

CallThread::~CallThread() {
  ending_ = true;
  while (stage_ == Stage::waiting || stage_ == Stage::running) {
    pthread_kill(thread_.native_handle(), kInterrupt);
    std::this_thread::sleep_for(1ms);
  }
  {
    const std::lock_guard lock(mutex_);
    wake_.notify_all();
  }
  thread_.join();
  close(event_);
}

void CallThread::work(const std::function<void()>& begin) {
  tid_ = gettid();
  if (begin) begin();
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return ending_ || stage_ == Stage::waiting; });
      if (stage_ != Stage::waiting) return;
    }
    stage_ = Stage::running;
    const int64_t result = call_();
    result_ = {result, std::chrono::steady_clock::now()};
    stage_ = Stage::over;
    const uint64_t one = 1;
    (void)!write(event_, &one, sizeof one);
  }
}

// What /proc says of the thread: S is asleep and can be interrupted.
bool CallThread::asleep() const {
  const int fd = open(fmt::format("/proc/self/task/{}/stat", tid_.load()).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  char text[256];
  const ssize_t n = read(fd, text, sizeof text);
  close(fd);
  const std::string_view stat(text, n > 0 ? static_cast<size_t>(n) : 0);
  const size_t at = stat.rfind(") ");
  return at != stat.npos && at + 2 < stat.size() && stat[at + 2] == 'S';
}

void CallThread::start(std::function<int64_t()> call) {
  call_ = std::move(call);
  {
    const std::lock_guard lock(mutex_);
    stage_ = Stage::waiting;
    wake_.notify_all();
  }
  const auto begun = std::chrono::steady_clock::now();
  while (stage_ != Stage::over) {
    if (stage_ == Stage::running && std::chrono::steady_clock::now() - begun > 100us && asleep() &&
        stage_ == Stage::running)
      return;
    std::this_thread::yield();
  }
}

std::optional<CallThread::Finished> CallThread::finished() {
  if (stage_ != Stage::over) return std::nullopt;
  uint64_t count;
  (void)!read(event_, &count, sizeof count);
  stage_ = Stage::idle;
  return result_;
}

}  // namespace glass
