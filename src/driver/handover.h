// A packet changes sides inside one process: from a sender's device to the receiver's, which may be the same one
// (loopback).
//
//   hand_over(skb, *peer_dev, IpSummed::none);   netif_rx(std::move(skb));
#pragma once
#include "dev/netdevice.h"

namespace glass {

// The sender's account and notes end here; the packet now belongs to the receiver's stack. Both stacks share one
// SkbPool.
inline void hand_over(const Skb& skb, net_device& to, IpSummed summed) {
  if (skb->destructor) {
    skb->destructor(skb.get());
    skb->destructor = nullptr;
  }
  skb->sk = nullptr;
  skb->dev = &to;
  skb->trace = &to.ns.trace;
  skb->ip_summed = summed;
}

}  // namespace glass
