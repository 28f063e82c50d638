// The loopback device: what is sent comes back in through the backlog of the same stack (RFC 1122 section 3.2.1.3 (g)).
//
//   LoopbackDriver driver;   net_device& lo = stack.add_device("lo", driver);
//
// Offers every offload, since nothing can be damaged on the way: large TCP packets and partial checksums go round as
// they are. The driver keeps a pointer to its device from attach() to detach() and owns nothing else.
#pragma once
#include "dev/netdevice.h"

namespace glass {

class LoopbackDriver final : public Driver {
 public:
  static constexpr uint32_t kMtu = 65536;

  void attach(net_device& dev) override;
  void detach() override { dev_ = nullptr; }
  void ndo_start_xmit(Skb skb) override { loopback_xmit(std::move(skb)); }

 private:
  void loopback_xmit(Skb);

  net_device* dev_ = nullptr;
};

}  // namespace glass
