// What packetdrill asks of the C library instead of its interface: the shell, tcp_info for its snippets, and files for
// sendfile(). These functions take the library's place where this object is preloaded.
#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "cli/packetdrill/bridge.h"

namespace {

using glass::packetdrill::bridge;
using glass::packetdrill::Syscalls;

template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

int64_t posix(int64_t result) {
  if (result >= 0) return result;
  errno = static_cast<int>(-result);
  return -1;
}

}  // namespace

#define GLASS_PRELOADED extern "C" [[gnu::visibility("default")]]

// The script's own lines are understood by the target. The rest is packetdrill's: it runs its snippets in Python.
GLASS_PRELOADED int system(const char* command) {
  if (!bridge || !command || !bridge->is_own_command(command)) {
    static auto* const real = next<int(const char*)>("system");
    return real(command);
  }
  const auto error = bridge->command(command);
  if (!error) return 0;
  std::fprintf(stderr, "glass: %s\n", error->c_str());
  return EXIT_FAILURE << 8;
}

// Packetdrill wants as many bytes of tcp_info as it asked for; what the target has no more of is 0.
GLASS_PRELOADED int getsockopt(int fd, int level, int name, void* value, socklen_t* length) noexcept {
  if (!bridge || bridge->descriptor(fd) < 0) {
    static auto* const real = next<int(int, int, int, void*, socklen_t*)>("getsockopt");
    return real(fd, level, name, value, length);
  }
  const socklen_t wanted = *length;
  std::memset(value, 0, wanted);
  const int64_t result = bridge->raw_sockopt(fd, level, name, value, length);
  if (result >= 0 && level == SOL_TCP && name == TCP_INFO) *length = wanted;
  return static_cast<int>(posix(result));
}

// Files that the script's commands made exist in the target only.
GLASS_PRELOADED int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const auto mode = static_cast<mode_t>(flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, int) : 0);
  va_end(arguments);
  static auto* const real = next<int(const char*, int, ...)>("open");
  const int fd = real(path, flags, mode);
  if (fd >= 0 || errno != ENOENT || !bridge) return fd;
  const int64_t own = bridge->call([=](Syscalls& s) { return s.open(path, flags); });
  return static_cast<int>(posix(bridge->add_descriptor(own)));
}

GLASS_PRELOADED ssize_t sendfile(int out, int in, off_t* offset, size_t size) noexcept {
  const int to = bridge ? bridge->descriptor(out) : -1, from = bridge ? bridge->descriptor(in) : -1;
  if (to < 0 || from < 0) {
    static auto* const real = next<ssize_t(int, int, off_t*, size_t)>("sendfile");
    return real(out, in, offset, size);
  }
  auto* at = reinterpret_cast<int64_t*>(offset);
  return posix(bridge->call([=](Syscalls& s) { return s.sendfile(to, from, at, size); }));
}
