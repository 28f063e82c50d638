#include "wire/ethernet.h"

#include "dev/netdevice.h"

namespace glass {

void eth_header(const Skb& skb, const net_device& dev, const MacAddress& destination, uint16_t protocol) {
  if (!dev.has_link_header) return;
  auto* eth = reinterpret_cast<ethhdr*>(skb_push(skb, ETH_HLEN));
  eth->set_dest(destination);
  eth->set_source(dev.dev_addr);
  eth->h_proto = htons(protocol);
}

uint16_t eth_type_trans(const Skb& skb, const net_device& dev) {
  PROBE(dev.ns.trace, skb);
  skb_reset_mac_header(skb);
  const auto* eth = reinterpret_cast<const ethhdr*>(skb->data);
  skb_pull(skb, ETH_HLEN);
  const MacAddress to = eth->dest();
  if (to == dev.dev_addr) [[likely]]
    skb->pkt_type = PacketType::host;
  else if (to.is_broadcast())
    skb->pkt_type = PacketType::broadcast;
  else if (to.is_multicast())
    skb->pkt_type = PacketType::multicast;
  else
    skb->pkt_type = PacketType::otherhost;
  return ntohs(eth->h_proto);
}

}  // namespace glass
