#include "ip/dst.h"

#include <algorithm>

#include "ip/neighbour.h"
#include "ip/state.h"

namespace glass {

DstCache::~DstCache() {
  for (auto& [daddr, p] : pmtus_) ip_.ns().timers.del_timer(&p->timer);
  for (Entry& e : entries_)
    if (e.neigh) neigh_release(e.neigh);
}

dst_entry* DstCache::find(const IpAddress& daddr, const IpAddress& saddr) const {
  const auto found = cache_.find({daddr, saddr});
  return found == cache_.end() ? nullptr : found->second;
}

dst_entry* DstCache::insert(const dst_entry& entry, const IpAddress& saddr) {
  if (cache_.size() >= kMaxEntries) evict();
  Entry& e = entries_.emplace_back();
  static_cast<dst_entry&>(e) = entry;
  e.key = {entry.daddr, saddr};
  e.self = std::prev(entries_.end());
  cache_[e.key] = &e;
  return &e;
}

void DstCache::evict() {
  for (auto it = entries_.begin(); it != entries_.end();) {
    Entry& e = *it++;
    if (e.refs || !e.cached) continue;
    uncache(e);
    return free(e);
  }
}

void DstCache::uncache(Entry& e) {
  if (!e.cached) return;
  e.cached = false;
  e.genid = 0;
  cache_.erase(e.key);
}

void DstCache::free(Entry& e) {
  if (e.neigh) neigh_release(e.neigh);
  entries_.erase(e.self);
}

void DstCache::release(dst_entry* d) {
  Entry& e = static_cast<Entry&>(*d);
  if (--e.refs == 0 && !e.cached) free(e);
}

void DstCache::flush() {
  for (auto it = entries_.begin(); it != entries_.end();) {
    Entry& e = *it++;
    uncache(e);
    if (!e.refs) free(e);
  }
}

void DstCache::forget_device(const net_device& dev) {
  for (Entry& e : entries_) {
    if (e.dev != &dev) continue;
    e.dev = nullptr;
    if (e.neigh) neigh_release(e.neigh);
    e.neigh = nullptr;
  }
}

void DstCache::stale_for(const IpAddress& daddr) {
  for (auto it = entries_.begin(); it != entries_.end();) {
    Entry& e = *it++;
    if (e.daddr != daddr) continue;
    uncache(e);
    if (!e.refs) free(e);
  }
}

void DstCache::update_pmtu(const IpAddress& daddr, uint32_t mtu) {
  mtu = std::max(mtu, kMinPmtu);
  std::unique_ptr<Pmtu>& slot = pmtus_[daddr];
  if (slot && mtu >= slot->mtu) return;
  if (!slot) {
    slot = std::make_unique<Pmtu>(Pmtu{{}, this, daddr, mtu});
    slot->timer.function = [](timer_list* t) {
      Pmtu* p = reinterpret_cast<Pmtu*>(t);
      p->cache->expire_pmtu(*p);
    };
  }
  slot->mtu = mtu;
  ip_.ns().timers.mod_timer(&slot->timer, ip_.ns().now + kPmtuLifetime);
  stale_for(daddr);
  if (pmtus_.size() > kMaxPmtus) {
    auto other = std::find_if(pmtus_.begin(), pmtus_.end(), [&](const auto& row) { return row.first != daddr; });
    expire_pmtu(*other->second);
  }
}

void DstCache::expire_pmtu(Pmtu& p) {
  const IpAddress daddr = p.daddr;
  ip_.ns().timers.del_timer(&p.timer);
  pmtus_.erase(daddr);
  stale_for(daddr);
}

uint32_t DstCache::pmtu(const IpAddress& daddr, uint32_t link_mtu) const {
  const auto found = pmtus_.find(daddr);
  return found == pmtus_.end() ? link_mtu : std::min(link_mtu, found->second->mtu);
}

}  // namespace glass
