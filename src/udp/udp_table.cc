#include "udp/udp_table.h"

#include <algorithm>

namespace glass {

namespace {
bool connected(const udp_sock* sk) { return sk->skc_state == TCP_ESTABLISHED; }
uint32_t ports(uint16_t local, uint16_t remote) { return uint32_t{local} << 16 | remote; }
}  // namespace

UdpTable::Key UdpTable::bound_key(const udp_sock* sk) { return {plain(sk->skc_rcv_saddr), {}, ports(sk->skc_num, 0)}; }
UdpTable::Key UdpTable::connected_key(const udp_sock* sk) {
  return {plain(sk->skc_rcv_saddr), plain(sk->skc_daddr), ports(sk->skc_num, sk->skc_dport)};
}

// A connected socket stands under its four addresses only: nobody else's datagram may reach it.
void UdpTable::insert(udp_sock* sk) {
  by_addresses_[connected(sk) ? connected_key(sk) : bound_key(sk)].push_back(sk);
  by_port_[sk->skc_num].push_back(sk);
}

template <class Map, class K>
void UdpTable::erase(Map& map, const K& key, udp_sock* sk) {
  const auto found = map.find(key);
  if (found == map.end()) return;
  std::erase(found->second, sk);
  if (found->second.empty()) map.erase(found);
}

void UdpTable::remove(udp_sock* sk) {
  erase(by_addresses_, connected(sk) ? connected_key(sk) : bound_key(sk), sk);
  erase(by_port_, sk->skc_num, sk);
}

udp_sock* UdpTable::find(const Key& key) const {
  const auto found = by_addresses_.find(key);
  return found == by_addresses_.end() ? nullptr : found->second.back();
}

udp_sock* UdpTable::lookup(const SocketAddress& local, const SocketAddress& remote) const {
  if (udp_sock* sk = find({local.address, remote.address, ports(local.port, remote.port)})) return sk;
  if (udp_sock* sk = find({local.address, {}, ports(local.port, 0)})) return sk;
  return find({{}, {}, ports(local.port, 0)});
}

std::vector<udp_sock*> UdpTable::matches(const SocketAddress& local, const SocketAddress& remote) const {
  std::vector<udp_sock*> out;
  const auto found = by_port_.find(local.port);
  if (found == by_port_.end()) return out;
  for (udp_sock* sk : found->second) {
    if (!sk->skc_rcv_saddr.is_unspecified() && sk->skc_rcv_saddr != local.address) continue;
    if (connected(sk) && (sk->skc_daddr != remote.address || sk->skc_dport != remote.port)) continue;
    out.push_back(sk);
  }
  return out;
}

bool UdpTable::conflict(const udp_sock* sk, const IpAddress& address, uint16_t port) const {
  const auto found = by_port_.find(port);
  if (found == by_port_.end()) return false;
  return std::any_of(found->second.begin(), found->second.end(), [&](const udp_sock* other) {
    if (other == sk || (other->skc_reuse && sk->skc_reuse)) return false;
    return address.is_unspecified() || other->skc_rcv_saddr.is_unspecified() || other->skc_rcv_saddr == address;
  });
}

}  // namespace glass
