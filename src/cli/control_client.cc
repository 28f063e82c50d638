#include "cli/control_client.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/command.h"
#include "cli/control_path.h"
#include "runtime/event_loop.h"
#include "view/json_fields.h"

namespace glass {

ControlClient ControlClient::connect(const LinkOptions& link, int pid) {
  return ControlClient(value_or_fail(find_control_path(ControlEnvironment::current(), link.control, pid)));
}

ControlClient::ControlClient(const std::string& path) : path_(path) {
  sockaddr_un address{};
  if (path.size() >= sizeof address.sun_path)
    throw Failure(fmt::format("{}: too long for the path of a unix socket", path));
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size());
  fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd_ >= 0 && ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return;
  const int error = errno;
  if (fd_ >= 0) ::close(fd_);
  throw Failure(fmt::format("no running glass answers at {}: {}; start one, or name another with --control or --pid",
                            path, errno_text(error)));
}

ControlClient::~ControlClient() {
  if (fd_ >= 0) ::close(fd_);
}

ControlClient::ControlClient(ControlClient&& o) noexcept
    : fd_(std::exchange(o.fd_, -1)), ended_(o.ended_), path_(std::move(o.path_)), input_(std::move(o.input_)) {}

std::optional<std::string> ControlClient::read_line(std::optional<Instant> until) {
  for (;;) {
    if (const size_t end = input_.find('\n'); end != std::string::npos) {
      std::string line = input_.substr(0, end);
      input_.erase(0, end + 1);
      return line;
    }
    int wait = -1;
    if (until) {
      const Duration left = *until - EventLoop::clock();
      wait = static_cast<int>(std::max<int64_t>((left.count() + 999'999) / 1'000'000, 0));
    }
    pollfd ready{fd_, POLLIN, 0};
    const int n = ::poll(&ready, 1, wait);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return std::nullopt;
    char buffer[16384];
    const ssize_t got = ::recv(fd_, buffer, sizeof buffer, 0);
    if (got <= 0) {
      ended_ = true;
      return std::nullopt;
    }
    input_.append(buffer, static_cast<size_t>(got));
  }
}

std::optional<Json> ControlClient::next(std::optional<Instant> until) {
  const auto line = read_line(until);
  if (!line) return std::nullopt;
  Json j = Json::parse(*line, nullptr, false);
  if (j.is_discarded())
    throw Failure(fmt::format("{} answers in a way that is not understood: is it a glass of the same version?", path_));
  return j;
}

Json ControlClient::ask(const Json& request) {
  const std::string line = request.dump() + "\n";
  if (::send(fd_, line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size()))
    throw Failure(fmt::format("the glass at {} has ended", path_));
  const auto reply = next(EventLoop::clock() + 5s);
  if (!reply)
    throw Failure(ended_ ? fmt::format("the glass at {} has ended", path_)
                         : fmt::format("the glass at {} does not answer: is it stopped?", path_));
  if (!bool_field(*reply, "ok"))
    throw Failure(fmt::format("the glass at {} refuses: {}", path_, text_field(*reply, "error")));
  return *reply;
}

void add_client_options(CLI::App& app, LinkOptions& link, int& pid) {
  app.add_option("--pid", pid, "the running glass to ask; needed only where several run")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  add_control_option(app, link);
}

}  // namespace glass
