#include "ip/fib.h"

#include <algorithm>
#include <bit>

namespace glass {

IpAddress network_of(const IpAddress& a, unsigned length) {
  IpAddress masked = a;
  for (unsigned i = 0; i < 16; ++i) {
    const unsigned bits = length > 8 * i ? std::min(8u, length - 8 * i) : 0;
    masked.bytes[i] = static_cast<uint8_t>(masked.bytes[i] & (0xff00u >> bits));
  }
  return masked;
}

void Fib::add(const RouteEntry& r) {
  auto same = [&r](const RouteEntry& o) {
    return o.prefix == r.prefix && o.gateway == r.gateway && o.dev == r.dev && o.metric == r.metric;
  };
  if (std::any_of(routes_.begin(), routes_.end(), same)) return;
  routes_.push_back(r);
  index(static_cast<uint32_t>(routes_.size() - 1));
}

void Fib::index(uint32_t route) {
  const RouteEntry& r = routes_[route];
  const unsigned length = r.prefix.length128();
  if (!by_length_[length]) by_length_[length] = std::make_unique<Table>();
  lengths_[length / 64] |= uint64_t{1} << length % 64;
  std::vector<uint32_t>& same_prefix = (*by_length_[length])[network_of(r.prefix.address, length)];
  auto behind = std::upper_bound(same_prefix.begin(), same_prefix.end(), r.metric,
                                 [this](uint32_t metric, uint32_t other) { return metric < routes_[other].metric; });
  same_prefix.insert(behind, route);
}

bool Fib::change(const IpPrefix& prefix, const net_device& dev, const RouteMetrics& metrics) {
  RouteEntry* best = nullptr;
  for (RouteEntry& r : routes_)
    if (r.prefix == prefix && r.dev == &dev && (!best || r.metric < best->metric)) best = &r;
  if (best) best->metrics = metrics;
  return best;
}

void Fib::remove_device(const net_device& dev) {
  std::erase_if(routes_, [&dev](const RouteEntry& r) { return r.dev == &dev; });
  for (auto& table : by_length_) table.reset();
  lengths_ = {};
  for (uint32_t i = 0; i < routes_.size(); ++i) index(i);
}

const RouteEntry* Fib::lookup(const IpAddress& a) const {
  for (unsigned word = 3; word-- > 0;) {
    for (uint64_t left = lengths_[word]; left;) {
      const unsigned bit = 63 - static_cast<unsigned>(std::countl_zero(left));
      left &= ~(uint64_t{1} << bit);
      const unsigned length = word * 64 + bit;
      if (const RouteEntry* r = lookup_in(*by_length_[length], a, length)) return r;
    }
  }
  return nullptr;
}

const RouteEntry* Fib::lookup_in(const Table& table, const IpAddress& a, unsigned length) const {
  const auto found = table.find(network_of(a, length));
  if (found == table.end()) return nullptr;
  for (uint32_t i : found->second) {
    const RouteEntry& r = routes_[i];
    // ::/0 covers the mapped form of IPv4, but is no route for it.
    if (r.dev->up && r.prefix.address.is_v4() == a.is_v4()) return &r;
  }
  return nullptr;
}

}  // namespace glass
