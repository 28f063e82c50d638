// One host's network stack (what Linux calls a net namespace): the joining of all rooms.
//
// Sans-IO: single-threaded, owns all its state, makes no system call and reads no clock. The owner says what time it is
// and what arrived; the stack says when it wants to be called again.
//
//   Stack stack({.hostname = "a", .seed = 1});
//   net_device& eth0 = stack.add_device("eth0", tap_driver);
//   stack.ip().add_address(eth0, *parse_prefix("10.0.0.2/24"));
//   loop:  driver interrupts -> napi_schedule(eth0);   stack.poll(now);   sleep until stack.next_deadline() or input
//
// System calls are on sockets(); they run at the instant of the last advance() or poll().
#pragma once
#include <memory>
#include <string>

#include "dev/netdevice.h"
#include "driver/loopback.h"
#include "ip/ip.h"
#include "socket/sockets.h"
#include "tcp/tcp.h"
#include "udp/udp.h"

namespace glass {

struct StackConfig {
  std::string hostname = "glass";
  uint64_t seed = 1;        // initial sequence numbers, ports, hashes
  SkbPool* pool = nullptr;  // shared packet memory (one thread); null: the stack's own
};

class Stack {
 public:
  explicit Stack(StackConfig = {});
  ~Stack();
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;

  const std::string& hostname() const { return config_.hostname; }
  net& ns() { return net_; }
  Trace& trace() { return net_.trace; }
  softnet_data& softnet() { return softnet_; }
  Ip& ip() { return ip_; }
  Udp& udp() { return udp_; }
  Tcp& tcp() { return tcp_; }
  Sockets& sockets() { return sockets_; }

  // The driver must outlive the stack, or be taken away with remove_device().
  net_device& add_device(std::string name, Driver&, std::unique_ptr<Qdisc> qdisc = nullptr);
  void remove_device(net_device&);
  net_device* device(std::string_view name);
  const std::vector<std::unique_ptr<net_device>>& devices() const { return devices_; }
  net_device& loopback() { return *devices_.front(); }  // "lo", 127.0.0.1/8, always there

  // --- time
  Instant now() const { return net_.now; }
  // Sets the time for what follows; runs nothing.
  void advance(Instant now);
  // Sets the time and runs what is due: received packets, then timers, then queued transmissions, within Linux's
  // budgets. True if work is left: call again.
  bool poll(Instant now);
  // When poll() has something to do without further input: now() if work is pending; kNever if nothing is armed. May be
  // early, never late.
  Instant next_deadline() const;

 private:
  StackConfig config_;
  std::unique_ptr<SkbPool> own_pool_;
  net net_;
  softnet_data softnet_;
  Ip ip_;
  Udp udp_;
  Tcp tcp_;
  LoopbackDriver loopback_driver_;
  std::vector<std::unique_ptr<net_device>> devices_;
  Sockets sockets_;  // last: closes its sockets while everything else still stands
};

}  // namespace glass
