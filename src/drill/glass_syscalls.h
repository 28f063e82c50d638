// System calls with native structures on one stack, as one program makes them: descriptors, O_NONBLOCK, and calls that
// block.
//
// The stack never blocks. A call that would is left with blocked(): its owner lets time pass until ready() and makes
// the same call again with the same arguments, begin_attempt() before each time. What a call has done so far (bytes
// moved) is kept between begin_call() and the attempt that ends it. One call at a time.
//
//   calls.begin_call();
//   do { calls.begin_attempt();   result = calls.writev(fd, iov, 1);   ...let time pass until calls.ready()...
//   } while (calls.blocked());
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "drill/target.h"
#include "socket/eventpoll.h"
#include "socket/pipe.h"
#include "stack/stack.h"

namespace glass::drill {

// Plain files by path. A null content reads as zeros without end.
using FileStore = std::map<std::string, std::shared_ptr<std::vector<uint8_t>>>;

class GlassSyscalls final : public Syscalls {
 public:
  GlassSyscalls(Stack&, FileStore&);
  ~GlassSyscalls() override;

  void begin_call();
  void begin_attempt();
  bool blocked() const { return call_.blocked; }
  bool ready() const;  // worth another attempt
  Instant deadline() const { return call_.deadline; }

  sock* sk(int fd) const;  // null: not a socket

  int64_t socket(int domain, int type, int protocol) override;
  int64_t bind(int fd, const sockaddr*, socklen_t) override;
  int64_t listen(int fd, int backlog) override;
  int64_t accept(int fd, sockaddr*, socklen_t*) override;
  int64_t connect(int fd, const sockaddr*, socklen_t) override;
  int64_t readv(int fd, const iovec*, int n) override;
  int64_t writev(int fd, const iovec*, int n) override;
  int64_t recvmsg(int fd, msghdr*, int flags) override;
  int64_t sendmsg(int fd, const msghdr*, int flags) override;
  int64_t fcntl(int fd, int command, int argument) override;
  int64_t ioctl(int fd, unsigned long request, int* argument) override;
  int64_t close(int fd) override;
  int64_t shutdown(int fd, int how) override;
  int64_t getsockopt(int fd, int level, int name, void*, socklen_t*) override;
  int64_t setsockopt(int fd, int level, int name, const void*, socklen_t) override;
  int64_t poll(pollfd*, nfds_t, int timeout_ms) override;
  int64_t open(const char* path, int flags) override;
  int64_t pipe(int fds[2]) override;
  int64_t splice(int in, int64_t* in_offset, int out, int64_t* out_offset, size_t n, unsigned flags) override;
  int64_t sendfile(int out, int in, int64_t* offset, size_t n) override;
  int64_t epoll_create(int size) override;
  int64_t epoll_ctl(int epfd, int op, int fd, epoll_event*) override;
  int64_t epoll_wait(int epfd, epoll_event*, int n, int timeout_ms) override;

 private:
  // One wait of the call under way on one file.
  struct Waiter final : wait_queue_entry {
    Waiter(GlassSyscalls& c, std::shared_ptr<File> f, uint32_t m) : calls(c), file(std::move(f)), mask(m) {
      file->wait().add(*this);
    }
    ~Waiter() override { file->wait().remove(*this); }
    bool wake(uint32_t events) override {
      if (events && !(events & mask)) return false;
      return calls.call_.woken = true;
    }
    GlassSyscalls& calls;
    std::shared_ptr<File> file;
    uint32_t mask;
  };
  struct Ends {
    SocketAddress local, remote;
  };
  struct Call {
    Instant began{}, deadline = kNever;
    bool blocked = false, woken = false, again = false;  // again: not the first attempt
    size_t done = 0;                                     // bytes moved by the attempts before
    bool connects = false;                               // a write that opens the connection (Fast Open)
    std::optional<Ends> lingers{};                       // close() waits until this connection's FIN is acknowledged
    Instant lingers_until{};
  };

  bool fin_unacknowledged(const Ends&) const;
  int64_t linger();
  std::shared_ptr<File> file(int fd) const;
  std::shared_ptr<SocketFile> socket_file(int fd, int& error) const;
  int install(std::shared_ptr<File>);
  Instant limit(Duration timeout) const;  // zero: no limit
  // The call goes to sleep until one of `events`, unless its time is over: then `late` is its result.
  int64_t sleep_on(const std::shared_ptr<File>&, uint32_t events, Instant deadline, int64_t late);
  int64_t send_pieces(const std::shared_ptr<SocketFile>&, const msghdr&, int flags);
  int64_t recv_pieces(const std::shared_ptr<SocketFile>&, msghdr&, int flags);
  int64_t transfer(int fd, const iovec*, int n, bool reading);  // of pipes and plain files
  size_t rcvlowat(SocketFile&, size_t len) const;
  int64_t sendfile_chunks(SocketFile&, MemoryFile&, size_t& at, size_t n);
  int64_t splice_once(File& in, File& out, size_t n, unsigned flags);

  Stack& stack_;
  FileStore& store_;
  std::vector<std::shared_ptr<File>> fds_;
  std::vector<std::unique_ptr<Waiter>> waiters_;
  Call call_;
};

// Between native socket addresses and the stack's. EINVAL, EAFNOSUPPORT.
Result<SocketAddress> from_native(const sockaddr*, socklen_t);
// Writes at most *length bytes and says in it how many there are; nulls are allowed.
void to_native(const SocketAddress&, int family, sockaddr*, socklen_t* length);

}  // namespace glass::drill
