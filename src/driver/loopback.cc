#include "driver/loopback.h"

#include "driver/handover.h"

namespace glass {

void LoopbackDriver::attach(net_device& dev) {
  dev_ = &dev;
  dev.mtu = kMtu;
  dev.features = NETIF_F_HW_CSUM | NETIF_F_TSO | NETIF_F_RXCSUM | NETIF_F_LOOPBACK;
  dev.has_link_header = false;
  dev.hard_header_len = 0;
}

void LoopbackDriver::loopback_xmit(Skb skb) {
  PROBE(*skb->trace, skb);
  if (!dev_) return kfree_skb_reason(std::move(skb), DROP(DEV_READY));
  hand_over(skb, *dev_, IpSummed::unnecessary);
  netif_rx(std::move(skb));
}

}  // namespace glass
