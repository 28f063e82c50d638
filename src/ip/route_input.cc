#include "ip/route_input.h"

#include "ip/state.h"

namespace glass {

namespace {

bool is_zeronet(const IpAddress& a) { return a.is_v4() ? a.v4_host() >> 24 == 0 : a.is_unspecified(); }

// Reverse path check (RFC 3704): 0 none, 1 strict, 2 loose. Without it only this host's own addresses are refused.
InputRoute fib_validate_source(Ip& ip, const IpAddress& saddr, const net_device& dev, InputRoute accepted) {
  Ip::State& s = ip.state();
  const int64_t mode = ip.ns().sysctl.rp_filter;
  if (s.addresses.is_local(saddr)) return InputRoute::local_source;
  if (mode == 0) return accepted;
  const AddressType type = ip.address_type(saddr);
  if (type == AddressType::local) return InputRoute::local_source;
  if (type == AddressType::broadcast) return InputRoute::invalid_source;
  const RouteEntry* back = s.fib.lookup(saddr);
  if (!back || (mode == 1 && back->dev != &dev)) return InputRoute::rpfilter;
  return accepted;
}

InputRoute route_multicast(Ip& ip, const IpAddress& daddr, const IpAddress& saddr, const net_device& dev) {
  // Only "all hosts on this network" is joined, which every host is in (RFC 1112 section 4).
  if (daddr != IpAddress::v4(224, 0, 0, 1)) return InputRoute::multicast_unjoined;
  if (saddr.is_multicast() || saddr.is_limited_broadcast()) return InputRoute::invalid_source;
  if (saddr.is_loopback()) return InputRoute::localnet;
  if (is_zeronet(saddr)) return InputRoute::multicast;
  return fib_validate_source(ip, saddr, dev, InputRoute::multicast);
}

InputRoute route_broadcast(Ip& ip, const IpAddress& saddr, const net_device& dev) {
  return is_zeronet(saddr) ? InputRoute::broadcast : fib_validate_source(ip, saddr, dev, InputRoute::broadcast);
}

InputRoute route_unicast(Ip& ip, const IpAddress& daddr, const IpAddress& saddr, const net_device& dev) {
  const AddressType type = ip.address_type(daddr);
  if (type == AddressType::broadcast) return route_broadcast(ip, saddr, dev);
  if (type == AddressType::local) return fib_validate_source(ip, saddr, dev, InputRoute::local);
  if (!ip.ns().sysctl.ip_forward) return InputRoute::host_unreachable;
  if (!ip.state().fib.lookup(daddr)) return InputRoute::net_unreachable;
  return fib_validate_source(ip, saddr, dev, InputRoute::forward);
}

// What comes back through the loopback device was routed on its way out.
InputRoute route_loopback(Ip& ip, const IpAddress& daddr) {
  switch (ip.address_type(daddr)) {
    case AddressType::broadcast: return InputRoute::broadcast;
    case AddressType::multicast: return InputRoute::multicast;
    default: return InputRoute::local;
  }
}

}  // namespace

InputRoute route_input(Ip& ip, const IpAddress& daddr, const IpAddress& saddr, net_device& dev) {
  PROBE(ip.ns().trace);
  if (dev.features & NETIF_F_LOOPBACK) return route_loopback(ip, daddr);
  if (daddr.is_multicast()) return route_multicast(ip, daddr, saddr, dev);
  if (saddr.is_multicast() || saddr.is_limited_broadcast()) return InputRoute::invalid_source;
  if (daddr.is_limited_broadcast() || (daddr.is_unspecified() && saddr.is_unspecified()))
    return route_broadcast(ip, saddr, dev);
  if (is_zeronet(saddr)) return InputRoute::invalid_source;
  if (is_zeronet(daddr)) return InputRoute::invalid_dest;
  if (daddr.is_loopback() || saddr.is_loopback()) return InputRoute::localnet;
  return route_unicast(ip, daddr, saddr, dev);
}

InputRoute route_input_v4(Ip& ip, const iphdr& iph, net_device& dev) {
  Ip::State& s = ip.state();
  uint64_t addresses;
  std::memcpy(&addresses, &iph.saddr, sizeof addresses);
  const auto rp_filter = static_cast<uint32_t>(ip.ns().sysctl.rp_filter);
  InputCacheEntry& e = s.input_cache[addresses * 0x9e3779b97f4a7c15ull >> 58];
  if (e.addresses == addresses && e.dev == &dev && e.genid == s.genid() && e.rp_filter == rp_filter) [[likely]]
    return InputRoute::local;
  const InputRoute r = route_input(ip, IpAddress::v4_from_wire(iph.daddr), IpAddress::v4_from_wire(iph.saddr), dev);
  if (r == InputRoute::local) e = {addresses, &dev, s.genid(), rp_filter};
  return r;
}

}  // namespace glass
