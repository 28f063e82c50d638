// Where a received packet belongs, from its addresses alone (RFC 1122 section 3.2.1.3, RFC 1812 section 5.2): accepted,
// to be forwarded, or refused for one of the reasons Linux's ip_route_input distinguishes.
//
//   InputRoute r = route_input_v4(ip, iph, *skb->dev);   if (r == InputRoute::local) deliver(...)
//
// The verdicts that accept unicast packets are remembered in a small direct-mapped cache, so a packet of a running
// connection costs one comparison.
#pragma once
#include <array>

#include "ip/ip.h"
#include "wire/ipv4.h"

namespace glass {

enum class InputRoute : uint8_t {
  local,
  broadcast,
  multicast,
  forward,
  host_unreachable,  // not ours, and forwarding is off
  net_unreachable,   // not ours, and no route leads there
  // refused:
  invalid_source,
  invalid_dest,
  localnet,
  local_source,
  rpfilter,
  multicast_unjoined,
};

InputRoute route_input(Ip&, const IpAddress& daddr, const IpAddress& saddr, net_device&);

struct InputCacheEntry {
  uint64_t addresses = 0;  // source and destination as they stand in the packet
  const net_device* dev = nullptr;
  uint32_t genid = 0;
  uint32_t rp_filter = 0;
};
using InputCache = std::array<InputCacheEntry, 64>;

// As route_input(), by way of the cache.
InputRoute route_input_v4(Ip&, const iphdr&, net_device&);

}  // namespace glass
