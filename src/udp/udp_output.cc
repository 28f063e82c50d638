#include <algorithm>

#include "udp/udp_internal.h"
#include "udp/udp_table.h"
#include "wire/ipv4.h"
#include "wire/udp.h"

namespace glass {

namespace {

constexpr size_t kMaxDatagram = kMaxPacket - sizeof(iphdr) - sizeof(udphdr);

// 0: nothing speaks against sending.
int refused(const udp_sock* sk, const MsgSend& msg, size_t size) {
  if (size > 0xffff) return EMSGSIZE;
  if (msg.msg_flags & MSG_OOB) return EOPNOTSUPP;
  if (msg.msg_name && msg.msg_name->port == 0) return EINVAL;
  if (!msg.msg_name && sk->skc_state != TCP_ESTABLISHED) return EDESTADDRREQ;
  return 0;
}

// RFC 768. The checksum covers the pseudo header; whoever sends the packet last completes it.
Skb make_datagram(Udp& udp, const MsgSend& msg, size_t size, const Endpoint4& e) {
  const auto length = static_cast<uint32_t>(sizeof(udphdr) + size);
  Skb skb = alloc_skb(udp.ns().pool, udp.ns().trace, length);
  auto* uh = reinterpret_cast<udphdr*>(skb_put(skb, length));
  skb_reset_transport_header(skb);
  uh->source = htons(e.sport);
  uh->dest = htons(e.dport);
  uh->len = htons(static_cast<uint16_t>(length));
  const uint32_t pseudo = csum_pseudo(e.saddr, e.daddr, length, static_cast<uint8_t>(IpProto::UDP), 0);
  uh->check = static_cast<uint16_t>(~csum_fold(pseudo));
  skb->ip_summed = IpSummed::partial;
  skb->csum_start = skb->transport_header;
  skb->csum_offset = offsetof(udphdr, check);
  uint8_t* to = reinterpret_cast<uint8_t*>(uh + 1);
  for (const auto& piece : msg.msg_iov) to = std::copy(piece.begin(), piece.end(), to);
  return skb;
}

IpTx header_fields(Udp& udp, udp_sock* sk, const dst_entry& dst, const Endpoint4& e, uint32_t length) {
  IpTx tx{sk->sk_tos, sk->sk_ttl, false, static_cast<uint8_t>(IpProto::UDP)};
  // RFC 1112 section 6.1: a multicast stays on its network unless asked for more.
  if (dst.is_multicast && !tx.ttl) tx.ttl = 1;
  const bool fits = length + sizeof(iphdr) <= dst.mtu;
  tx.dont_fragment = sk->pmtudisc >= IP_PMTUDISC_DO || (sk->pmtudisc == IP_PMTUDISC_WANT && fits);
  if (sk->skc_state == TCP_ESTABLISHED)
    tx.id = ++sk->inet_id;
  else
    tx.id = udp.ip().ip_select_ident(e.saddr, e.daddr, tx.protocol);
  return tx;
}

Result<size_t> udp_send_skb(Udp& udp, udp_sock* sk, Skb skb, dst_entry* dst, const Endpoint4& e, size_t size) {
  Trace& trace = udp.ns().trace;
  PROBE(trace, skb);
  const IpTx tx = header_fields(udp, sk, *dst, e, skb->len);
  const Result<void> sent = udp.ip().ip_send_skb(std::move(skb), dst, e.saddr, e.daddr, tx);
  // A queue of this host's was full: only who asks for errors hears of it.
  const bool congested = !sent && sent.error() == ENOBUFS && !sk->recverr;
  if (!sent && !congested) return Err(sent.error());
  trace.count(congested ? Mib::UdpSndbufErrors : Mib::UdpOutDatagrams);
  return size;
}

}  // namespace

Result<size_t> udp_sendmsg(Udp& udp, udp_sock* sk, const MsgSend& msg) {
  PROBE(udp.ns().trace);
  const size_t size = msg.size();
  if (const int error = refused(sk, msg, size)) return Err(error);
  const SocketAddress to = msg.msg_name ? *msg.msg_name : SocketAddress{sk->skc_daddr, sk->skc_dport};
  if (to.address.is_v6() && !to.address.is_unspecified()) return Err(EAFNOSUPPORT);
  if (const Result<void> bound = udp.inet_autobind(sk); !bound) return Err(bound.error());
  const Result<dst_entry*> dst = udp.route_for(sk, to.address);
  if (!dst) {
    if (dst.error() == ENETUNREACH) udp.ns().trace.count(Mib::IpOutNoRoutes);
    return Err(dst.error());
  }
  if ((*dst)->is_broadcast && !sock_flag(sk, SOCK_BROADCAST)) return Err(EACCES);
  if (const int error = sock_error(sk)) return Err(error);
  if (sk->sk_shutdown & SEND_SHUTDOWN) return Err(EPIPE);
  const bool may_cut = sk->pmtudisc < IP_PMTUDISC_DO;
  if (size > kMaxDatagram || (!may_cut && size + sizeof(iphdr) + sizeof(udphdr) > (*dst)->mtu)) return Err(EMSGSIZE);
  const Endpoint4 e{(*dst)->saddr, (*dst)->daddr, sk->skc_num, to.port};
  return udp_send_skb(udp, sk, make_datagram(udp, msg, size, e), *dst, e, size);
}

}  // namespace glass
