#include "ip/ip_input.h"

#include <algorithm>

#include "ip/ip_header.h"
#include "ip/ip_options.h"
#include "ip/state.h"
#include "wire/icmp.h"

namespace glass {

namespace {

Mib counter(Mib first, unsigned n) { return static_cast<Mib>(static_cast<unsigned>(first) + n); }

// The header (RFC 791 section 3.1), step by step; the packet ends as long as it says. False: it was dropped.
bool ip_rcv_core(Ip& ip, Skb& skb) {
  Trace& trace = ip.ns().trace;
  PROBE(trace, skb);
  if (skb->pkt_type == PacketType::otherhost) [[unlikely]] {
    kfree_skb_reason(std::move(skb), DROP(OTHERHOST));
    return false;
  }
  trace.count(Mib::IpInReceives);
  trace.count(Mib::IpExtInOctets, skb->len);
  skb_reset_network_header(skb);
  const iphdr* iph = nullptr;
  bool sound = pskb_may_pull(skb, sizeof(iphdr));
  if (sound) [[likely]] {
    iph = ip_hdr(skb);
    sound = iph->ihl_words() >= 5 && iph->version() == 4;
  }
  if (sound) [[likely]] {
    trace.count(counter(Mib::IpExtInNoECTPkts, iph->ecn()), std::max<uint16_t>(skb->gso_segs, 1));
    sound = pskb_may_pull(skb, static_cast<uint32_t>(iph->ihl()));
    iph = ip_hdr(skb);
  }
  if (sound && ip_header_csum(iph)) [[unlikely]] {
    trace.count(Mib::IpExtInCsumErrors);
    trace.count(Mib::IpInHdrErrors);
    kfree_skb_reason(std::move(skb), DROP(IP_CSUM));
    return false;
  }
  const uint32_t length = sound ? ntohs(iph->tot_len) : 0;
  if (sound && skb->len < length) [[unlikely]] {
    trace.count(Mib::IpExtInTruncatedPkts);
    kfree_skb_reason(std::move(skb), DROP(PKT_TOO_SMALL));
    return false;
  }
  if (!sound || length < iph->ihl()) [[unlikely]] {
    trace.count(Mib::IpInHdrErrors);
    kfree_skb_reason(std::move(skb), DROP(IP_INHDR));
    return false;
  }
  if (skb->len > length) pskb_trim(skb, length);
  skb->transport_header = static_cast<uint16_t>(skb->network_header + iph->ihl());
  *SKB_CB<IpCb>(skb.get()) = {skb->dev->ifindex, static_cast<uint8_t>(iph->ihl() - sizeof(iphdr)), 0};
  return true;
}

enum class OptionsVerdict { good, malformed, source_routed };

OptionsVerdict ip_rcv_options(Ip& ip, const Skb& skb) {
  PROBE(ip.ns().trace, skb);
  skb_cow_head(skb, skb_headroom(*skb));
  iphdr* iph = ip_hdr(skb);
  const IpAddress daddr = IpAddress::v4_from_wire(iph->daddr), saddr = IpAddress::v4_from_wire(iph->saddr);
  const IpAddress* selected = ip.state().addresses.select(*skb->dev, saddr);
  const IpAddress own = ip.is_local(daddr) ? daddr : selected ? *selected : IpAddress::v4(0);
  IpOptions seen;
  if (const auto wrong = ip_options_compile(ip, iph, own, seen)) {
    ip.ns().trace.count(Mib::IpInHdrErrors);
    ip.icmp_send(skb, ICMP_PARAMETERPROB, 0, htonl(uint32_t{*wrong} << 24));
    return OptionsVerdict::malformed;
  }
  return seen.srr ? OptionsVerdict::source_routed : OptionsVerdict::good;
}

void count_by_type(Ip& ip, const Skb& skb, InputRoute route) {
  IpCb* cb = SKB_CB<IpCb>(skb.get());
  Trace& trace = ip.ns().trace;
  // This host's own broadcast has come round without a link header to say what it is.
  if (skb->dev->features & NETIF_F_LOOPBACK)
    skb->pkt_type = route == InputRoute::multicast ? PacketType::multicast : PacketType::broadcast;
  if (route == InputRoute::multicast) {
    cb->flags |= RTCF_MULTICAST;
    trace.count(Mib::IpExtInMcastPkts);
    trace.count(Mib::IpExtInMcastOctets, skb->len);
  } else if (route == InputRoute::broadcast) {
    cb->flags |= RTCF_BROADCAST;
    trace.count(Mib::IpExtInBcastPkts);
    trace.count(Mib::IpExtInBcastOctets, skb->len);
  }
}

// Addresses and options. Null handle: the packet was dropped.
InputRoute ip_rcv_finish_core(Ip& ip, Skb& skb) {
  PROBE(ip.ns().trace, skb);
  const InputRoute route = route_input_v4(ip, *ip_hdr(skb), *skb->dev);
  Verdict why = nullptr;
  if (route >= InputRoute::invalid_source) [[unlikely]] {
    switch (route) {
      case InputRoute::invalid_source: why = DROP(IP_INVALID_SOURCE); break;
      case InputRoute::invalid_dest: why = DROP(IP_INVALID_DEST); break;
      case InputRoute::localnet: why = DROP(IP_LOCALNET); break;
      case InputRoute::local_source: why = DROP(IP_LOCAL_SOURCE); break;
      case InputRoute::rpfilter:
        ip.ns().trace.count(Mib::TcpExtIPReversePathFilter);
        why = DROP(IP_RPFILTER);
        break;
      default: why = DROP(IP_MULTICAST_UNJOINED); break;
    }
  } else if (SKB_CB<IpCb>(skb.get())->opt_len) [[unlikely]] {
    const OptionsVerdict options = ip_rcv_options(ip, skb);
    if (options == OptionsVerdict::malformed) why = DROP(IP_INHDR);
    if (options == OptionsVerdict::source_routed && !ip.ns().sysctl.accept_source_route) why = DROP(IP_SOURCE_ROUTED);
  }
  if (why) [[unlikely]]
    kfree_skb_reason(std::move(skb), why);
  else if (route != InputRoute::local) [[unlikely]]
    count_by_type(ip, skb, route);
  return route;
}

// Hands the packet to its protocol. Yields it back if there is none.
Skb ip_protocol_deliver_rcu(Ip& ip, Skb skb, uint8_t protocol) {
  PROBE(ip.ns().trace, skb);
  const net_protocol& p = ip.state().protos[protocol];
  if (!p.handler) [[unlikely]]
    return skb;
  p.handler(p.ctx, std::move(skb));
  ip.ns().trace.count(Mib::IpInDelivers);
  return {};
}

void ip_local_deliver_finish(Ip& ip, Skb&& skb) {
  PROBE(ip.ns().trace, skb);
  const uint8_t protocol = ip_hdr(skb)->protocol;
  skb_pull(skb, static_cast<uint32_t>(skb->transport_header - skb->network_header));
  if (Skb nobody = ip_protocol_deliver_rcu(ip, std::move(skb), protocol)) [[unlikely]] {
    ip.ns().trace.count(Mib::IpInUnknownProtos);
    ip.icmp_send(nobody, ICMP_DEST_UNREACH, ICMP_PROT_UNREACH, 0);
    kfree_skb_reason(std::move(nobody), DROP(IP_NOPROTO));
  }
}

void ip_local_deliver(Ip& ip, Skb&& skb) {
  PROBE(ip.ns().trace, skb);
  if (ip_hdr(skb)->is_fragment()) [[unlikely]] {
    skb = ip_defrag(ip, std::move(skb));
    if (!skb) return;  // keeps
  }
  ip_local_deliver_finish(ip, std::move(skb));
}

// Nowhere to go. Linux, as recorded, tells the sender nothing here.
void ip_error(Ip& ip, Skb&& skb, InputRoute route) {
  PROBE(ip.ns().trace, skb);
  if (route == InputRoute::host_unreachable) {
    ip.ns().trace.count(Mib::IpInAddrErrors);
    return kfree_skb_reason(std::move(skb), DROP(IP_INADDRERRORS));
  }
  ip.ns().trace.count(Mib::IpExtInNoRoutes);
  kfree_skb_reason(std::move(skb), DROP(IP_INNOROUTES));
}

void ip_rcv_finish(Ip& ip, Skb&& skb) {
  PROBE(ip.ns().trace, skb);
  const InputRoute route = ip_rcv_finish_core(ip, skb);
  if (!skb) [[unlikely]]
    return;
  if (route == InputRoute::local) [[likely]]
    return ip_local_deliver(ip, std::move(skb));
  if (route == InputRoute::forward) return ip_forward(ip, std::move(skb));
  if (route == InputRoute::host_unreachable || route == InputRoute::net_unreachable)
    return ip_error(ip, std::move(skb), route);
  ip_local_deliver(ip, std::move(skb));
}

}  // namespace

void ip_rcv(void* ctx, Skb skb) {
  Ip& ip = *static_cast<Ip*>(ctx);
  PROBE(ip.ns().trace, skb);
  if (ip_rcv_core(ip, skb)) [[likely]]
    ip_rcv_finish(ip, std::move(skb));
}

}  // namespace glass
