#include "ip/arp.h"

#include "ip/neighbour.h"
#include "ip/route_input.h"
#include "ip/state.h"
#include "wire/arp.h"
#include "wire/ethernet.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"

namespace glass {

namespace {

constexpr MacAddress kBroadcast{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
// A fresh answer is not replaced by another for this long: several hosts may answer, the first is the quickest.
constexpr Duration kLockTime = 1s;

void arp_send(Ip& ip, net_device& dev, const MacAddress& to, const ArpPacket& arp) {
  Skb skb = alloc_skb(ip.ns().pool, ip.ns().trace, sizeof(arphdr));
  PROBE(ip.ns().trace, skb);
  arp.emit({skb_put(skb, sizeof(arphdr)), sizeof(arphdr)});
  skb_reset_network_header(skb);
  skb->dev = &dev;
  skb->protocol = ETH_P_ARP;
  eth_header(skb, dev, to, ETH_P_ARP);
  dev_queue_xmit(std::move(skb));
}

void arp_reply(Ip& ip, net_device& dev, const ArpPacket& asked) {
  arp_send(ip, dev, asked.sender_mac, {ARPOP_REPLY, dev.dev_addr, asked.target_ip, asked.sender_mac, asked.sender_ip});
}

// A request for one of our addresses. The asker will talk to us: its address is noted at once, as not yet confirmed.
void answer(Ip& ip, net_device& dev, const ArpPacket& arp) {
  if (!arp.sender_ip.is_unspecified())
    neigh_update(*ip.state().neighbours.lookup(dev, arp.sender_ip), arp.sender_mac, NUD_STALE, true);
  arp_reply(ip, dev, arp);
}

bool asks_for_us(Ip& ip, net_device& dev, const ArpPacket& arp) {
  if (arp.operation != ARPOP_REQUEST || !ip.is_local(arp.target_ip)) return false;
  // Someone who checks whether the address is free has none yet.
  if (arp.sender_ip.is_unspecified()) return true;
  return route_input(ip, arp.target_ip, arp.sender_ip, dev) == InputRoute::local;
}

// Known neighbours only: nothing is learned from those nobody here talks to.
bool learn(Ip& ip, net_device& dev, const ArpPacket& arp, bool to_us) {
  neighbour* n = ip.state().neighbours.find(dev, arp.sender_ip);
  if (!n) return false;
  const bool announced = arp.sender_ip == arp.target_ip;
  const bool override = announced || ip.ns().now > n->updated + kLockTime;
  const bool asserts = arp.operation == ARPOP_REPLY && to_us;
  neigh_update(*n, arp.sender_mac, asserts ? NUD_REACHABLE : NUD_STALE, override);
  return true;
}

void arp_process(Ip& ip, Skb skb, const ArpPacket& arp) {
  PROBE(ip.ns().trace, skb);
  net_device& dev = *skb->dev;
  const bool sane = !arp.target_ip.is_multicast() && !arp.target_ip.is_loopback() && !arp.sender_ip.is_multicast();
  if (!sane || (arp.operation != ARPOP_REQUEST && arp.operation != ARPOP_REPLY))
    return kfree_skb_reason(std::move(skb), DROP(ARP_MALFORMED));
  if (asks_for_us(ip, dev, arp)) {
    answer(ip, dev, arp);
    return consume_skb(std::move(skb));
  }
  if (learn(ip, dev, arp, skb->pkt_type == PacketType::host)) return consume_skb(std::move(skb));
  kfree_skb_reason(std::move(skb), DROP(ARP_IGNORED));
}

}  // namespace

void arp_rcv(void* ctx, Skb skb) {
  Ip& ip = *static_cast<Ip*>(ctx);
  PROBE(ip.ns().trace, skb);
  if (skb->pkt_type == PacketType::otherhost || !skb->dev->has_link_header)
    return kfree_skb_reason(std::move(skb), DROP(ARP_IGNORED));
  if (!pskb_may_pull(skb, sizeof(arphdr))) return kfree_skb_reason(std::move(skb), DROP(ARP_MALFORMED));
  const std::optional<ArpPacket> arp = ArpPacket::parse({skb->data, skb->headlen()});
  if (!arp) return kfree_skb_reason(std::move(skb), DROP(ARP_MALFORMED));
  arp_process(ip, std::move(skb), *arp);
}

void arp_solicit(neighbour& n, const sk_buff* waiting) {
  Ip& ip = *n.ip;
  PROBE(ip.ns().trace);
  ArpPacket arp{ARPOP_REQUEST, n.dev->dev_addr, IpAddress::v4(0), {}, n.primary_key};
  if (waiting) {
    const auto* iph = reinterpret_cast<const iphdr*>(waiting->network());
    const IpAddress source = IpAddress::v4_from_wire(iph->saddr);
    if (ip.is_local(source)) arp.sender_ip = source;
  }
  if (arp.sender_ip.is_unspecified()) {
    const IpAddress* own = ip.state().addresses.select(*n.dev, n.primary_key);
    if (own) arp.sender_ip = *own;
  }
  const bool checking = n.nud_state == NUD_PROBE && n.probes < ip.ns().sysctl.neigh_ucast_solicit;
  arp_send(ip, *n.dev, checking ? n.ha : kBroadcast, arp);
}

void arp_error_report(Ip& ip, Skb skb) {
  PROBE(ip.ns().trace, skb);
  const auto* iph = reinterpret_cast<const iphdr*>(skb->network());
  if (ip.is_local(IpAddress::v4_from_wire(iph->saddr))) {
    // The ICMP error this host would send to itself, without the way round through the loopback device.
    const net_protocol& p = ip.state().protos[iph->protocol];
    if (p.err_handler && skb->headlen() >= iph->ihl() + 8)
      p.err_handler(p.ctx, skb, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0);
  } else {
    ip.icmp_send(skb, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0);
  }
  kfree_skb_reason(std::move(skb), DROP(NEIGH_FAILED));
}

}  // namespace glass
