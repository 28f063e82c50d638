// Sockets as the transports see them (Linux's struct sock and struct socket).
//
// sock_common is what the connection tables hold: full sockets, TIME_WAIT and request sockets begin with it. A sock is
// the protocol's half, a socket the application's; sk_socket is null once the application has closed (an orphan).
// Ownership: the protocol creates and destroys its socks; `socket` belongs to the socket layer.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/errno.h"
#include "base/ip_address.h"
#include "net/net.h"
#include "net/uapi.h"
#include "skb/queue.h"

namespace glass {

struct sock;
struct socket;
struct dst_entry;
struct sock_ext;
class proto;

// Ends what few sockets have; see sk_error_queue.h.
struct sock_ext_delete {
  void operator()(sock_ext*) const;
};

struct SocketAddress {
  IpAddress address;
  uint16_t port = 0;  // host order
  bool operator==(const SocketAddress&) const = default;
};
std::string to_string(const SocketAddress&);  // "10.0.0.1:80", "[fe80::1]:80"

// One sendmsg or recvmsg call. The spans are the caller's. A piece whose address no program can have (null, say) draws
// EFAULT as soon as a byte of it is needed.
struct MsgSend {
  std::span<const std::span<const uint8_t>> msg_iov;
  int msg_flags = 0;                        // MSG_*
  const SocketAddress* msg_name = nullptr;  // destination; null: the connected peer
  size_t size() const;
  std::span<const uint8_t> msg_control{};  // cmsghdr records, as sendmsg(2) takes them
  // A blocking call that runs out of room comes again with the rest: running out of room does not end it, and the rest
  // is no new message.
  bool msg_waits = false, msg_goes_on = false;
};
struct MsgRecv {
  std::span<const std::span<uint8_t>> msg_iov;
  int msg_flags = 0;
  SocketAddress* msg_name = nullptr;  // out: sender, if not null
  int out_flags = 0;                  // out: MSG_TRUNC, MSG_OOB ...
  size_t size() const;
  std::span<uint8_t> msg_control{};  // room for cmsghdr records
  size_t msg_controllen = 0;         // out: bytes of it in use
  // A call that blocks (msg_waits) and has not got what it asked for (MSG_WAITALL, SO_RCVLOWAT) returns EAGAIN and
  // keeps in `copied` what it has read so far; with the same message it goes on when the socket is readable.
  bool msg_waits = false;
  size_t copied = 0;
};
// Appends a control message (struct cmsghdr and data). What does not fit is cut, and MSG_CTRUNC says so.
void put_cmsg(MsgRecv&, int level, int type, std::span<const uint8_t> data);
template <class T>
void put_cmsg_value(MsgRecv& msg, int level, int type, const T& value) {
  put_cmsg(msg, level, type, {reinterpret_cast<const uint8_t*>(&value), sizeof value});
}
// Could a program read or write there?
inline bool access_ok(const void* p, size_t n) {
  const auto at = reinterpret_cast<uintptr_t>(p);
  return !n || (at >= 4096 && at + n > at && at + n < uintptr_t{1} << 47);
}

struct sock_common {
  sock_common* skc_next = nullptr;      // hash chain
  sock_common** skc_pprev = nullptr;    // null: not hashed
  IpAddress skc_rcv_saddr, skc_daddr;   // local, remote
  uint16_t skc_num = 0, skc_dport = 0;  // ports, host order
  uint32_t skc_hash = 0;
  net* skc_net = nullptr;
  uint8_t skc_family = AF_INET, skc_state = 0, skc_protocol = 0;
  bool skc_reuse = false;  // SO_REUSEADDR
};

// The application's half: readiness goes to the waiter. Called from inside the stack: note it and return, do not call
// back.
class SocketWaiter {
 public:
  virtual ~SocketWaiter() = default;
  virtual void sk_wake(socket&, uint32_t poll_events) = 0;
};

enum class SocketState : uint8_t { unconnected, connecting, connected, disconnecting };

struct socket {
  sock* sk = nullptr;
  SocketWaiter* waiter = nullptr;
  int fd = -1;
  int16_t type = SOCK_STREAM;
  bool nonblocking = true;
  SocketState state = SocketState::unconnected;
};

struct sock : sock_common {
  explicit sock(net& n, proto& p) : sk_prot(&p) { skc_net = &n; }
  net& ns() const { return *skc_net; }

