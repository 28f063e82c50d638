// Which socket a datagram is for (RFC 1122 section 4.1.3.5): a connected socket whose four addresses match, else one
// bound to the destination address and port, else one bound to the port alone. Each is one hash lookup. Among several
// equally good ones (SO_REUSEADDR) the youngest gets it.
#pragma once
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "udp/udp.h"

namespace glass {

class UdpTable {
 public:
  std::unordered_set<udp_sock*> all;  // bound or not

  // A socket is entered under its addresses and has to be taken out before they change.
  void insert(udp_sock*);
  void remove(udp_sock*);
  bool contains(const udp_sock* sk) const { return sk->skc_num != 0; }

  udp_sock* lookup(const SocketAddress& local, const SocketAddress& remote) const;
  // All that take a datagram to a group or to everyone.
  std::vector<udp_sock*> matches(const SocketAddress& local, const SocketAddress& remote) const;
  // Whether a socket may not be bound there because of another.
  bool conflict(const udp_sock*, const IpAddress& address, uint16_t port) const;

 private:
  struct Key {
    IpAddress local, remote;  // unspecified: any, in its all-zero form
    uint32_t ports;           // local << 16 | remote
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    size_t operator()(const Key& k) const {
      return hash_mix(hash_mix(k.ports, k.local.low() ^ k.local.high()), k.remote.low() ^ k.remote.high());
    }
  };
  using Row = std::vector<udp_sock*>;  // oldest first
  static Key bound_key(const udp_sock*);
  static Key connected_key(const udp_sock*);
  udp_sock* find(const Key&) const;
  template <class Map, class K>
  static void erase(Map&, const K&, udp_sock*);

  std::unordered_map<Key, Row, KeyHash> by_addresses_;
  std::unordered_map<uint16_t, Row> by_port_;
};

// The all-zero form of an unspecified address of either family.
inline IpAddress plain(const IpAddress& a) { return a.is_unspecified() ? IpAddress{} : a; }

}  // namespace glass
