// Neighbours: the link addresses of the hosts on our links, with the reachability states of Linux's NUD_* (RFC 4861
// section 7.3.2 describes them; IPv4 uses them over ARP, RFC 826 and RFC 1122 section 2.3.2).
//
//   neighbour* n = table.lookup(dev, next_hop);   neigh_output(*n, std::move(skb));
//
// A packet for a neighbour whose address is known and fresh costs a copy of 14 bytes. Otherwise it waits (in bytes
// bounded by unres_qlen) while ARP asks; if nobody answers it ends as NEIGH_FAILED and the sender hears "host
// unreachable". The table owns its neighbours; a dst_entry holds a reference, which keeps the memory but not the entry
// alive.
#pragma once
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/timer_wheel.h"
#include "ip/hash.h"
#include "ip/ip.h"

namespace glass {

enum NudState : uint8_t {
  NUD_NONE = 0,
  NUD_INCOMPLETE = 0x01,  // being asked for
  NUD_REACHABLE = 0x02,   // known, and heard from lately
  NUD_STALE = 0x04,       // known, not heard from for a while
  NUD_DELAY = 0x08,       // used while stale: a transport may still confirm it
  NUD_PROBE = 0x10,       // being asked again, by unicast
  NUD_FAILED = 0x20,
  NUD_PERMANENT = 0x80,  // set by hand
};
inline constexpr uint8_t NUD_CONNECTED = NUD_REACHABLE | NUD_PERMANENT;
inline constexpr uint8_t NUD_VALID = NUD_CONNECTED | NUD_STALE | NUD_DELAY | NUD_PROBE;
inline constexpr uint8_t NUD_IN_TIMER = NUD_INCOMPLETE | NUD_REACHABLE | NUD_DELAY | NUD_PROBE;

struct neighbour {
  timer_list timer;  // first: the neighbour is found back from it
  Ip* ip;
  net_device* dev;  // null once its device is gone
  IpAddress primary_key;
  MacAddress ha;
  uint8_t nud_state = NUD_NONE;
  uint8_t probes = 0;
  std::array<uint8_t, 16> hh{};  // the Ethernet header of an IPv4 packet to it, in the first 14 bytes
  uint32_t refs = 0;
  bool dead = false;  // not in the table any more
  Instant confirmed{}, updated{}, used{};
  Duration reachable_time{};
  sk_buff_head arp_queue;  // waiting for the address
  uint32_t arp_queue_len_bytes = 0;
};

class NeighbourTable {
 public:
  static constexpr size_t kMaxEntries = 1024;  // gc_thresh3

  explicit NeighbourTable(Ip& ip) : ip_(ip) {}
  ~NeighbourTable();
  NeighbourTable(const NeighbourTable&) = delete;
  NeighbourTable& operator=(const NeighbourTable&) = delete;

  neighbour* find(const net_device&, const IpAddress&) const;  // null: unknown
  neighbour* lookup(net_device&, const IpAddress&);            // made if unknown
  void remove_device(const net_device&);
  std::vector<const neighbour*> rows() const;

 private:
  struct Key {
    const net_device* dev;
    IpAddress address;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    size_t operator()(const Key& k) const {
      return IpAddressHash()(k.address) ^ reinterpret_cast<uintptr_t>(k.dev) >> 6;
    }
  };
  using Map = std::unordered_map<Key, neighbour*, KeyHash>;
  Map::iterator unlink(Map::iterator);
  void forced_gc();

  Ip& ip_;
  Map map_;
};

inline void neigh_hold(neighbour* n) { ++n->refs; }
void neigh_release(neighbour*);

// Sends a packet (network header at data) to the neighbour, now or when its address is known. 0 or a positive errno
// value.
int neigh_resolve_output(neighbour&, Skb&&);
int neigh_hh_output(neighbour&, Skb&&);
inline int neigh_output(neighbour& n, Skb&& skb) {
  return n.nud_state & NUD_CONNECTED ? neigh_hh_output(n, std::move(skb)) : neigh_resolve_output(n, std::move(skb));
}

// News of a neighbour's link address. override: it may replace another address.
void neigh_update(neighbour&, const MacAddress&, NudState, bool override);

}  // namespace glass
