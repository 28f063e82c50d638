// The addresses of this host, and what follows from them: which destinations are local, which are broadcasts.
//
//   AddressTable table;   table.add(dev, *parse_prefix("10.0.0.2/24"));
//   table.is_local(*parse_ip("10.0.0.2"));   table.is_broadcast(*parse_ip("10.0.0.255"));
#pragma once
#include <unordered_map>
#include <vector>

#include "ip/hash.h"
#include "ip/ip.h"

namespace glass {

class AddressTable {
 public:
  struct Row {
    net_device* dev;
    IpPrefix prefix;
  };
  void add(net_device&, const IpPrefix&);
  void remove_device(const net_device&);
  bool is_local(const IpAddress& a) const { return find(a).local; }
  bool is_broadcast(const IpAddress& a) const { return find(a).broadcast; }  // of a subnet
  // The device's address to use towards `target`: on its subnet if there is one, else the first. Null: the device has
  // none of that family.
  const IpAddress* select(const net_device&, const IpAddress& target) const;
  const std::vector<Row>& rows() const { return rows_; }

 private:
  struct Kind {
    bool local = false, broadcast = false;
  };
  Kind find(const IpAddress& a) const {
    const auto found = kinds_.find(a);
    return found == kinds_.end() ? Kind{} : found->second;
  }
  void note(const IpPrefix&);

  std::vector<Row> rows_;
  std::unordered_map<IpAddress, Kind, IpAddressHash> kinds_;
  std::unordered_map<const net_device*, std::vector<IpPrefix>> by_device_;
};

}  // namespace glass
