// Files of one directory, and nothing outside of it: neither by "..", nor by a link that leads out.
//
//   auto dir = SiteDirectory::open("/srv/www");           // error: one line
//   auto file = dir->open_file("a/b.txt");                // error: the HTTP status to answer
#pragma once
#include <cstdint>
#include <expected>
#include <string>
#include <utility>
#include <vector>

#include "cli/http/response.h"

namespace glass {

// A descriptor that is closed with its owner.
class FileHandle {
 public:
  explicit FileHandle(int fd = -1) : fd_(fd) {}
  FileHandle(FileHandle&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
  FileHandle& operator=(FileHandle&& o) noexcept {
    std::swap(fd_, o.fd_);
    return *this;
  }
  ~FileHandle();
  int fd() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

struct SiteFile {
  FileHandle handle;
  bool directory = false;
  uint64_t size = 0;
  int64_t modified = 0;  // seconds since 1970
};

class SiteDirectory {
 public:
  static std::expected<SiteDirectory, std::string> open(const std::string& path);
  const std::string& path() const { return path_; }

  // `relative` as http_target_path() gives it; "" is the directory itself. Errors: 403 or 404.
  std::expected<SiteFile, int> open_file(const std::string& relative) const;
  // What stands in an opened directory, without hidden files.
  static std::vector<DirectoryEntry> list(const SiteFile&);

 private:
  std::string path_;
  FileHandle root_;
};

}  // namespace glass
