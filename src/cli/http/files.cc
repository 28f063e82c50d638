#include "cli/http/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace glass {

namespace {

constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;  // non-blocking: a FIFO must not hold us up

// Without openat2 no link is followed at all.
int open_step_by_step(int root, std::string_view relative) {
  FileHandle at(::openat(root, ".", kFlags | O_DIRECTORY));
  while (at && !relative.empty()) {
    const size_t end = std::min(relative.find('/'), relative.size());
    const std::string name(relative.substr(0, end));
    relative.remove_prefix(std::min(end + 1, relative.size()));
    if (name.empty() || name == ".") continue;
    if (name == "..") {
      errno = EXDEV;
      return -1;
    }
    at = FileHandle(::openat(at.fd(), name.c_str(), kFlags | O_NOFOLLOW));
  }
  return at ? ::dup(at.fd()) : -1;
}

int open_beneath(int root, const std::string& relative) {
  open_how how{};
  how.flags = kFlags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  const std::string path = relative.empty() ? "." : relative;
  const long fd = ::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how);
  if (fd < 0 && (errno == ENOSYS || errno == EPERM)) return open_step_by_step(root, relative);
  return static_cast<int>(fd);
}

int status_of(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
    case ENXIO: return 404;
    case EACCES:
    case EPERM:
    case ELOOP:
    case EXDEV: return 403;
    default: return 500;
  }
}

}  // namespace

FileHandle::~FileHandle() {
  if (fd_ >= 0) ::close(fd_);
}

std::expected<SiteDirectory, std::string> SiteDirectory::open(const std::string& path) {
  SiteDirectory site;
  site.path_ = path;
  site.root_ = FileHandle(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECTORY));
  if (!site.root_)
    return std::unexpected(
        fmt::format("cannot serve {}: {}; name a directory that can be read", path, std::strerror(errno)));
  return site;
}

std::expected<SiteFile, int> SiteDirectory::open_file(const std::string& relative) const {
  SiteFile file{.handle = FileHandle(open_beneath(root_.fd(), relative))};
  if (!file.handle) return std::unexpected(status_of(errno));
  struct stat s;
  if (::fstat(file.handle.fd(), &s) != 0) return std::unexpected(status_of(errno));
  if (!S_ISREG(s.st_mode) && !S_ISDIR(s.st_mode)) return std::unexpected(403);
  file.directory = S_ISDIR(s.st_mode);
  // "file.txt/" is no file.
  if (!file.directory && relative.ends_with('/')) return std::unexpected(404);
  file.size = static_cast<uint64_t>(s.st_size);
  file.modified = s.st_mtime;
  return file;
}

std::vector<DirectoryEntry> SiteDirectory::list(const SiteFile& file) {
  std::vector<DirectoryEntry> entries;
  const int fd = ::dup(file.handle.fd());
  DIR* dir = fd >= 0 ? ::fdopendir(fd) : nullptr;
  if (!dir) return entries;
  while (const dirent* e = ::readdir(dir)) {
    if (e->d_name[0] == '.') continue;
    struct stat s;
    if (::fstatat(::dirfd(dir), e->d_name, &s, 0) != 0 || (!S_ISREG(s.st_mode) && !S_ISDIR(s.st_mode))) continue;
    entries.push_back({e->d_name, S_ISDIR(s.st_mode), static_cast<uint64_t>(s.st_size)});
  }
  ::closedir(dir);
  return entries;
}

}  // namespace glass