  proto* sk_prot;
  socket* sk_socket = nullptr;
  dst_entry* sk_dst_cache = nullptr;  // reference held; see ip/ip.h
  sk_buff_list sk_receive_queue, sk_write_queue;
  std::unique_ptr<sock_ext, sock_ext_delete> sk_ext;  // error queue, time stamping, marks: sk_error_queue.h
  int32_t sk_rmem_alloc = 0;                          // bytes charged for received packets
  int32_t sk_wmem_queued = 0;                         // bytes charged for data to send or unacknowledged
  int32_t sk_wmem_alloc = 0;                          // bytes of sent packets that lie in a qdisc
  int32_t sk_rcvbuf = 0, sk_sndbuf = 0;               // their limits
  int32_t sk_forward_alloc = 0;          // bytes of the protocol's memory taken, not yet charged to packets
  int32_t sk_rcvlowat = 1;               // SO_RCVLOWAT: bytes that make the socket readable
  int32_t sk_peek_off = -1;              // SO_PEEK_OFF: where the next peek begins; < 0: at the front
  uint16_t sk_err = 0, sk_err_soft = 0;  // errno values: reported once / only if nothing better comes
  uint8_t sk_shutdown = 0;               // RCV_SHUTDOWN | SEND_SHUTDOWN
  uint8_t sk_userlocks = 0;              // SOCK_SNDBUF_LOCK ...: the application fixed it
  uint8_t sk_flags = 0;                  // SOCK_DEAD ...
  uint8_t sk_tos = 0, sk_ttl = 0;        // 0: the default
  uint8_t sk_min_ttl = 0;                // IP_MINTTL
  bool sk_linger = false, sk_nospace = false;
  bool sk_freebind = false;                             // IP_FREEBIND: any local address may be bound
  bool sk_filter_all = false;                           // a filter that refuses everything
  uint16_t sk_lingertime = 0;                           // seconds
  uint16_t sk_ack_backlog = 0, sk_max_ack_backlog = 0;  // listeners: accept queue length and limit
};

inline constexpr uint8_t RCV_SHUTDOWN = 1, SEND_SHUTDOWN = 2, SHUTDOWN_MASK = 3;
inline constexpr uint8_t SOCK_SNDBUF_LOCK = 1, SOCK_RCVBUF_LOCK = 2, SOCK_BINDADDR_LOCK = 4, SOCK_BINDPORT_LOCK = 8;
inline constexpr uint8_t SOCK_PORT_RELEASED = 16;  // skc_num only tells which port it was
inline constexpr uint8_t SOCK_DEAD = 1, SOCK_DONE = 2, SOCK_KEEPOPEN = 4, SOCK_URGINLINE = 8, SOCK_BROADCAST = 16,
                         SOCK_ZEROCOPY = 32, SOCK_RCVTSTAMP = 64;
inline bool sock_flag(const sock* sk, uint8_t f) { return sk->sk_flags & f; }
inline void sock_set_flag(sock* sk, uint8_t f) { sk->sk_flags |= f; }

// A transport protocol as the socket layer sees it. All calls are non-blocking: EAGAIN where Linux would sleep.
class proto {
 public:
  virtual ~proto() = default;
  virtual Result<sock*> create(uint8_t family) = 0;
  virtual Result<void> bind(sock*, const SocketAddress& local) = 0;      // port 0: an ephemeral one
  virtual Result<void> connect(sock*, const SocketAddress& remote) = 0;  // EINPROGRESS while under way
  virtual Result<void> disconnect(sock*) { return Err(EOPNOTSUPP); }
  virtual Result<void> listen(sock*, int /*backlog*/) { return Err(EOPNOTSUPP); }
  virtual Result<sock*> accept(sock*) { return Err(EOPNOTSUPP); }
  virtual Result<size_t> sendmsg(sock*, const MsgSend&) = 0;
  virtual Result<size_t> recvmsg(sock*, MsgRecv&) = 0;
  // recvmsg() for splice(2): an urgent byte is neither read nor skipped.
  virtual Result<size_t> splice_read(sock* sk, MsgRecv& msg) { return recvmsg(sk, msg); }
  virtual Result<void> shutdown(sock*, uint8_t how) = 0;  // RCV_SHUTDOWN | SEND_SHUTDOWN
  virtual void close(sock*) = 0;                          // the sock may be gone afterwards
  virtual uint32_t poll(const sock*) const = 0;           // POLLIN | POLLOUT | ...
  virtual Result<void> setsockopt(sock*, int level, int name, std::span<const uint8_t> value) = 0;
  virtual Result<size_t> getsockopt(sock*, int level, int name, std::span<uint8_t> value) = 0;  // bytes written
  virtual Result<int> ioctl(sock*, int /*request*/) { return Err(ENOTTY); }
};

// Wake-ups, under Linux's names.
void sock_def_readable(sock*);     // POLLIN
void sock_def_write_space(sock*);  // POLLOUT
void sock_def_wakeup(sock*);       // state change
void sk_error_report(sock*);       // POLLERR

// Receive accounting: charges skb->truesize to sk_rmem_alloc until the packet ends.
void skb_set_owner_r(const Skb&, sock*);

// The packet leaves this host's accounts.
inline void skb_orphan(const Skb& skb) {
  if (skb->destructor) skb->destructor(skb.get());
  skb->destructor = nullptr;
  skb->sk = nullptr;
}

// Takes sk_err: reports it once.
int sock_error(sock*);

// Copies bytes into the message's pieces, from `done` bytes of the message on; returns how many fit.
size_t msg_put(MsgRecv&, size_t done, std::span<const uint8_t>);

// Copies from a packet into the message's pieces, continuing at `done` bytes of the message. Returns bytes copied.
size_t skb_copy_datagram_iter(const sk_buff&, uint32_t offset, size_t n, MsgRecv&, size_t done);

}  // namespace glass
