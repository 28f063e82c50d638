#include "ip/address.h"

#include <algorithm>

namespace glass {

void AddressTable::note(const IpPrefix& p) {
  kinds_[p.address].local = true;
  // RFC 3021: a /31 has no broadcast. The lowest address of a subnet is an ordinary one, as in Linux since 5.14.
  if (!p.address.is_v4() || p.length > 30) return;
  kinds_[IpAddress::v4(p.address.v4_host() | 0xffffffffu >> p.length)].broadcast = true;
}

void AddressTable::add(net_device& dev, const IpPrefix& p) {
  auto same = [&](const Row& r) { return r.dev == &dev && r.prefix == p; };
  if (std::any_of(rows_.begin(), rows_.end(), same)) return;
  rows_.push_back({&dev, p});
  by_device_[&dev].push_back(p);
  note(p);
}

void AddressTable::remove_device(const net_device& dev) {
  std::erase_if(rows_, [&dev](const Row& r) { return r.dev == &dev; });
  by_device_.erase(&dev);
  kinds_.clear();
  for (const Row& r : rows_) note(r.prefix);
}

const IpAddress* AddressTable::select(const net_device& dev, const IpAddress& target) const {
  const auto found = by_device_.find(&dev);
  if (found == by_device_.end()) return nullptr;
  const IpAddress* first = nullptr;
  for (const IpPrefix& p : found->second) {
    if (p.address.is_v4() != target.is_v4()) continue;
    if (p.contains(target)) return &p.address;
    if (!first) first = &p.address;
  }
  return first;
}

}  // namespace glass
