// TCP as the stack and the socket layer see it (RFC 9293 and what Linux does beyond it).
//
// One Tcp object serves one stack: its connection tables, its sockets, its entry points from IP. What happens inside is
// listed in tcp_internal.h, the layout of a connection stands in tcp_sock.h.
#pragma once
#include <array>
#include <functional>
#include <memory>

#include "base/slab.h"
#include "ip/ip.h"
#include "net/sock.h"
#include "tcp/tcp_info.h"

namespace glass {

struct tcp_sock;
struct inet_hashinfo;
class TcpMetrics;

// Active Fast Open rests after a connection was swallowed on the way; see tcp_fastopen_client.cc.
struct TcpFastopenPause {
  Instant since{};
  uint32_t times = 0;  // in a row
};

class Tcp final : public proto {
 public:
  Tcp(net&, Ip&);
  ~Tcp() override;
  Tcp(const Tcp&) = delete;
  Tcp& operator=(const Tcp&) = delete;

  Result<sock*> create(uint8_t family) override;
  Result<void> bind(sock*, const SocketAddress&) override;
  Result<void> connect(sock*, const SocketAddress&) override;
  Result<void> disconnect(sock*) override;
  Result<void> listen(sock*, int backlog) override;
  Result<sock*> accept(sock*) override;
  Result<size_t> sendmsg(sock*, const MsgSend&) override;
  Result<size_t> recvmsg(sock*, MsgRecv&) override;
  Result<size_t> splice_read(sock*, MsgRecv&) override;
  Result<void> shutdown(sock*, uint8_t how) override;
  void close(sock*) override;
  void abort(sock*, int error);  // ends a connection from outside; the sock of an orphan is gone afterwards
  uint32_t poll(const sock*) const override;
  Result<void> setsockopt(sock*, int level, int name, std::span<const uint8_t>) override;
  Result<size_t> getsockopt(sock*, int level, int name, std::span<uint8_t>) override;
  Result<int> ioctl(sock*, int request) override;

  // One row for every connection, listener, half-open and TIME_WAIT entry: what `ss -tain` lists.
  std::vector<TcpSocketRow> sockets() const;

  net& ns() { return net_; }
  Ip& ip() { return ip_; }
  inet_hashinfo& hashinfo() { return *hashinfo_; }
  Slab& sock_slab() { return sock_slab_; }
  Slab& request_slab() { return request_slab_; }
  Slab& timewait_slab() { return timewait_slab_; }
  // A connection whose packets left the qdisc goes on sending; see tcp_tsq.cc.
  void tsq_schedule(tcp_sock*);
  void tsq_forget(tcp_sock*);
  // For what a congestion control keeps of a connection.
  Slab& ca_priv_slab(size_t size) { return size <= ca_small_slab_.object_size() ? ca_small_slab_ : ca_slab_; }
  TcpMetrics& metrics() const { return *metrics_; }
  // The counter that moves the search for a port on; see tcp_ports.cc.
  uint32_t& port_perturb(uint32_t hash) { return table_perturb_[hash % table_perturb_.size()]; }
  TcpFastopenPause fastopen_pause;
  unsigned orphans = 0;  // connections the application has closed and the stack still finishes
  unsigned timewaits = 0;
  int64_t memory_allocated = 0;  // pages, of all connections (net.ipv4.tcp_mem)
  unsigned sockets_allocated = 0;
  bool memory_pressure = false;
  Instant memory_pressure_since{};
  int64_t challenge_second = -1;  // RFC 5961 section 7: challenge ACKs left in this second
  uint32_t challenge_count = 0;

 private:
  struct TsqTimer : timer_list {
    Tcp* tcp = nullptr;
  };
  static void tcp_tsq_handler(timer_list*);

  net& net_;
  Ip& ip_;
  Slab sock_slab_, request_slab_, timewait_slab_, ca_small_slab_, ca_slab_;
  std::unique_ptr<inet_hashinfo> hashinfo_;
  TsqTimer tsq_timer_;
  std::vector<tcp_sock*> tsq_;
  std::unique_ptr<TcpMetrics> metrics_;
  std::array<uint32_t, 256> table_perturb_;
};

}  // namespace glass
