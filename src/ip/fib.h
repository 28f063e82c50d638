// The routing table: longest prefix first, then the lowest metric (RFC 1122 section 3.3.1, RFC 1812 section 5.2.4.3).
//
// One hash table for each prefix length in use and a bitmap of those lengths, so a lookup costs one probe per length,
// however many routes there are. Lengths count over 128 bits, IPv4 in its mapped form, so both families share the
// tables and never meet.
//
//   Fib fib;   fib.add({*parse_prefix("0.0.0.0/0"), gateway, &dev});   const RouteEntry* r = fib.lookup(address);
#pragma once
#include <array>
#include <memory>
#include <unordered_map>
#include <vector>

#include "ip/hash.h"
#include "ip/ip.h"

namespace glass {

class Fib {
 public:
  void add(const RouteEntry&);                                           // nothing happens if an equal one is there
  bool change(const IpPrefix&, const net_device&, const RouteMetrics&);  // false: no such route
  void remove_device(const net_device&);
  const RouteEntry* lookup(const IpAddress&) const;  // null: no route. Devices that are down do not count
  const std::vector<RouteEntry>& routes() const { return routes_; }

 private:
  // Routes to one prefix by rising metric, as indexes into routes_.
  using Table = std::unordered_map<IpAddress, std::vector<uint32_t>, IpAddressHash>;
  void index(uint32_t route);
  const RouteEntry* lookup_in(const Table&, const IpAddress&, unsigned length) const;

  std::vector<RouteEntry> routes_;
  std::array<std::unique_ptr<Table>, 129> by_length_;
  std::array<uint64_t, 3> lengths_{};  // bit n: by_length_[n] is there
};

// The first `length` bits of an address; 0 <= length <= 128.
IpAddress network_of(const IpAddress&, unsigned length);

}  // namespace glass
