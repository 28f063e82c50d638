// The way up, from a driver to a protocol's handler. Functions that begin with two underscores carry Linux's names for
// the same steps.
#include <algorithm>

#include "dev/netdevice.h"
#include "wire/ethernet.h"

namespace glass {

namespace {

// The packet may come straight from another stack: from here on it is this one's.
void take_over(net_device& dev, const Skb& skb) {
  skb->trace = &dev.ns.trace;
  skb->dev = &dev;
  skb->tstamp = dev.ns.now;
  if (skb->destructor) [[unlikely]] {
    skb->destructor(skb.get());
    skb->destructor = nullptr;
  }
  skb->sk = nullptr;
}

uint16_t protocol_of_ip_version(uint8_t first_byte) {
  if (first_byte >> 4 == 4) return ETH_P_IP;
  return first_byte >> 4 == 6 ? ETH_P_IPV6 : 0;
}

// Reads and removes the link header. False: the packet was dropped.
bool link_receive(net_device& dev, Skb& skb) {
  if (!dev.up) [[unlikely]] {
    ++dev.stats.rx_dropped;
    kfree_skb_reason(std::move(skb), DROP(DEV_READY));
    return false;
  }
  if (!pskb_may_pull(skb, dev.has_link_header ? ETH_HLEN : 1)) [[unlikely]] {
    ++dev.stats.rx_dropped;
    kfree_skb_reason(std::move(skb), DROP(HDR_TRUNC));
    return false;
  }
  ++dev.stats.rx_packets;
  dev.stats.rx_bytes += skb->len;
  if (dev.has_link_header) {
    skb->protocol = eth_type_trans(skb, dev);
  } else {
    skb_reset_mac_header(skb);
    skb->pkt_type = PacketType::host;
    skb->protocol = protocol_of_ip_version(*skb->data);
  }
  skb_reset_network_header(skb);
  return true;
}

void __napi_schedule(softnet_data& sd, napi_struct& n) {
  if (n.scheduled) return;
  n.scheduled = true;
  sd.poll_list.push_back(&n);
}

// --- backlog

void enqueue_to_backlog(net_device& dev, Skb skb) {
  PROBE(dev.ns.trace, skb);
  softnet_data& sd = dev.sd;
  if (sd.input_pkt_queue.qlen() >= dev.ns.sysctl.netdev_max_backlog) [[unlikely]] {
    ++sd.dropped;
    ++dev.stats.rx_dropped;
    return kfree_skb_reason(std::move(skb), DROP(CPU_BACKLOG));
  }
  dev.ns.trace.queued(skb->id, skb->len);
  sd.input_pkt_queue.push_back(std::move(skb));
  sd.backlog_scheduled = true;
}

void netif_rx_internal(net_device& dev, Skb skb) {
  PROBE(dev.ns.trace, skb);
  enqueue_to_backlog(dev, std::move(skb));
}

void __netif_rx(net_device& dev, Skb skb) {
  PROBE(dev.ns.trace, skb);
  netif_rx_internal(dev, std::move(skb));
}

// --- ingress impairment

void ingress_timer(timer_list* t) {
  net_device& dev = *static_cast<device_timer*>(t)->dev;
  __napi_schedule(dev.sd, dev.ingress_napi);
}

void ingress_schedule(net_device& dev) {
  const Instant next = dev.ingress->next_dequeue();
  if (next <= dev.ns.now) return __napi_schedule(dev.sd, dev.ingress_napi);
  if (next == kNever || (dev.ingress_watchdog.pending() && dev.ingress_watchdog.expires == next)) return;
  dev.ingress_watchdog.function = ingress_timer;
  dev.ns.timers.mod_timer(&dev.ingress_watchdog, next);
}

void ingress_enqueue(net_device& dev, Skb skb) {
  skb_set_network_header(skb, dev.has_link_header ? ETH_HLEN : 0);
  dev.ingress->enqueue(std::move(skb), dev.ns.now);
  ingress_schedule(dev);
}

int ingress_poll(net_device& dev, int budget) {
  if (!dev.ingress) return 0;
  int work = 0;
  for (; work < budget; ++work) {
    Skb skb = dev.ingress->dequeue(dev.ns.now);
    if (!skb) break;
    if (link_receive(dev, skb)) netif_receive_skb(std::move(skb));
  }
  if (work < budget) ingress_schedule(dev);
  return work;
}

// --- up to the protocol

void deliver_to_taps(softnet_data& sd, const Skb& skb) {
  const uint32_t link_header = static_cast<uint32_t>(skb->data - skb->mac());
  skb_push(skb, link_header);
  for (const PacketTap& tap : sd.taps) tap(*skb->dev, *skb, false);
  skb_pull(skb, link_header);
}

// The protocols every packet is of are kept apart: no hash lookup for them.
const packet_type* handler_of(const softnet_data& sd, uint16_t protocol) {
  if (protocol == ETH_P_IP) [[likely]]
    return &sd.ip_packet_type;
  if (protocol == ETH_P_ARP) return &sd.arp_packet_type;
  if (protocol == ETH_P_IPV6) return &sd.ipv6_packet_type;
  const auto found = sd.ptype_base.find(protocol);
  return found == sd.ptype_base.end() ? nullptr : &found->second;
}

void __netif_receive_skb_one_core(softnet_data& sd, Skb skb) {
  PROBE(sd.ns.trace, skb);
  ++sd.processed;
  if (!sd.taps.empty()) [[unlikely]]
    deliver_to_taps(sd, skb);
  const packet_type* handler = handler_of(sd, skb->protocol);
  if (!handler || !handler->func) [[unlikely]] {
    ++skb->dev->stats.rx_dropped;
    return kfree_skb_reason(std::move(skb), DROP(UNHANDLED_PROTO));
  }
  handler->func(handler->ctx, std::move(skb));
}

void __netif_receive_skb(softnet_data& sd, Skb skb) {
  PROBE(sd.ns.trace, skb);
  __netif_receive_skb_one_core(sd, std::move(skb));
}

// --- polling

int process_backlog(softnet_data& sd, int quota) {
  PROBE(sd.ns.trace);
  int work = 0;
  while (work < quota) {
    Skb skb = sd.input_pkt_queue.pop_front();
    if (!skb) break;
    ++work;
    __netif_receive_skb(sd, std::move(skb));
  }
  sd.backlog_scheduled = !sd.input_pkt_queue.empty();
  return work;
}

// Polls one item; null is the backlog. An item that used up its weight comes to the end of the list again, and so does
// one that was scheduled anew while it was being polled.
int __napi_poll(softnet_data& sd, napi_struct* n) {
  PROBE(sd.ns.trace);
  const int weight = static_cast<int>(sd.ns.sysctl.dev_weight);
  if (!n) return process_backlog(sd, weight);
  n->scheduled = false;
  const int work = n->ingress_of ? ingress_poll(*n->ingress_of, weight) : n->driver->poll(weight);
  if (work >= weight) __napi_schedule(sd, *n);
  return work;
}

bool rx_pending(const softnet_data& sd) { return sd.backlog_scheduled || !sd.poll_list.empty(); }

// One round over the devices that are on the list now. A poll without result costs as much budget as a packet, so that
// a driver which schedules itself for nothing cannot hold the stack.
int poll_devices(softnet_data& sd, int budget) {
  const size_t count = sd.poll_list.size();
  size_t polled = 0;
  int work = 0;
  while (polled < count && work < budget) {
    napi_struct* n = sd.poll_list[polled++];
    if (n) work += std::max(__napi_poll(sd, n), 1);
  }
  sd.poll_list.erase(sd.poll_list.begin(), sd.poll_list.begin() + static_cast<ptrdiff_t>(polled));
  return work;
}

}  // namespace

void netif_rx(Skb skb) {
  net_device& dev = *skb->dev;
  take_over(dev, skb);
  if (dev.ingress) [[unlikely]]
    return ingress_enqueue(dev, std::move(skb));
  if (link_receive(dev, skb)) __netif_rx(dev, std::move(skb));
}

void napi_schedule(net_device& dev) {
  dev.napi.driver = dev.driver;
  __napi_schedule(dev.sd, dev.napi);
}

void napi_gro_receive(net_device& dev, Skb skb) {
  take_over(dev, skb);
  if (dev.ingress) [[unlikely]]
    return ingress_enqueue(dev, std::move(skb));
  if (!link_receive(dev, skb)) return;
  PROBE(dev.ns.trace, skb);
  netif_receive_skb(std::move(skb));
}

void netif_receive_skb(Skb skb) {
  softnet_data& sd = skb->dev->sd;
  PROBE(sd.ns.trace, skb);
  __netif_receive_skb(sd, std::move(skb));
}

bool net_rx_action(softnet_data& sd) {
  const ContextScope context(sd.ns.trace, Context::softirq_rx);
  PROBE(sd.ns.trace);
  int budget = static_cast<int>(sd.ns.sysctl.netdev_budget);
  while (rx_pending(sd)) {
    if (budget <= 0) [[unlikely]] {
      ++sd.time_squeeze;
      return true;
    }
    if (sd.backlog_scheduled) budget -= std::max(__napi_poll(sd, nullptr), 1);
    if (!sd.poll_list.empty()) budget -= poll_devices(sd, budget);
  }
  return false;
}

void dev_add_pack(softnet_data& sd, uint16_t protocol, packet_type handler) {
  switch (protocol) {
    case ETH_P_IP: sd.ip_packet_type = handler; break;
    case ETH_P_ARP: sd.arp_packet_type = handler; break;
    case ETH_P_IPV6: sd.ipv6_packet_type = handler; break;
    default: sd.ptype_base[protocol] = handler;
  }
}

}  // namespace glass
