// The Internet layer as its neighbours see it: addresses, routes, output for the transports, input to them, ICMP.
//
// This is the only header of this room that udp, tcp, socket and stack include. One Ip object serves one stack; it
// keeps a reference to the stack's net and softnet_data. Addresses are family-neutral; IPv6 joins behind the same
// calls.
//
//   Ip ip(net, softnet);   ip.add_address(dev, *parse_prefix("10.0.0.2/24")); ip.add_route({*parse_prefix("0.0.0.0/0"),
//   gateway, &dev}); Result<dst_entry*> dst = ip.route_output(daddr, saddr); ip.inet_add_protocol(IpProto::TCP,
//   {tcp_v4_rcv_entry, tcp_v4_err_entry, &tcp});
#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "dev/netdevice.h"
#include "net/sock.h"

namespace glass {

struct neighbour;

// What a route says of the path beyond it; 0: nothing.
struct RouteMetrics {
  uint32_t mtu = 0, advmss = 0, initcwnd = 0;
  bool mtu_locked = false;  // ICMP may not lower it, and packets may be fragmented
  bool operator==(const RouteMetrics&) const = default;
};

// Where packets to one destination go; found by route_output(), shared and reference-counted, cached in sockets
// (sk_dst_cache). Stale once the routes, addresses or the path MTU changed: check dst_check() before use.
struct dst_entry {
  net_device* dev = nullptr;
  IpAddress daddr, nexthop;  // destination; next hop (equal when on the link)
  IpAddress saddr;           // preferred source
  uint32_t mtu = 1500;       // path MTU (link MTU, or less after ICMP fragmentation needed)
  uint32_t genid = 0;
  uint32_t refs = 0;
  RouteMetrics metrics{};
  neighbour* neigh = nullptr;  // next hop's link address; null on devices without link header
  bool is_local = false, is_broadcast = false, is_multicast = false;
};

enum class AddressType { unicast, local, broadcast, multicast, other };  // other: zero, class E, loopback off the host

struct RouteEntry {
  IpPrefix prefix;
  IpAddress gateway;  // unspecified: on the link
  net_device* dev = nullptr;
  IpAddress prefsrc;  // unspecified: the device's address that fits
  uint32_t metric = 0;
  RouteMetrics metrics{};
};

// Per-packet notes of this layer for those above (in cb until the transport takes it over).
struct IpCb {
  int32_t iif;      // index of the receiving device
  uint8_t opt_len;  // IPv4 options in bytes
  uint8_t flags;    // RTCF_*
};
inline constexpr uint8_t RTCF_BROADCAST = 1, RTCF_MULTICAST = 2;  // what the destination address is

// A transport. handler: data at the transport header, network header set, IP header verified, addresses in it.
// err_handler: an ICMP error about a packet this host sent; data at the quoted IP header (verified to hold 8 bytes
// behind it).
struct net_protocol {
  void (*handler)(void* ctx, Skb) = nullptr;
  void (*err_handler)(void* ctx, const Skb&, uint8_t type, uint8_t code, uint32_t info) = nullptr;
  void* ctx = nullptr;
};

// Header fields a sender may choose.
struct IpTx {
  uint8_t tos = 0, ttl = 0;  // ttl 0: ip_default_ttl
  bool dont_fragment = true;
  uint8_t protocol = 0;
  // Host order. 0 stays 0 with dont_fragment, and is chosen here without it. Segments of a large packet count up from
  // it.
  uint16_t id = 0;
  std::span<const uint8_t> options{};  // IPv4 options, a multiple of 4 bytes
};

// What an ICMP destination unreachable code means to an application, and whether it ends a connection at once.
struct IcmpErr {
  int error;  // errno value
  bool fatal;
};
IcmpErr icmp_err_convert(uint8_t code);

class Ip {
 public:
  Ip(net&, softnet_data&);
  ~Ip();
  Ip(const Ip&) = delete;
  Ip& operator=(const Ip&) = delete;

