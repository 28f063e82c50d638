#include "cli/control_path.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace glass {

namespace {

using Error = std::unexpected<std::string>;

// A directory that nobody else can write to, so that nobody else can stand in for us.
bool make_private_directory(const std::string& path) {
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return false;
  struct stat s;
  return lstat(path.c_str(), &s) == 0 && S_ISDIR(s.st_mode) && s.st_uid == geteuid() && (s.st_mode & 022) == 0 &&
         access(path.c_str(), W_OK | X_OK) == 0;
}

std::vector<std::string> running(const ControlEnvironment& environment) {
  std::vector<std::string> found;
  for (const std::string& directory : control_directories(environment)) {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(directory, ignored))
      if (entry.path().extension() == ".sock" && control_socket_alive(entry.path())) found.push_back(entry.path());
  }
  std::ranges::sort(found);
  return found;
}

}  // namespace

ControlEnvironment ControlEnvironment::current() {
  const char* dir = std::getenv("XDG_RUNTIME_DIR");
  return {dir ? dir : "", geteuid()};
}

std::vector<std::string> control_directories(const ControlEnvironment& e) {
  std::vector<std::string> out;
  if (!e.runtime_dir.empty()) out.push_back(e.runtime_dir + "/glass");
  if (e.uid == 0) out.push_back("/run/glass");
  out.push_back(fmt::format("/tmp/glass-{}", e.uid));
  return out;
}

std::expected<std::string, std::string> make_control_path(const ControlEnvironment& environment, int pid) {
  const auto directories = control_directories(environment);
  for (const std::string& directory : directories)
    if (make_private_directory(directory)) return fmt::format("{}/{}.sock", directory, pid);
  return Error(fmt::format("no directory for the control socket: {} cannot be used; give --control PATH",
                           fmt::join(directories, ", ")));
}

std::expected<std::string, std::string> find_control_path(const ControlEnvironment& environment,
                                                          const std::string& path, int pid) {
  if (!path.empty()) return path;
  if (pid) {
    for (const std::string& directory : control_directories(environment))
      if (const std::string candidate = fmt::format("{}/{}.sock", directory, pid); control_socket_alive(candidate))
        return candidate;
    return Error(
        fmt::format("no glass with a network runs as process {}: see `pgrep -a glass`, or give --control PATH", pid));
  }
  const auto found = running(environment);
  if (found.size() == 1) return found.front();
  if (found.empty())
    return Error(
        "no running glass found: start one, for example `glass serve`, or name its socket with --control PATH");
  std::vector<std::string> pids;
  for (const std::string& f : found) pids.push_back(std::filesystem::path(f).stem());
  return Error(fmt::format("several are running: choose one with --pid, out of {}", fmt::join(pids, ", ")));
}

bool control_socket_alive(const std::string& path) {
  sockaddr_un address{};
  if (path.size() >= sizeof address.sun_path) return false;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return false;
  const bool alive = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 || errno == EAGAIN;
  ::close(fd);
  return alive;
}

}  // namespace glass
