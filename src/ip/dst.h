// The destinations in use: one dst_entry for each pair of destination and asked-for source, found by hash, so that only
// the first packet to a destination walks the routing table.
//
// Entries nobody holds are given up oldest first when there are too many. A change of routes or addresses turns all of
// them stale: those held live on outside the cache until their last holder lets go. Path MTUs learned from ICMP (RFC
// 1191) are kept here as well.
#pragma once
#include <list>
#include <memory>
#include <unordered_map>

#include "base/timer_wheel.h"
#include "ip/hash.h"
#include "ip/ip.h"

namespace glass {

class DstCache {
 public:
  static constexpr size_t kMaxEntries = 4096, kMaxPmtus = 1024;
  static constexpr uint32_t kMinPmtu = 552;         // ip_rt_min_pmtu
  static constexpr Duration kPmtuLifetime = 10min;  // ip_rt_mtu_expires

  explicit DstCache(Ip& ip) : ip_(ip) {}
  ~DstCache();
  DstCache(const DstCache&) = delete;
  DstCache& operator=(const DstCache&) = delete;

  dst_entry* find(const IpAddress& daddr, const IpAddress& saddr) const;
  // Takes over what `entry` says; its `neigh` comes with a reference. `saddr` is the source that was asked for.
  dst_entry* insert(const dst_entry& entry, const IpAddress& saddr);
  void release(dst_entry*);
  void flush();                           // all are stale from now on
  void forget_device(const net_device&);  // stale ones as well: they may be held without being checked

  void update_pmtu(const IpAddress& daddr, uint32_t mtu);
  uint32_t pmtu(const IpAddress& daddr, uint32_t link_mtu) const;

 private:
  struct Entry : dst_entry {
    IpPair key;
    bool cached = true;
    std::list<Entry>::iterator self;
  };
  struct Pmtu {
    timer_list timer;  // first: found back from it
    DstCache* cache;
    IpAddress daddr;
    uint32_t mtu;
  };
  void uncache(Entry&);
  void free(Entry&);
  void evict();
  void expire_pmtu(Pmtu&);
  void stale_for(const IpAddress& daddr);

  Ip& ip_;
  std::list<Entry> entries_;  // oldest first; stale ones that are held as well
  std::unordered_map<IpPair, Entry*, IpPairHash> cache_;
  std::unordered_map<IpAddress, std::unique_ptr<Pmtu>, IpAddressHash> pmtus_;
};

}  // namespace glass
