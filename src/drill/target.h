// What a script is played on: Glasstack in virtual time, or the running kernel over TUN in real time.
//
// System calls have POSIX signatures and native structures, so that one marshaller (syscall.cc) serves every target and
// the stock packetdrill's interface alike. Results are what the call returns, or -errno.
//
// Time is microseconds since the script began. A virtual target's clock moves only in run_until().
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/ip_address.h"
#include "drill/script.h"
#include "net/uapi.h"

namespace glass::drill {

// Addresses of the test: the local side is the target's, the remote side is the script's.
struct Addresses {
  IpAddress local = IpAddress::v4(192, 168, 0, 1), remote = IpAddress::v4(192, 0, 2, 1),
            gateway = IpAddress::v4(192, 168, 0, 2);
  uint8_t prefix_len = 16;
  uint16_t bind_port = 8080, connect_port = 8080;  // local port of a listener; remote port of connect()
  uint32_t mtu = 1500;
  int domain = AF_INET;  // what socket() gets for `...`; AF_INET6 with IPv4 addresses is the mapped mode
};

struct OutboundPacket {
  int64_t time_us = 0;           // when it left the target
  std::vector<uint8_t> bytes{};  // from the IP header on
};

// What became of an injected packet.
struct DropReport {
  std::string reason, place;  // "TCP_OLD_ACK", "tcp_ack"
};

// The system calls, non-blocking or not as the descriptor says. Pointers are the caller's and live until the call is
// over.
class Syscalls {
 public:
  virtual ~Syscalls() = default;
  virtual int64_t socket(int domain, int type, int protocol) = 0;
  virtual int64_t bind(int fd, const sockaddr*, socklen_t) = 0;
  virtual int64_t listen(int fd, int backlog) = 0;
  virtual int64_t accept(int fd, sockaddr*, socklen_t*) = 0;
  virtual int64_t connect(int fd, const sockaddr*, socklen_t) = 0;
  virtual int64_t readv(int fd, const iovec*, int n) = 0;   // read() is one piece
  virtual int64_t writev(int fd, const iovec*, int n) = 0;  // write() is one piece
  virtual int64_t recvmsg(int fd, msghdr*, int flags) = 0;  // recv(), recvfrom() too
  virtual int64_t sendmsg(int fd, const msghdr*, int flags) = 0;
  virtual int64_t fcntl(int fd, int command, int argument) = 0;
  virtual int64_t ioctl(int fd, unsigned long request, int* argument) = 0;
  virtual int64_t close(int fd) = 0;
  virtual int64_t shutdown(int fd, int how) = 0;
  virtual int64_t getsockopt(int fd, int level, int name, void*, socklen_t*) = 0;
  virtual int64_t setsockopt(int fd, int level, int name, const void*, socklen_t) = 0;
  virtual int64_t poll(pollfd*, nfds_t, int timeout_ms) = 0;
  virtual int64_t open(const char* path, int flags) = 0;  // for sendfile(): /dev/zero and the like
  virtual int64_t pipe(int fds[2]) = 0;
  virtual int64_t splice(int in, int64_t* in_offset, int out, int64_t* out_offset, size_t n, unsigned flags) = 0;
  virtual int64_t sendfile(int out, int in, int64_t* offset, size_t n) = 0;
  virtual int64_t epoll_create(int size) = 0;
  virtual int64_t epoll_ctl(int epfd, int op, int fd, epoll_event*) = 0;
  virtual int64_t epoll_wait(int epfd, epoll_event*, int n, int timeout_ms) = 0;
};

class Target {
 public:
  virtual ~Target() = default;
  virtual std::string name() const = 0;  // "glasstack", "linux 6.18.5"
  virtual bool virtual_time() const = 0;
  virtual int64_t now_us() = 0;
  // The target's wall clock when the script began, in nanoseconds: what time stamps in control messages count from.
  virtual int64_t epoch_ns() const = 0;

  // Lets time pass up to `until_us`, no further than the first thing that happens: a packet leaves, or the call under
  // way returns. With an empty script to serve (nothing left to happen) a virtual clock jumps.
  virtual void run_until(int64_t until_us) = 0;

  // Starts a system call on the target's own thread of the application. It is over at once unless it blocks; then
  // run_until() goes on with it. One call at a time. `call` makes exactly one system call and returns its result; where
  // it blocks, it may be made again with the same arguments.
  virtual void start_call(std::function<int64_t(Syscalls&)> call) = 0;
  struct Finished {
    int64_t result;   // or -errno
    int64_t time_us;  // when it returned
  };
  virtual std::optional<Finished> finished_call() = 0;  // taken once

  // gso_size: the packet stands for several of this many payload bytes each, as after receive offload; 0: for itself.
  virtual void inject(std::span<const uint8_t> ip_packet, uint16_t gso_size) = 0;
  virtual std::optional<OutboundPacket> next_packet() = 0;  // left already, oldest first
  // The end of the packet injected last: nothing if it was accepted (or the target cannot tell: can_tell_drops()).
  virtual bool can_tell_drops() const = 0;
  virtual std::optional<DropReport> last_drop() = 0;

  // Where the script lies: its commands name files relative to it.
  virtual void set_directory(const std::string& /*path*/) {}
  // A shell line of the script (init, cleanup, in between). An error text, or nothing if it was done.
  virtual std::optional<std::string> command(const std::string& text) = 0;

  // tcp_info and its like of the connection under test, as getsockopt() gives them (linux/tcp.h layout), for %{ }%.
  virtual int64_t raw_sockopt(int fd, int level, int name, void*, socklen_t*) = 0;

  // For failure messages: the socket's `ss -ti` line, and the last packets' ways. May be empty.
  virtual std::string socket_line(int fd) = 0;
  virtual std::string last_trace() = 0;

  // Every counter under nstat's name, for tests that hold them too; empty: the target has none to show.
  virtual std::vector<std::pair<std::string, uint64_t>> counters() { return {}; }
};

std::unique_ptr<Target> make_glass_target(const Addresses&);

}  // namespace glass::drill
