// What a descriptor of a program stands for: a socket, an end of a pipe, an epoll set, a plain file (Linux's struct
// file).
//
// A File is shared by the descriptors that refer to it; poll() says what is ready now, wait() is where to be told of
// changes. The calls never block: EAGAIN, as in sockets.h. Whoever makes blocking calls of them waits on wait() and
// tries again.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "base/errno.h"
#include "socket/sockets.h"
#include "socket/wait_queue.h"

namespace glass {

class eventpoll;

class File {
 public:
  File() = default;
  virtual ~File();
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  virtual uint32_t poll() = 0;  // POLLIN | POLLOUT | ...
  virtual Result<size_t> read(std::span<uint8_t>) { return Err(EINVAL); }
  virtual Result<size_t> write(std::span<const uint8_t>) { return Err(EINVAL); }
  wait_queue_head& wait() { return wait_; }

  bool nonblocking = false;                 // O_NONBLOCK
  Duration rcvtimeo{}, sndtimeo{};          // SO_RCVTIMEO, SO_SNDTIMEO; zero: for ever
  std::vector<eventpoll*> eventpolls = {};  // the sets that watch this file

 private:
  wait_queue_head wait_;
};

// A descriptor of a stack's socket layer. It is closed with the last reference to the file, or by close() before.
class SocketFile final : public File {
 public:
  SocketFile(Sockets& sockets, int fd) : sockets_(sockets), fd_(fd) { sockets_.set_waiter(fd_, &wait()); }
  ~SocketFile() override { (void)close(); }
  Result<void> close() {
    if (fd_ < 0) return {};
    sockets_.set_waiter(fd_, nullptr);
    return sockets_.sys_close(std::exchange(fd_, -1));
  }

  uint32_t poll() override { return sockets_.sys_poll(fd_).value_or(POLLNVAL); }
  Result<size_t> read(std::span<uint8_t> to) override { return sockets_.sys_recvfrom(fd_, to); }
  Result<size_t> write(std::span<const uint8_t> from) override { return sockets_.sys_sendto(fd_, from); }
  Result<size_t> splice_read(std::span<uint8_t> to) { return sockets_.sys_splice_read(fd_, to); }
  int fd() const { return fd_; }
  sock* sk() const { return sockets_.sk(fd_); }

 private:
  Sockets& sockets_;
  int fd_;
};

// Bytes in memory with a place to read on from, as open() gives them.
class MemoryFile final : public File {
 public:
  explicit MemoryFile(std::shared_ptr<std::vector<uint8_t>> content) : content_(std::move(content)) {}
  uint32_t poll() override { return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM; }
  Result<size_t> read(std::span<uint8_t> to) override;
  Result<size_t> read_at(std::span<uint8_t> to, size_t offset) const;
  Result<size_t> write(std::span<const uint8_t> from) override;

  size_t offset = 0;

 private:
  std::shared_ptr<std::vector<uint8_t>> content_;  // null: zeros without end, as /dev/zero
};

}  // namespace glass
