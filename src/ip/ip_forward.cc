#include "ip/ip_header.h"
#include "ip/ip_input.h"
#include "ip/ip_output.h"
#include "ip/state.h"
#include "wire/icmp.h"

namespace glass {

// RFC 1812 section 5.2.1, what a host with net.ipv4.ip_forward set needs of it.
void ip_forward(Ip& ip, Skb&& skb) {
  Trace& trace = ip.ns().trace;
  PROBE(trace, skb);
  if (skb->pkt_type != PacketType::host) return kfree_skb_reason(std::move(skb), DROP(NOT_FOR_HOST_MAC));
  if (ip_hdr(skb)->ttl <= 1) {
    trace.count(Mib::IpInHdrErrors);
    ip.icmp_send(skb, ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, 0);
    return kfree_skb_reason(std::move(skb), DROP(IP_INHDR));
  }
  const Result<dst_entry*> dst = ip.route_output(IpAddress::v4_from_wire(ip_hdr(skb)->daddr));
  if (!dst) {
    trace.count(Mib::IpExtInNoRoutes);
    return kfree_skb_reason(std::move(skb), DROP(IP_INNOROUTES));
  }
  if (ip_hdr(skb)->dont_fragment() && !skb->is_gso() && skb->len > (*dst)->mtu) {
    trace.count(Mib::IpFragFails);
    ip.icmp_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, htonl((*dst)->mtu));
    return kfree_skb_reason(std::move(skb), DROP(PKT_TOO_BIG));
  }
  skb_cow_head(skb, kMaxHeader);
  iphdr* iph = ip_hdr(skb);
  --iph->ttl;
  ip_send_check(iph);
  trace.count(Mib::IpForwDatagrams);
  ip_output(ip, std::move(skb), *dst);
}

}  // namespace glass
