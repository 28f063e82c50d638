#include <algorithm>

#include "udp/udp_internal.h"
#include "udp/udp_table.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/udp.h"

namespace glass {

namespace {

struct Endpoints {
  SocketAddress local, remote;
};

Endpoints endpoints(const sk_buff& skb) {
  const auto* iph = reinterpret_cast<const iphdr*>(skb.network());
  const auto* uh = reinterpret_cast<const udphdr*>(skb.transport());
  return {{IpAddress::v4_from_wire(iph->daddr), ntohs(uh->dest)},
          {IpAddress::v4_from_wire(iph->saddr), ntohs(uh->source)}};
}

bool checksum_wrong(const Skb& skb) {
  const auto* uh = reinterpret_cast<const udphdr*>(skb->data);
  if (skb->ip_summed != IpSummed::none || uh->check == 0) return false;
  const Endpoints e = endpoints(*skb);
  const uint32_t pseudo =
      csum_pseudo(e.remote.address, e.local.address, skb->len, static_cast<uint8_t>(IpProto::UDP), 0);
  return csum_fold(skb_checksum(*skb, 0, skb->len, pseudo)) != 0;
}

// Into the socket's queue, if its buffer has room. An empty queue takes one datagram of any size.
void udp_queue_rcv_one_skb(Udp& udp, udp_sock* sk, Skb skb) {
  Trace& trace = udp.ns().trace;
  PROBE(trace, skb);
  if (sk->sk_filter_all) {
    trace.count(Mib::UdpInErrors);
    return kfree_skb_reason(std::move(skb), DROP(SOCKET_FILTER));
  }
  if (sk->sk_rmem_alloc && int64_t{sk->sk_rmem_alloc} + skb->truesize > sk->sk_rcvbuf) {
    trace.count(Mib::UdpRcvbufErrors);
    trace.count(Mib::UdpInErrors);
    return kfree_skb_reason(std::move(skb), DROP(SOCKET_RCVBUFF));
  }
  trace.count(Mib::UdpInDatagrams);
  skb_eat(skb, sizeof(udphdr));
  skb_set_owner_r(skb, sk);
  trace.queued(skb->id, skb->len);
  sk->sk_receive_queue.push_back(std::move(skb));
  sock_def_readable(sk);
}

void udp_unicast_rcv_skb(Udp& udp, udp_sock* sk, Skb skb) {
  PROBE(udp.ns().trace, skb);
  udp_queue_rcv_one_skb(udp, sk, std::move(skb));
}

// RFC 1122 section 4.1.3.3 does not apply to groups: nobody there is no error.
void __udp4_lib_mcast_deliver(Udp& udp, Skb skb) {
  PROBE(udp.ns().trace, skb);
  const Endpoints e = endpoints(*skb);
  const std::vector<udp_sock*> takers = udp.table().matches(e.local, e.remote);
  if (takers.empty()) {
    udp.ns().trace.count(Mib::UdpIgnoredMulti);
    return consume_skb(std::move(skb));
  }
  for (size_t i = 0; i + 1 < takers.size(); ++i) udp_queue_rcv_one_skb(udp, takers[i], skb_clone(*skb));
  udp_queue_rcv_one_skb(udp, takers.back(), std::move(skb));
}

void __udp4_lib_rcv(Udp& udp, Skb skb) {
  Trace& trace = udp.ns().trace;
  PROBE(trace, skb);
  const bool to_group = SKB_CB<IpCb>(skb.get())->flags & (RTCF_BROADCAST | RTCF_MULTICAST);
  const bool whole = pskb_may_pull(skb, sizeof(udphdr));
  const uint32_t ulen = whole ? ntohs(reinterpret_cast<const udphdr*>(skb->data)->len) : 0;
  if (ulen < sizeof(udphdr) || ulen > skb->len) {
    trace.count(Mib::UdpInErrors);
    return kfree_skb_reason(std::move(skb), DROP(PKT_TOO_SMALL));
  }
  pskb_trim(skb, ulen);
  skb_reset_transport_header(skb);
  if (checksum_wrong(skb)) {
    trace.count(Mib::UdpInCsumErrors);
    trace.count(Mib::UdpInErrors);
    return kfree_skb_reason(std::move(skb), DROP(UDP_CSUM));
  }
  if (to_group) return __udp4_lib_mcast_deliver(udp, std::move(skb));
  const Endpoints e = endpoints(*skb);
  if (udp_sock* sk = udp.table().lookup(e.local, e.remote)) return udp_unicast_rcv_skb(udp, sk, std::move(skb));
  trace.count(Mib::UdpNoPorts);
  udp.ip().icmp_send(skb, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0);
  kfree_skb_reason(std::move(skb), DROP(NO_SOCKET));
}

struct SocketError {
  int error = 0;
  bool hard = false;
};

// What an ICMP error means to a socket (RFC 1122 section 4.1.3.3).
SocketError socket_error(const udp_sock* sk, uint8_t type, uint8_t code) {
  if (type == ICMP_SOURCE_QUENCH || type == ICMP_REDIRECT) return {};
  if (type == ICMP_PARAMETERPROB) return {EPROTO, true};
  if (type != ICMP_DEST_UNREACH) return {EHOSTUNREACH, false};
  if (code == ICMP_FRAG_NEEDED) return sk->pmtudisc == IP_PMTUDISC_DONT ? SocketError{} : SocketError{EMSGSIZE, true};
  const IcmpErr e = icmp_err_convert(code);
  return {e.error, e.fatal};
}

void __udp4_lib_err(Udp& udp, const Skb& skb, uint8_t type, uint8_t code, uint32_t info) {
  PROBE(udp.ns().trace, skb);
  const auto* iph = reinterpret_cast<const iphdr*>(skb->data);
  const auto* uh = reinterpret_cast<const udphdr*>(skb->data + iph->ihl());
  const SocketAddress local{IpAddress::v4_from_wire(iph->saddr), ntohs(uh->source)};
  const SocketAddress remote{IpAddress::v4_from_wire(iph->daddr), ntohs(uh->dest)};
  udp_sock* sk = udp.table().lookup(local, remote);
  if (!sk) return udp.ns().trace.count(Mib::IcmpInErrors);
  if (type == ICMP_DEST_UNREACH && code == ICMP_FRAG_NEEDED && info) udp.ip().update_pmtu(remote.address, info);
  const SocketError e = socket_error(sk, type, code);
  if (!e.error) return;
  if (!sk->recverr && (!e.hard || sk->skc_state != TCP_ESTABLISHED)) return;
  sk->sk_err = static_cast<uint16_t>(e.error);
  sk_error_report(sk);
}

// The datagram to read next. A pending error comes first.
Result<sk_buff*> next_datagram(udp_sock* sk) {
  if (const int error = sock_error(sk)) return Err(error);
  if (sk_buff* skb = sk->sk_receive_queue.front()) return skb;
  if (sk->sk_shutdown & RCV_SHUTDOWN) return nullptr;
  return Err(EAGAIN);
}

}  // namespace

void udp_rcv(void* ctx, Skb skb) {
  Udp& udp = *static_cast<Udp*>(ctx);
  PROBE(udp.ns().trace, skb);
  __udp4_lib_rcv(udp, std::move(skb));
}

void udp_err(void* ctx, const Skb& skb, uint8_t type, uint8_t code, uint32_t info) {
  Udp& udp = *static_cast<Udp*>(ctx);
  PROBE(udp.ns().trace, skb);
  __udp4_lib_err(udp, skb, type, code, info);
}

Result<size_t> udp_recvmsg(Udp& udp, udp_sock* sk, MsgRecv& msg) {
  PROBE(udp.ns().trace);
  if (msg.msg_flags & MSG_OOB) return Err(EOPNOTSUPP);
  if (msg.msg_flags & MSG_ERRQUEUE) return Err(EAGAIN);
  const Result<sk_buff*> next = next_datagram(sk);
  if (!next) return Err(next.error());
  if (!*next) return size_t{0};
  const sk_buff& skb = **next;
  const size_t size = skb.len, copied = std::min(size, msg.size());
  skb_copy_datagram_iter(skb, 0, copied, msg, 0);
  if (copied < size) msg.out_flags |= MSG_TRUNC;
  if (msg.msg_name) *msg.msg_name = endpoints(skb).remote;
  if (!(msg.msg_flags & MSG_PEEK)) consume_skb(sk->sk_receive_queue.pop_front());
  return msg.msg_flags & MSG_TRUNC ? size : copied;
}

}  // namespace glass
