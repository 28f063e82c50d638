#include "udp/udp.h"

#include <algorithm>

#include "net/sock_opt.h"
#include "udp/udp_internal.h"
#include "udp/udp_table.h"
#include "wire/ipv4.h"

namespace glass {

namespace {

udp_sock* udp_sk(sock* sk) { return static_cast<udp_sock*>(sk); }
const udp_sock* udp_sk(const sock* sk) { return static_cast<const udp_sock*>(sk); }

IpAddress any_address(const sock* sk) { return sk->skc_family == AF_INET ? IpAddress::v4(0) : IpAddress{}; }

// A group or a broadcast address may be listened on, but not be sent from.
bool is_source(const Ip& ip, const IpAddress& a) { return !a.is_unspecified() && ip.is_local(a); }

}  // namespace

Udp::Udp(net& n, Ip& ip) : net_(n), ip_(ip), table_(std::make_unique<UdpTable>()) {
  ip_.inet_add_protocol(static_cast<uint8_t>(IpProto::UDP), {udp_rcv, udp_err, this});
}

Udp::~Udp() {
  while (!table_->all.empty()) close(*table_->all.begin());
}

Result<sock*> Udp::create(uint8_t family) {
  PROBE(net_.trace);
  if (family != AF_INET && family != AF_INET6) return Err(EAFNOSUPPORT);
  auto* sk = new udp_sock(net_, *this);
  sk->skc_family = family;
  sk->skc_protocol = IPPROTO_UDP;
  sk->skc_state = TCP_CLOSE;
  sk->skc_rcv_saddr = sk->skc_daddr = any_address(sk);
  sk->sk_rcvbuf = static_cast<int32_t>(net_.sysctl.rmem_default);
  sk->sk_sndbuf = static_cast<int32_t>(net_.sysctl.wmem_default);
  table_->all.insert(sk);
  return sk;
}

// RFC 6056: an ephemeral port is searched from a random place on.
Result<void> Udp::udp_lib_get_port(udp_sock* sk, uint16_t port) {
  PROBE(net_.trace);
  if (port == 0) {
    const auto low = static_cast<uint32_t>(net_.sysctl.ip_local_port_range_low);
    const auto count = static_cast<uint32_t>(net_.sysctl.ip_local_port_range_high) - low + 1;
    const uint32_t start = net_.rng.below(count);
    for (uint32_t i = 0; i < count && port == 0; ++i) {
      const auto candidate = static_cast<uint16_t>(low + (start + i) % count);
      if (!table_->conflict(sk, sk->skc_rcv_saddr, candidate)) port = candidate;
    }
    if (port == 0) return Err(EADDRINUSE);
  } else if (table_->conflict(sk, sk->skc_rcv_saddr, port)) {
    return Err(EADDRINUSE);
  }
  sk->skc_num = port;
  table_->insert(sk);
  return {};
}

Result<void> Udp::inet_autobind(udp_sock* sk) {
  if (sk->skc_num) return {};
  return udp_lib_get_port(sk, 0) ? Result<void>() : Err(EAGAIN);
}

Result<void> Udp::bind(sock* s, const SocketAddress& local) {
  PROBE(net_.trace);
  udp_sock* sk = udp_sk(s);
  if (sk->skc_num) return Err(EINVAL);
  const AddressType type = ip_.address_type(local.address);
  const bool usable = local.address.is_unspecified() || type == AddressType::local || type == AddressType::broadcast ||
                      type == AddressType::multicast;
  if (!usable) return Err(EADDRNOTAVAIL);
  sk->skc_rcv_saddr = local.address.is_unspecified() ? any_address(sk) : local.address;
  const Result<void> got = udp_lib_get_port(sk, local.port);
  if (!got) {
    sk->skc_rcv_saddr = any_address(sk);
    return got;
  }
  if (!local.address.is_unspecified()) sk->sk_userlocks |= SOCK_BINDADDR_LOCK;
  if (local.port) sk->sk_userlocks |= SOCK_BINDPORT_LOCK;
  return {};
}

void Udp::sk_dst_set(udp_sock* sk, dst_entry* dst) {
  if (dst) Ip::dst_hold(dst);
  if (sk->sk_dst_cache) ip_.dst_release(sk->sk_dst_cache);
  sk->sk_dst_cache = dst;
}

Result<dst_entry*> Udp::route_for(udp_sock* sk, const IpAddress& daddr) {
  dst_entry* known = sk->sk_dst_cache;
  if (known && known->daddr == daddr && ip_.dst_check(known)) return known;
  const Result<dst_entry*> dst =
      ip_.route_output(daddr, is_source(ip_, sk->skc_rcv_saddr) ? sk->skc_rcv_saddr : IpAddress{});
  if (dst && sk->skc_state == TCP_ESTABLISHED && (*dst)->daddr == sk->skc_daddr) sk_dst_set(sk, *dst);
  return dst;
}

Result<void> Udp::connect(sock* s, const SocketAddress& remote) {
  PROBE(net_.trace);
  udp_sock* sk = udp_sk(s);
  if (remote.address.is_v6() && !remote.address.is_unspecified()) return Err(EAFNOSUPPORT);
  if (const Result<void> bound = inet_autobind(sk); !bound) return bound;
  sk_dst_set(sk, nullptr);
  const Result<dst_entry*> dst = route_for(sk, remote.address);
  if (!dst) {
    if (dst.error() == ENETUNREACH) net_.trace.count(Mib::IpOutNoRoutes);
    return Err(dst.error());
  }
  if ((*dst)->is_broadcast && !sock_flag(sk, SOCK_BROADCAST)) return Err(EACCES);
  table_->remove(sk);
  if (sk->skc_rcv_saddr.is_unspecified()) sk->skc_rcv_saddr = (*dst)->saddr;
  sk->skc_daddr = (*dst)->daddr;
  sk->skc_dport = remote.port;
  sk->skc_state = TCP_ESTABLISHED;
  sk->inet_id = static_cast<uint16_t>(net_.rng.next_u32());
  table_->insert(sk);
  sk_dst_set(sk, *dst);
  return {};
}

Result<void> Udp::disconnect(sock* s) {
  PROBE(net_.trace);
  udp_sock* sk = udp_sk(s);
  if (sk->skc_num) table_->remove(sk);
  sk->skc_state = TCP_CLOSE;
  sk->skc_daddr = any_address(sk);
  sk->skc_dport = 0;
  sk_dst_set(sk, nullptr);
  if (!(sk->sk_userlocks & SOCK_BINDADDR_LOCK)) sk->skc_rcv_saddr = any_address(sk);
  if (!(sk->sk_userlocks & SOCK_BINDPORT_LOCK)) sk->skc_num = 0;
  if (sk->skc_num) table_->insert(sk);
  return {};
}

Result<size_t> Udp::sendmsg(sock* sk, const MsgSend& msg) { return udp_sendmsg(*this, udp_sk(sk), msg); }
Result<size_t> Udp::recvmsg(sock* sk, MsgRecv& msg) { return udp_recvmsg(*this, udp_sk(sk), msg); }

Result<void> Udp::shutdown(sock* sk, uint8_t how) {
  PROBE(net_.trace);
  // As in Linux: refused, and yet it wakes a reader.
  sk->sk_shutdown |= how;
  sock_def_wakeup(sk);
  return sk->skc_state == TCP_ESTABLISHED ? Result<void>() : Err(ENOTCONN);
}

void Udp::close(sock* s) {
  PROBE(net_.trace);
  udp_sock* sk = udp_sk(s);
  if (sk->skc_num) table_->remove(sk);
  sk_dst_set(sk, nullptr);
  sk->sk_receive_queue.purge(DROP(SOCKET_CLOSE));
  table_->all.erase(sk);
  delete sk;
}

uint32_t Udp::poll(const sock* sk) const {
  uint32_t events = POLLOUT | POLLWRNORM | POLLWRBAND;
  if (sk->sk_err) events |= POLLERR;
  if (sk->sk_shutdown & RCV_SHUTDOWN) events |= POLLRDHUP | POLLIN | POLLRDNORM;
  if (sk->sk_shutdown == SHUTDOWN_MASK) events |= POLLHUP;
  if (!sk->sk_receive_queue.empty()) events |= POLLIN | POLLRDNORM;
  return events;
}

Result<void> Udp::setsockopt(sock* sk, int level, int name, std::span<const uint8_t> value) {
  PROBE(net_.trace);
  if (level == IPPROTO_IP && (name == IP_MTU_DISCOVER || name == IP_RECVERR)) {
    const std::optional<int> n = sockopt_int(value);
    if (!n) return Err(EINVAL);
    if (name == IP_RECVERR) {
      udp_sk(sk)->recverr = *n != 0;
    } else {
      if (*n < IP_PMTUDISC_DONT || *n > IP_PMTUDISC_PROBE) return Err(EINVAL);
      udp_sk(sk)->pmtudisc = static_cast<uint8_t>(*n);
    }
    return {};
  }
  Result<bool> known = false;
  if (level == SOL_SOCKET) known = sock_setsockopt(sk, name, value);
  if (level == IPPROTO_IP) known = ip_setsockopt(sk, name, value);
  if (!known) return Err(known.error());
  return *known ? Result<void>() : Err(ENOPROTOOPT);
}

Result<size_t> Udp::getsockopt(sock* sk, int level, int name, std::span<uint8_t> value) {
  PROBE(net_.trace);
  if (level == IPPROTO_IP) {
    if (name == IP_MTU_DISCOVER) return sockopt_put_int(value, udp_sk(sk)->pmtudisc);
    if (name == IP_RECVERR) return sockopt_put_int(value, udp_sk(sk)->recverr);
    if (name == IP_MTU && !sk->sk_dst_cache) return Err(ENOTCONN);
    if (name == IP_MTU) return sockopt_put_int(value, static_cast<int>(sk->sk_dst_cache->mtu));
  }
  Result<size_t> known = size_t{0};
  if (level == SOL_SOCKET) known = sock_getsockopt(sk, name, value);
  if (level == IPPROTO_IP) known = ip_getsockopt(sk, name, value);
  return known && *known == 0 ? Err(ENOPROTOOPT) : known;
}

Result<int> Udp::ioctl(sock* sk, int request) {
  if (request == SIOCOUTQ) return 0;
  if (request != SIOCINQ) return Err(ENOTTY);
  const sk_buff* first = sk->sk_receive_queue.front();
  return first ? static_cast<int>(first->len) : 0;
}

std::vector<UdpSocketRow> Udp::sockets() const {
  std::vector<UdpSocketRow> out;
  for (const sock* s : table_->all) {
    const udp_sock* sk = udp_sk(s);
    if (!sk->skc_num) continue;
    out.push_back({{sk->skc_rcv_saddr, sk->skc_num},
                   {sk->skc_daddr, sk->skc_dport},
                   sk->skc_state == TCP_ESTABLISHED,
                   sk->sk_rmem_alloc,
                   sk->sk_rcvbuf,
                   sk});
  }
  std::sort(out.begin(), out.end(), [](const UdpSocketRow& a, const UdpSocketRow& b) {
    return std::tie(a.local.port, a.local.address.bytes, a.remote.address.bytes, a.remote.port) <
           std::tie(b.local.port, b.local.address.bytes, b.remote.address.bytes, b.remote.port);
  });
  return out;
}

}  // namespace glass
