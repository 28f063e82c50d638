// The device a script sees: a TUN interface in memory that takes large TCP packets whole. What is injected comes up as
// if it had been written to /dev/net/tun; what the stack sends is kept with its instant.
#pragma once
#include <deque>
#include <span>
#include <vector>

#include "dev/netdevice.h"

namespace glass::drill {

class GlassDevice final : public Driver {
 public:
  explicit GlassDevice(uint32_t mtu) : mtu_(mtu) {}
  ~GlassDevice() override;

  void attach(net_device&) override;
  void detach() override;
  void ndo_start_xmit(Skb) override;
  int poll(int budget) override;

  // The packet's id in traces.
  uint32_t inject(std::span<const uint8_t> ip_packet, uint16_t gso_size);

  struct Sent {
    Instant when;
    std::vector<uint8_t> bytes;
  };
  std::deque<Sent> sent;    // oldest first
  uint64_t sent_count = 0;  // ever

 private:
  uint32_t mtu_;
  net_device* dev_ = nullptr;
  std::deque<sk_buff*> ring_;
};

}  // namespace glass::drill
