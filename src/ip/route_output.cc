// The route of a packet this host sends (RFC 1122 section 3.3.1): found once per destination, kept in the dst cache.
#include <algorithm>

#include "ip/neighbour.h"
#include "ip/state.h"

namespace glass {

namespace {

bool is_zeronet(const IpAddress& a) { return a.is_v4() && a.v4_host() >> 24 == 0; }

// Source addresses a host may ask for: its own.
bool good_source(const Ip& ip, const IpAddress& saddr) { return saddr.is_unspecified() || ip.is_local(saddr); }

const IpAddress* preferred_source(const Ip::State& s, const RouteEntry& r, const IpAddress& nexthop) {
  if (!r.prefsrc.is_unspecified()) return &r.prefsrc;
  if (const IpAddress* own = s.addresses.select(*r.dev, nexthop)) return own;
  // An unnumbered device: any address of the family that means something beyond this host.
  for (const AddressTable::Row& row : s.addresses.rows())
    if (row.prefix.address.is_v4() == nexthop.is_v4() && !row.prefix.address.is_loopback()) return &row.prefix.address;
  return nullptr;
}

Result<dst_entry*> route_to_self(Ip& ip, const IpAddress& daddr, const IpAddress& saddr) {
  Ip::State& s = ip.state();
  if (!s.loopback) return Err(ENETUNREACH);
  dst_entry d;
  d.dev = s.loopback;
  d.daddr = d.nexthop = daddr;
  d.saddr = saddr.is_unspecified() ? daddr : saddr;
  d.mtu = s.loopback->mtu;
  d.genid = s.genid();
  d.is_local = true;
  return s.dsts.insert(d, saddr);
}

Result<dst_entry*> route_by_table(Ip& ip, const IpAddress& daddr, const IpAddress& saddr, AddressType type) {
  Ip::State& s = ip.state();
  const RouteEntry* r = s.fib.lookup(daddr);
  if (!r) return Err(ENETUNREACH);
  dst_entry d;
  d.dev = r->dev;
  d.daddr = daddr;
  d.is_broadcast = type == AddressType::broadcast;
  d.is_multicast = type == AddressType::multicast;
  d.nexthop = r->gateway.is_unspecified() || d.is_broadcast || d.is_multicast ? daddr : r->gateway;
  const IpAddress* own = preferred_source(s, *r, d.nexthop);
  d.saddr = !saddr.is_unspecified() ? saddr : own ? *own : IpAddress::v4(0);
  if (d.saddr.is_loopback() && !(d.dev->features & NETIF_F_LOOPBACK)) return Err(EINVAL);
  d.metrics = r->metrics;
  const uint32_t mtu = d.metrics.mtu ? std::min(d.metrics.mtu, d.dev->mtu) : d.dev->mtu;
  d.mtu = d.metrics.mtu_locked ? mtu : s.dsts.pmtu(daddr, mtu);
  d.genid = s.genid();
  if (d.dev->has_link_header && !d.is_broadcast && !d.is_multicast) {
    d.neigh = s.neighbours.lookup(*d.dev, d.nexthop);
    neigh_hold(d.neigh);
  }
  return s.dsts.insert(d, saddr);
}

}  // namespace

Result<dst_entry*> Ip::route_output(const IpAddress& daddr, const IpAddress& saddr) {
  PROBE(net_.trace);
  const IpAddress from = saddr.is_unspecified() ? IpAddress{} : saddr;
  if (dst_entry* known = state_->dsts.find(daddr, from)) return known;
  if (!good_source(*this, from)) return Err(EINVAL);
  // To nobody in particular means to this host.
  if (daddr.is_unspecified()) return route_output(from.is_unspecified() ? IpAddress::v4(127, 0, 0, 1) : from, from);
  if (daddr.is_v6()) return Err(ENETUNREACH);
  if (is_zeronet(daddr)) return Err(EINVAL);
  const AddressType type = address_type(daddr);
  if (type == AddressType::local) return route_to_self(*this, daddr, from);
  return route_by_table(*this, daddr, from, type);
}

}  // namespace glass
