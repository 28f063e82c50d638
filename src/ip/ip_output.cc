#include "ip/ip_output.h"

#include "ip/ip_header.h"
#include "ip/neighbour.h"
#include "ip/state.h"
#include "skb/gso.h"
#include "wire/ethernet.h"
#include "wire/icmp.h"
#include "wire/tcp.h"

namespace glass {

namespace {

// Where frames to a whole group go (RFC 1112 section 6.4, RFC 894).
MacAddress group_mac(const dst_entry& dst) {
  if (!dst.is_multicast) return {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
  const uint32_t group = dst.daddr.v4_host();
  return {{0x01, 0x00, 0x5e, static_cast<uint8_t>(group >> 16 & 0x7f), static_cast<uint8_t>(group >> 8),
           static_cast<uint8_t>(group)}};
}

void count_group(Ip& ip, const Skb& skb, const dst_entry& dst) {
  Trace& trace = ip.ns().trace;
  trace.count(dst.is_multicast ? Mib::IpExtOutMcastPkts : Mib::IpExtOutBcastPkts);
  trace.count(dst.is_multicast ? Mib::IpExtOutMcastOctets : Mib::IpExtOutBcastOctets, skb->len);
}

int ip_fragment(Ip& ip, Skb&& skb, dst_entry* dst) {
  PROBE(ip.ns().trace, skb);
  if (!ip_hdr(skb)->dont_fragment()) return ip_do_fragment(ip, std::move(skb), dst, dst->mtu);
  ip.ns().trace.count(Mib::IpFragFails);
  // A forwarded packet's sender has to be told; our own hears it from the result.
  if (!ip.is_local(IpAddress::v4_from_wire(ip_hdr(skb)->saddr)))
    ip.icmp_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, htonl(dst->mtu));
  kfree_skb_reason(std::move(skb), DROP(PKT_TOO_BIG));
  return EMSGSIZE;
}

// The size of the largest segment a large TCP packet will be cut into.
uint32_t segment_length(const Skb& skb) {
  const size_t ihl = ip_hdr(skb)->ihl();
  if (!pskb_may_pull(skb, static_cast<uint32_t>(ihl + sizeof(tcphdr)))) return skb->len;
  const auto* th = reinterpret_cast<const tcphdr*>(skb->network() + ihl);
  return static_cast<uint32_t>(ihl + th->doff() + skb->gso_size);
}

int ip_finish_output_gso(Ip& ip, Skb&& skb, dst_entry* dst) {
  PROBE(ip.ns().trace, skb);
  if (segment_length(skb) <= dst->mtu) [[likely]]
    return ip_finish_output2(ip, std::move(skb), dst);
  sk_buff_head segments;
  skb_segment(std::move(skb), segments);
  int error = 0;
  while (Skb s = segments.pop_front()) {
    if (const int e = s->len > dst->mtu ? ip_fragment(ip, std::move(s), dst) : ip_finish_output2(ip, std::move(s), dst))
      error = e;
  }
  return error;
}

int __ip_finish_output(Ip& ip, Skb&& skb, dst_entry* dst) {
  PROBE(ip.ns().trace, skb);
  if (skb->is_gso()) return ip_finish_output_gso(ip, std::move(skb), dst);
  if (skb->len > dst->mtu) [[unlikely]]
    return ip_fragment(ip, std::move(skb), dst);
  return ip_finish_output2(ip, std::move(skb), dst);
}

int ip_finish_output(Ip& ip, Skb&& skb, dst_entry* dst) {
  PROBE(ip.ns().trace, skb);
  return __ip_finish_output(ip, std::move(skb), dst);
}

// A host hears its own broadcasts and the groups it is in (RFC 1122 section 3.3.6). They come in through the loopback
// device, whose packets are not asked for their source.
void loop_back(Ip& ip, const Skb& skb, const dst_entry& dst) {
  PROBE(ip.ns().trace, skb);
  net_device* lo = ip.state().loopback;
  if (!lo || (dst.is_multicast && dst.daddr != IpAddress::v4(224, 0, 0, 1))) return;  // keeps
  Skb copy = skb_copy(*skb);
  copy->ip_summed = IpSummed::unnecessary;
  copy->dev = lo;
  netif_rx(std::move(copy));
}

int ip_mc_output(Ip& ip, Skb&& skb, dst_entry* dst) {
  PROBE(ip.ns().trace, skb);
  skb->dev = dst->dev;
  skb->protocol = ETH_P_IP;
  loop_back(ip, skb, *dst);
  return ip_finish_output(ip, std::move(skb), dst);
}

void __ip_local_out(Ip& ip, const Skb& skb) {
  PROBE(ip.ns().trace, skb);
  ip.ns().trace.count(Mib::IpOutRequests);
  iphdr* iph = ip_hdr(skb);
  iph->check = ip_header_csum(iph);
}

int ip_local_out(Ip& ip, Skb&& skb, dst_entry* dst) {
  PROBE(ip.ns().trace, skb);
  __ip_local_out(ip, skb);
  if ((dst->is_broadcast || dst->is_multicast) && !dst->is_local) [[unlikely]]
    return ip_mc_output(ip, std::move(skb), dst);
  return ip_output(ip, std::move(skb), dst);
}

// The header in front of a transport packet, by whole words; the checksum comes last, in __ip_local_out.
void put_header(Ip& ip, const Skb& skb, const IpAddress& saddr, const IpAddress& daddr, const IpTx& tx) {
  const auto header = static_cast<uint32_t>(sizeof(iphdr) + tx.options.size());
  // Segments in flight share their data with the retransmission queue, headers they must not share.
  if (skb->block && skb->block->refs > 1) [[unlikely]]
    skb_cow_head(skb, header + ETH_HLEN);
  auto* iph = reinterpret_cast<iphdr*>(skb_push(skb, header));
  skb_reset_network_header(skb);
  const uint8_t ttl = tx.ttl ? tx.ttl : static_cast<uint8_t>(ip.ns().sysctl.ip_default_ttl);
  const uint32_t words[5] = {
      (0x40 | header / 4) | uint32_t{tx.tos} << 8 | uint32_t{htons(static_cast<uint16_t>(skb->len))} << 16,
      htons(tx.id) | uint32_t{tx.dont_fragment ? htons(IP_DF) : uint16_t{0}} << 16,
      ttl | uint32_t{tx.protocol} << 8,
      saddr.v4_wire(),
      daddr.v4_wire(),
  };
  std::memcpy(iph, words, sizeof words);
  if (!tx.options.empty()) [[unlikely]]
    std::memcpy(iph + 1, tx.options.data(), tx.options.size());
  if (!tx.dont_fragment && !tx.id) [[unlikely]]
    iph->id = htons(ip.ip_select_ident(saddr, daddr, tx.protocol));
}

// 0: the packet may be sent as asked.
int check_sendable(const Skb& skb, const dst_entry* dst, const IpTx& tx) {
  if (!dst || !dst->dev) [[unlikely]]
    return EHOSTUNREACH;
  return skb->len + sizeof(iphdr) + tx.options.size() > kMaxPacket ? EMSGSIZE : 0;
}

int __ip_queue_xmit(Ip& ip, Skb&& skb, dst_entry* dst, const IpAddress& saddr, const IpAddress& daddr, const IpTx& tx) {
  PROBE(ip.ns().trace, skb);
  if (const int error = check_sendable(skb, dst, tx)) [[unlikely]] {
    if (error == EHOSTUNREACH) ip.ns().trace.count(Mib::IpOutNoRoutes);
    kfree_skb_reason(std::move(skb), error == EHOSTUNREACH ? DROP(IP_OUTNOROUTES) : DROP(PKT_TOO_BIG));
    return error;
  }
  put_header(ip, skb, saddr, daddr, tx);
  return ip_local_out(ip, std::move(skb), dst);
}

}  // namespace

int ip_finish_output2(Ip& ip, Skb&& skb, dst_entry* dst) {
  Trace& trace = ip.ns().trace;
  PROBE(trace, skb);
  trace.count(Mib::IpOutTransmits);
  trace.count(Mib::IpExtOutOctets, skb->len);
  if (neighbour* n = dst->neigh) return neigh_output(*n, std::move(skb));
  if (dst->is_broadcast || dst->is_multicast) [[unlikely]] {
    count_group(ip, skb, *dst);
    if (dst->dev->has_link_header) eth_header(skb, *dst->dev, group_mac(*dst), ETH_P_IP);
  }
  return dev_queue_xmit(std::move(skb));
}

int ip_output(Ip& ip, Skb&& skb, dst_entry* dst) {
  PROBE(ip.ns().trace, skb);
  skb->dev = dst->dev;
  skb->protocol = ETH_P_IP;
  return ip_finish_output(ip, std::move(skb), dst);
}

Result<void> Ip::ip_queue_xmit(Skb skb, dst_entry* dst, const IpAddress& saddr, const IpAddress& daddr,
                               const IpTx& tx) {
  PROBE(net_.trace, skb);
  const int error = __ip_queue_xmit(*this, std::move(skb), dst, saddr, daddr, tx);
  return error ? Result<void>(Err(error)) : Result<void>();
}

Result<void> Ip::ip_send_skb(Skb skb, dst_entry* dst, const IpAddress& saddr, const IpAddress& daddr, const IpTx& tx) {
  PROBE(net_.trace, skb);
  int error = check_sendable(skb, dst, tx);
  if (error) [[unlikely]] {
    if (error == EHOSTUNREACH) net_.trace.count(Mib::IpOutNoRoutes);
    kfree_skb_reason(std::move(skb), error == EHOSTUNREACH ? DROP(IP_OUTNOROUTES) : DROP(PKT_TOO_BIG));
    return Err(error);
  }
  put_header(*this, skb, saddr, daddr, tx);
  error = ip_local_out(*this, std::move(skb), dst);
  if (error == ENOBUFS) {  // a datagram may be lost, here as well as elsewhere
    net_.trace.count(Mib::IpOutDiscards);
    return {};
  }
  return error ? Result<void>(Err(error)) : Result<void>();
}

uint16_t Ip::ip_select_ident(const IpAddress& saddr, const IpAddress& daddr, uint8_t protocol, uint16_t segs) {
  const uint64_t hash = hash_mix(hash_mix(net_.secret.k0 ^ protocol, saddr.low()), daddr.low() ^ net_.secret.k1);
  uint32_t& next = state_->idents[hash % state_->idents.size()];
  // The first one for a pair of hosts must not be foreseeable from that of another pair.
  if (!next) next = static_cast<uint32_t>(hash >> 32) | 1;
  next += segs;
  return static_cast<uint16_t>(next - segs);
}

}  // namespace glass
