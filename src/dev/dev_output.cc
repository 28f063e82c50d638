// The way down, from the Internet layer to a driver. Functions that begin with two underscores carry Linux's names for
// the same steps.
#include <errno.h>

#include <algorithm>

#include "dev/netdevice.h"
#include "net/sk_error_queue.h"
#include "skb/gso.h"

namespace glass {

namespace {

constexpr int kQdiscRunQuota = 64;  // packets before others get their turn

void __netif_schedule(net_device& dev) {
  if (dev.qdisc_scheduled) return;
  dev.qdisc_scheduled = true;
  dev.sd.output_queue.push_back(&dev);
}

void qdisc_watchdog(timer_list* t) { __netif_schedule(*static_cast<device_timer*>(t)->dev); }

void qdisc_watchdog_schedule(net_device& dev) {
  const Instant next = dev.qdisc->next_dequeue();
  if (next == kNever || (dev.qdisc_watchdog.pending() && dev.qdisc_watchdog.expires == next)) return;
  dev.qdisc_watchdog.function = qdisc_watchdog;
  dev.ns.timers.mod_timer(&dev.qdisc_watchdog, next);
}

void sch_direct_xmit(net_device& dev, Skb skb) {
  PROBE(dev.ns.trace, skb);
  dev_hard_start_xmit(dev, std::move(skb));
}

void __qdisc_run(net_device& dev) {
  PROBE(dev.ns.trace);
  for (int quota = kQdiscRunQuota; quota > 0; --quota) {
    Skb skb = dev.qdisc->dequeue(dev.ns.now);
    if (!skb) return qdisc_watchdog_schedule(dev);
    sch_direct_xmit(dev, std::move(skb));
  }
  if (dev.qdisc->qlen()) __netif_schedule(dev);
}

// The driver has it: SO_TIMESTAMPING's software stamp. What comes behind this host's driver owes it nothing.
void skb_tx_timestamp(const Skb& skb) {
  if (!skb->tx_flags) [[likely]]
    return;
  if ((skb->tx_flags & SKBTX_SW_TSTAMP) && skb->sk) __skb_tstamp_tx(*skb, skb->sk, skb->tskey, SCM_TSTAMP_SND);
  skb->tx_flags = 0;
}

// Ready for the wire, apart from what the device does itself.
void xmit_one(net_device& dev, Skb skb) {
  if (skb->ip_summed == IpSummed::partial && !(dev.features & NETIF_F_HW_CSUM) && !skb_checksum_help(skb))
      [[unlikely]] {
    ++dev.stats.tx_dropped;
    return kfree_skb_reason(std::move(skb), DROP(SKB_CSUM));
  }
  if (!dev.sd.taps.empty()) [[unlikely]]
    for (const PacketTap& tap : dev.sd.taps) tap(dev, *skb, true);
  dev.stats.tx_packets += skb->gso_segs ? skb->gso_segs : 1;
  dev.stats.tx_bytes += skb->len;
  skb_tx_timestamp(skb);
  skb_orphan(skb);
  dev.driver->ndo_start_xmit(std::move(skb));
}

void xmit_segments(net_device& dev, Skb skb) {
  skb_tx_timestamp(skb);
  sk_buff_head segments;
  skb_segment(std::move(skb), segments);
  if (segments.empty()) ++dev.stats.tx_dropped;
  while (Skb segment = segments.pop_front()) xmit_one(dev, std::move(segment));
}

void forget_packets_of(softnet_data& sd, const net_device& dev, Verdict why) {
  sk_buff* next;
  for (sk_buff* s = sd.input_pkt_queue.front(); s; s = next) {
    next = s->next;
    if (s->dev == &dev) kfree_skb_reason(sd.input_pkt_queue.unlink(s), why);
  }
}

void purge(Qdisc* qdisc, Verdict why) {
  if (!qdisc) return;
  while (Skb skb = qdisc->dequeue(kNever)) kfree_skb_reason(std::move(skb), why);
}

}  // namespace

int __dev_queue_xmit(Skb skb) {
  net_device& dev = *skb->dev;
  PROBE(dev.ns.trace, skb);
  skb_reset_mac_header(skb);
  if (!dev.up) [[unlikely]] {
    ++dev.stats.tx_dropped;
    kfree_skb_reason(std::move(skb), DROP(DEV_READY));
    return 0;
  }
  if ((skb->tx_flags & SKBTX_SCHED_TSTAMP) && skb->sk) [[unlikely]]
    __skb_tstamp_tx(*skb, skb->sk, skb->tskey, SCM_TSTAMP_SCHED);
  if (!dev.qdisc) [[likely]] {
    dev_hard_start_xmit(dev, std::move(skb));
    return 0;
  }
  const bool room = dev.qdisc->enqueue(std::move(skb), dev.ns.now);
  __qdisc_run(dev);
  return room ? 0 : ENOBUFS;
}

void dev_hard_start_xmit(net_device& dev, Skb skb) {
  PROBE(dev.ns.trace, skb);
  if (skb->is_gso() && !(dev.features & NETIF_F_TSO)) [[unlikely]]
    return xmit_segments(dev, std::move(skb));
  xmit_one(dev, std::move(skb));
}

void net_tx_action(softnet_data& sd) {
  const ContextScope context(sd.ns.trace, Context::softirq_tx);
  PROBE(sd.ns.trace);
  const size_t count = sd.output_queue.size();
  for (size_t i = 0; i < count; ++i) {
    net_device* dev = sd.output_queue[i];
    if (!dev) continue;
    dev->qdisc_scheduled = false;
    if (dev->qdisc) __qdisc_run(*dev);
  }
  sd.output_queue.erase(sd.output_queue.begin(), sd.output_queue.begin() + static_cast<ptrdiff_t>(count));
}

// Places on lists are cleared, not removed: the lists may be under way further up the call stack.
void dev_shutdown(net_device& dev) {
  PROBE(dev.ns.trace);
  const Verdict why = DROP(QUEUE_PURGE);
  softnet_data& sd = dev.sd;
  purge(dev.qdisc.get(), why);
  purge(dev.ingress.get(), why);
  forget_packets_of(sd, dev, why);
  dev.ns.timers.del_timer(&dev.qdisc_watchdog);
  dev.ns.timers.del_timer(&dev.ingress_watchdog);
  std::ranges::replace_if(
      sd.poll_list, [&](napi_struct* n) { return n == &dev.napi || n == &dev.ingress_napi; }, nullptr);
  std::ranges::replace(sd.output_queue, &dev, nullptr);
  dev.napi.scheduled = dev.ingress_napi.scheduled = dev.qdisc_scheduled = false;
  if (dev.driver) dev.driver->detach();
}

}  // namespace glass
