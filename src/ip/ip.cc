#include "ip/ip.h"

#include "ip/arp.h"
#include "ip/icmp.h"
#include "ip/ip_header.h"
#include "ip/ip_input.h"
#include "ip/ip_options.h"
#include "ip/state.h"
#include "wire/ethernet.h"

namespace glass {

Ip::Ip(net& n, softnet_data& sd) : net_(n), sd_(sd), state_(std::make_unique<State>(*this)) {
  dev_add_pack(sd_, ETH_P_IP, {ip_rcv, this});
  dev_add_pack(sd_, ETH_P_ARP, {arp_rcv, this});
  inet_add_protocol(static_cast<uint8_t>(IpProto::ICMP), {icmp_rcv, nullptr, this});
}

Ip::~Ip() = default;

void Ip::set_loopback(net_device& dev) {
  state_->loopback = &dev;
  ++genid_;
  state_->dsts.flush();
}

void Ip::add_address(net_device& dev, const IpPrefix& p) {
  state_->addresses.add(dev, p);
  state_->fib.add({{network_of(p.address, p.length128()), p.length}, {}, &dev, p.address, 0});
  ++genid_;
  state_->dsts.flush();
}

void Ip::add_route(const RouteEntry& r) {
  state_->fib.add(r);
  ++genid_;
  state_->dsts.flush();
}

bool Ip::change_route(const IpPrefix& prefix, const net_device& dev, const RouteMetrics& metrics) {
  if (!state_->fib.change(prefix, dev, metrics)) return false;
  ++genid_;
  state_->dsts.flush();
  return true;
}

void Ip::remove_device(net_device& dev) {
  ++genid_;
  state_->dsts.flush();
  state_->dsts.forget_device(dev);
  state_->neighbours.remove_device(dev);
  state_->fragments.remove_device(dev);
  state_->addresses.remove_device(dev);
  state_->fib.remove_device(dev);
  if (state_->loopback == &dev) state_->loopback = nullptr;
}

bool Ip::is_local(const IpAddress& a) const {
  if (state_->addresses.is_local(a)) return true;
  // The whole of a prefix on the loopback device is this host: 127.0.0.0/8.
  const RouteEntry* r = a.is_loopback() ? state_->fib.lookup(a) : nullptr;
  return r && r->dev->features & NETIF_F_LOOPBACK;
}

AddressType Ip::address_type(const IpAddress& a) const {
  if (state_->addresses.is_local(a)) return AddressType::local;
  if (a.is_multicast()) return AddressType::multicast;
  if (a.is_limited_broadcast() || state_->addresses.is_broadcast(a)) return AddressType::broadcast;
  if (is_local(a)) return AddressType::local;
  if (a.is_unspecified() || a.is_loopback() || (a.is_v4() && a.v4_host() >> 28 == 0xf)) return AddressType::other;
  return AddressType::unicast;
}

const std::vector<RouteEntry>& Ip::routes() const { return state_->fib.routes(); }

std::vector<std::pair<net_device*, IpPrefix>> Ip::addresses() const {
  std::vector<std::pair<net_device*, IpPrefix>> out;
  for (const AddressTable::Row& r : state_->addresses.rows()) out.emplace_back(r.dev, r.prefix);
  return out;
}

void Ip::add_neighbour(net_device& dev, const IpAddress& a, const MacAddress& mac) {
  neigh_update(*state_->neighbours.lookup(dev, a), mac, NUD_PERMANENT, true);
}

namespace {
std::string nud_name(uint8_t state) {
  switch (state) {
    case NUD_INCOMPLETE: return "INCOMPLETE";
    case NUD_REACHABLE: return "REACHABLE";
    case NUD_STALE: return "STALE";
    case NUD_DELAY: return "DELAY";
    case NUD_PROBE: return "PROBE";
    case NUD_FAILED: return "FAILED";
    case NUD_PERMANENT: return "PERMANENT";
    default: return "NONE";
  }
}
}  // namespace

std::vector<Ip::NeighbourRow> Ip::neighbours() const {
  std::vector<NeighbourRow> out;
  for (const neighbour* n : state_->neighbours.rows()) {
    const bool known = n->nud_state & NUD_VALID;
    out.push_back({n->primary_key, known ? n->ha : MacAddress{}, nud_name(n->nud_state), n->dev->name});
  }
  return out;
}

void Ip::dst_release(dst_entry* d) { state_->dsts.release(d); }

void Ip::dst_confirm(dst_entry* d) {
  if (d->neigh) d->neigh->confirmed = d->neigh->ip->ns().now;
}

void Ip::update_pmtu(const IpAddress& daddr, uint32_t mtu) { state_->dsts.update_pmtu(daddr, mtu); }

void Ip::inet_add_protocol(uint8_t protocol, net_protocol p) { state_->protos[protocol] = p; }

size_t Ip::ip_options_echo(const Skb& skb, std::span<uint8_t, 40> out) {
  const iphdr* iph = ip_hdr(skb);
  if (iph->ihl_words() <= 5) return 0;
  const IpOptionBytes bytes = glass::ip_options_echo(*this, iph, IpAddress::v4_from_wire(iph->daddr));
  std::copy(bytes.bytes.begin(), bytes.bytes.begin() + bytes.size, out.begin());
  return bytes.size;
}

}  // namespace glass
