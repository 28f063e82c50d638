#include "ip/neighbour.h"

#include <algorithm>
#include <cstring>

#include "ip/arp.h"
#include "ip/state.h"
#include "wire/ethernet.h"

namespace glass {

namespace {

void neigh_timer_handler(timer_list* t);

Duration milliseconds(int64_t n) { return std::chrono::milliseconds(n); }
Duration retrans_time(const neighbour& n) {
  return std::max(milliseconds(n.ip->ns().sysctl.neigh_retrans_time_ms), Duration(10ms));
}
Duration delay_probe_time(const neighbour& n) {
  return std::chrono::seconds(n.ip->ns().sysctl.neigh_delay_first_probe_time);
}

void arm(neighbour& n, Instant when) { n.ip->ns().timers.mod_timer(&n.timer, when); }

void build_hh(neighbour& n) {
  auto* eth = reinterpret_cast<ethhdr*>(n.hh.data());
  eth->set_dest(n.ha);
  eth->set_source(n.dev->dev_addr);
  eth->h_proto = htons(ETH_P_IP);
}

Skb dequeue(neighbour& n) {
  Skb skb = n.arp_queue.pop_front();
  if (skb) n.arp_queue_len_bytes -= skb->truesize;
  return skb;
}

void neigh_probe(neighbour& n) {
  PROBE(n.ip->ns().trace);
  arp_solicit(n, n.arp_queue.front());
  ++n.probes;
}

// Nobody answered: whatever waited is given back to its sender.
void neigh_invalidate(neighbour& n) {
  PROBE(n.ip->ns().trace);
  n.updated = n.ip->ns().now;
  neigh_hold(&n);  // a transport may let its last reference go when it hears of the error
  while (n.nud_state == NUD_FAILED && !n.arp_queue.empty()) arp_error_report(*n.ip, dequeue(n));
  neigh_release(&n);
}

int max_probes(const neighbour& n) {
  const Sysctl& s = n.ip->ns().sysctl;
  return static_cast<int>(s.neigh_ucast_solicit + (n.nud_state == NUD_PROBE ? 0 : s.neigh_mcast_solicit));
}

// The states a neighbour passes through as time goes by. Returns when to look again; kNever: not at all.
Instant age(neighbour& n) {
  const Instant now = n.ip->ns().now;
  if (n.nud_state == NUD_REACHABLE) {
    if (now < n.confirmed + n.reachable_time) return n.confirmed + n.reachable_time;
    if (now >= n.used + delay_probe_time(n)) {
      n.nud_state = NUD_STALE;
      return kNever;
    }
    n.nud_state = NUD_DELAY;
    n.updated = now;
    return now + delay_probe_time(n);
  }
  if (n.nud_state == NUD_DELAY) {
    if (now <= n.confirmed + delay_probe_time(n)) {
      n.nud_state = NUD_REACHABLE;
      n.updated = now;
      return n.confirmed + n.reachable_time;
    }
    n.nud_state = NUD_PROBE;
    n.updated = now;
    n.probes = 0;
  }
  return now + retrans_time(n);
}

void neigh_timer_handler(timer_list* t) {
  neighbour& n = *reinterpret_cast<neighbour*>(t);
  PROBE(n.ip->ns().trace);
  if (n.dead || !(n.nud_state & NUD_IN_TIMER)) return;
  const Instant next = age(n);
  if (n.nud_state & (NUD_INCOMPLETE | NUD_PROBE) && n.probes >= max_probes(n)) {
    n.nud_state = NUD_FAILED;
    return neigh_invalidate(n);
  }
  if (next != kNever) arm(n, std::max(next, n.ip->ns().now + 10ms));
  if (n.nud_state & (NUD_INCOMPLETE | NUD_PROBE)) neigh_probe(n);
}

void enqueue(neighbour& n, Skb skb) {
  const auto limit = static_cast<uint64_t>(n.ip->ns().sysctl.neigh_unres_qlen_bytes);
  while (!n.arp_queue.empty() && uint64_t{n.arp_queue_len_bytes} + skb->truesize > limit)
    kfree_skb_reason(dequeue(n), DROP(NEIGH_QUEUEFULL));
  skb_orphan(skb);
  n.arp_queue_len_bytes += skb->truesize;
  skb->trace->queued(skb->id, skb->len);
  n.arp_queue.push_back(std::move(skb));
}

// True: the packet has to wait, and was queued. Starts asking where that is due.
bool __neigh_event_send(neighbour& n, Skb&& skb) {
  PROBE(n.ip->ns().trace, skb);
  const Instant now = n.ip->ns().now;
  n.used = now;
  if (n.nud_state & (NUD_CONNECTED | NUD_DELAY | NUD_PROBE)) return false;
  if (n.nud_state == NUD_STALE) {
    n.nud_state = NUD_DELAY;
    n.updated = now;
    arm(n, now + delay_probe_time(n));
    return false;
  }
  const bool first = n.nud_state != NUD_INCOMPLETE;
  enqueue(n, std::move(skb));
  if (!first) return true;
  // Broadcast probes are counted on from where the unicast ones end.
  n.probes = static_cast<uint8_t>(n.ip->ns().sysctl.neigh_ucast_solicit);
  n.nud_state = NUD_INCOMPLETE;
  n.updated = now;
  arm(n, now + retrans_time(n));
  neigh_probe(n);
  return true;
}

void neigh_flush_queue(neighbour& n) {
  sk_buff_head ready;
  while (Skb skb = dequeue(n)) ready.push_back(std::move(skb));
  while (Skb skb = ready.pop_front()) neigh_output(n, std::move(skb));
}

}  // namespace

int neigh_hh_output(neighbour& n, Skb&& skb) {
  PROBE(n.ip->ns().trace, skb);
  uint8_t* header = skb_push(skb, ETH_HLEN);
  std::memcpy(header, n.hh.data(), ETH_HLEN);
  skb_reset_mac_header(skb);
  return dev_queue_xmit(std::move(skb));
}

int neigh_resolve_output(neighbour& n, Skb&& skb) {
  PROBE(n.ip->ns().trace, skb);
  if (n.dead) {
    kfree_skb_reason(std::move(skb), DROP(NEIGH_FAILED));
    return EHOSTUNREACH;
  }
  if (__neigh_event_send(n, std::move(skb))) return 0;
  return neigh_hh_output(n, std::move(skb));  // NOLINT(bugprone-use-after-move): it is still here if it was not queued
}

void neigh_update(neighbour& n, const MacAddress& ha, NudState state, bool override) {
  PROBE(n.ip->ns().trace);
  const uint8_t old = n.nud_state;
  if (n.dead || (old == NUD_PERMANENT && state != NUD_PERMANENT)) return;
  const bool other = !(old & NUD_VALID) || ha != n.ha;
  if (other && old & NUD_VALID && !override) return;
  const Instant now = n.ip->ns().now;
  if (state & NUD_CONNECTED) n.confirmed = now;
  // Word that says nothing new does not make a fresh neighbour stale.
  if (!other && state == NUD_STALE) state = static_cast<NudState>(old);
  n.updated = now;
  if (other) {
    n.ha = ha;
    build_hh(n);
    if (!(state & NUD_CONNECTED)) n.confirmed = now - 2 * milliseconds(n.ip->ns().sysctl.neigh_base_reachable_time_ms);
  }
  if (state != old) {
    n.ip->ns().timers.del_timer(&n.timer);
    n.nud_state = state;
    n.probes = 0;
    if (state == NUD_REACHABLE) arm(n, now + n.reachable_time);
  }
  if (!(old & NUD_VALID)) neigh_flush_queue(n);
}

void neigh_release(neighbour* n) {
  if (--n->refs == 0 && n->dead) delete n;
}

NeighbourTable::~NeighbourTable() {
  for (auto it = map_.begin(); it != map_.end();) it = unlink(it);
}

neighbour* NeighbourTable::find(const net_device& dev, const IpAddress& a) const {
  const auto found = map_.find({&dev, a});
  return found == map_.end() ? nullptr : found->second;
}

neighbour* NeighbourTable::lookup(net_device& dev, const IpAddress& a) {
  if (neighbour* n = find(dev, a)) return n;
  if (map_.size() >= kMaxEntries) forced_gc();
  auto* n = new neighbour;
  n->timer.function = neigh_timer_handler;
  n->ip = &ip_;
  n->dev = &dev;
  n->primary_key = a;
  n->used = n->updated = ip_.ns().now;
  n->confirmed = ip_.ns().now - 1h;
  // RFC 4861 section 6.3.2: spread between half and one and a half of the base, so that hosts do not ask in step.
  const auto base = static_cast<uint32_t>(ip_.ns().sysctl.neigh_base_reachable_time_ms);
  n->reachable_time = milliseconds(base / 2 + ip_.ns().rng.below(base ? base : 1));
  map_[{&dev, a}] = n;
  return n;
}

NeighbourTable::Map::iterator NeighbourTable::unlink(Map::iterator it) {
  neighbour* n = it->second;
  ip_.ns().timers.del_timer(&n->timer);
  while (Skb skb = dequeue(*n)) kfree_skb_reason(std::move(skb), DROP(QUEUE_PURGE));
  n->dead = true;
  n->dev = nullptr;
  n->nud_state = NUD_FAILED;
  if (!n->refs) delete n;
  return map_.erase(it);
}

// Everything no route uses goes at once, so the walk is paid for by the entries it frees.
void NeighbourTable::forced_gc() {
  for (auto it = map_.begin(); it != map_.end();) {
    const neighbour& n = *it->second;
    const bool spare = !n.refs && n.nud_state != NUD_PERMANENT && n.arp_queue.empty();
    it = spare ? unlink(it) : std::next(it);
  }
}

void NeighbourTable::remove_device(const net_device& dev) {
  for (auto it = map_.begin(); it != map_.end();) it = it->first.dev == &dev ? unlink(it) : std::next(it);
}

std::vector<const neighbour*> NeighbourTable::rows() const {
  std::vector<const neighbour*> out;
  for (const auto& [key, n] : map_) out.push_back(n);
  std::sort(out.begin(), out.end(), [](const neighbour* a, const neighbour* b) {
    return std::pair(a->dev->ifindex, a->primary_key.bytes) < std::pair(b->dev->ifindex, b->primary_key.bytes);
  });
  return out;
}

}  // namespace glass