  // --- configuration
  void set_loopback(net_device&);                  // packets to local addresses go out and come in through it
  void add_address(net_device&, const IpPrefix&);  // adds the on-link route as well
  void add_route(const RouteEntry&);
  // Gives the route to `prefix` by `dev` (the one there is with the lowest metric) other metrics. False: there is none.
  bool change_route(const IpPrefix& prefix, const net_device& dev, const RouteMetrics&);
  void remove_device(net_device&);  // its addresses, routes and neighbours
  bool is_local(const IpAddress&) const;
  AddressType address_type(const IpAddress&) const;
  const std::vector<RouteEntry>& routes() const;
  std::vector<std::pair<net_device*, IpPrefix>> addresses() const;
  // Fixes a neighbour's link address without ARP (for tests and benchmarks).
  void add_neighbour(net_device&, const IpAddress&, const MacAddress&);
  struct NeighbourRow {
    IpAddress address;
    MacAddress mac;
    std::string state;
    std::string device;
  };
  std::vector<NeighbourRow> neighbours() const;

  // --- output
  // Longest prefix, then metric. saddr may be unspecified. ENETUNREACH / EHOSTUNREACH / EINVAL. The result is valid
  // until the next change unless dst_hold() is called.
  Result<dst_entry*> route_output(const IpAddress& daddr, const IpAddress& saddr = {});
  bool dst_check(const dst_entry* d) const { return d->genid == genid_; }
  static void dst_hold(dst_entry* d) { ++d->refs; }
  void dst_release(dst_entry*);
  // The peer is alive (an acknowledgment of new data came): its link address need not be probed.
  static void dst_confirm(dst_entry*);
  // Believes an ICMP "fragmentation needed" about packets to `daddr` for ten minutes; dst entries to it become stale.
  // Call it after checking that the quoted packet was really sent.
  void update_pmtu(const IpAddress& daddr, uint32_t mtu);
  // Puts the IP header on a transport packet and sends it. saddr/daddr are the packet's addresses. A partial transport
  // checksum stays partial. Too big and dont_fragment: dropped PKT_TOO_BIG, EMSGSIZE. Too big otherwise: fragmented.
  Result<void> ip_queue_xmit(Skb, dst_entry*, const IpAddress& saddr, const IpAddress& daddr, const IpTx&);
  // The same for packets that belong to no connection, under the name Linux has for that way (UDP, ICMP).
  Result<void> ip_send_skb(Skb, dst_entry*, const IpAddress& saddr, const IpAddress& daddr, const IpTx&);
  // The next IP identification for packets between two hosts.
  uint16_t ip_select_ident(const IpAddress& saddr, const IpAddress& daddr, uint8_t protocol, uint16_t segs = 1);

  // --- input
  void inet_add_protocol(uint8_t protocol, net_protocol);

  // The IPv4 options an answer to this packet carries (record route, timestamp), into `out`; bytes written, a multiple
  // of 4. Network header set.
  size_t ip_options_echo(const Skb&, std::span<uint8_t, 40> out);

  // --- ICMP
  // Sends an error about `skb` (network header set), if RFC 1122 3.2.2 and the rate limits allow. `info`: the header's
  // second word in network order, e.g. htonl(mtu). The packet itself is not ended.
  void icmp_send(const Skb& skb, uint8_t type, uint8_t code, uint32_t info);
  // Echo replies to identifiers registered here go to the callback instead of being dropped (glass ping).
  using EchoReply =
      std::function<void(const IpAddress& from, uint16_t sequence, uint8_t ttl, std::span<const uint8_t> data)>;
  void ping_register(uint16_t identifier, EchoReply);
  void ping_unregister(uint16_t identifier);
  Result<void> ping_send(const IpAddress& to, uint16_t identifier, uint16_t sequence, std::span<const uint8_t> data);

  net& ns() { return net_; }
  softnet_data& softnet() { return sd_; }
  struct State;  // the room's insides
  State& state() { return *state_; }

 private:
  friend struct State;
  net& net_;
  softnet_data& sd_;
  uint32_t genid_ = 1;
  std::unique_ptr<State> state_;
};

}  // namespace glass
