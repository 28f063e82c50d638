// UDP (RFC 768, RFC 1122 section 4.1) as the stack and the socket layer see it.
//
//   Udp udp(net, ip);   Result<sock*> sk = udp.create(AF_INET);   udp.bind(*sk, {IpAddress::v4(0), 53});
//
// One Udp object serves one stack and owns its sockets; close() ends one. How a datagram finds its socket stands in
// udp_table.h.
#pragma once
#include <memory>
#include <vector>

#include "ip/ip.h"
#include "net/sock.h"

namespace glass {

class UdpTable;

struct udp_sock : sock {
  udp_sock(net& n, proto& p) : sock(n, p) {}
  uint16_t inet_id = 0;  // IP identification of a connected socket's packets
  uint8_t pmtudisc = IP_PMTUDISC_WANT;
  bool recverr = false;  // IP_RECVERR: passing errors are reported as well
};

// A line of `ss -uan`.
struct UdpSocketRow {
  SocketAddress local, remote;
  bool connected;
  int32_t rmem_alloc, rcvbuf;
  const sock* sk;
};

class Udp final : public proto {
 public:
  Udp(net&, Ip&);
  ~Udp() override;
  Udp(const Udp&) = delete;
  Udp& operator=(const Udp&) = delete;

  Result<sock*> create(uint8_t family) override;
  Result<void> bind(sock*, const SocketAddress&) override;     // EINVAL, EADDRNOTAVAIL, EADDRINUSE
  Result<void> connect(sock*, const SocketAddress&) override;  // at once; ENETUNREACH, EACCES
  Result<void> disconnect(sock*) override;
  Result<size_t> sendmsg(sock*, const MsgSend&) override;  // EMSGSIZE, EDESTADDRREQ, ECONNREFUSED, EACCES, EPIPE ...
  Result<size_t> recvmsg(sock*, MsgRecv&) override;        // EAGAIN, ECONNREFUSED
  Result<void> shutdown(sock*, uint8_t how) override;
  void close(sock*) override;
  uint32_t poll(const sock*) const override;
  Result<void> setsockopt(sock*, int level, int name, std::span<const uint8_t>) override;
  Result<size_t> getsockopt(sock*, int level, int name, std::span<uint8_t>) override;
  Result<int> ioctl(sock*, int request) override;  // SIOCINQ: size of the next datagram

  std::vector<UdpSocketRow> sockets() const;
  net& ns() { return net_; }
  Ip& ip() { return ip_; }
  UdpTable& table() { return *table_; }

 private:
  friend Result<size_t> udp_sendmsg(Udp&, udp_sock*, const MsgSend&);
  Result<void> udp_lib_get_port(udp_sock*, uint16_t port);  // 0: an ephemeral one
  Result<void> inet_autobind(udp_sock*);
  Result<dst_entry*> route_for(udp_sock*, const IpAddress& daddr);
  void sk_dst_set(udp_sock*, dst_entry*);

  net& net_;
  Ip& ip_;
  std::unique_ptr<UdpTable> table_;
};

}  // namespace glass
