#include "drill/glass_device.h"

#include <algorithm>
#include <bit>

namespace glass::drill {

namespace {

// What Linux charges for a packet written to a TUN device: a head from the kernel's allocator, and whole pages for what
// does not fit into one page with it. Measured on 6.18 by SO_MEMINFO.
uint32_t tun_truesize(uint32_t size) {
  constexpr uint32_t kPad = 64, kSharedInfo = 320, kSkBuff = 256, kPage = 4096, kSmallHead = 576;
  if (kPad + size >= kPage) {
    const uint32_t in_head = kPage - kPad - kSharedInfo;
    return kPage + (size - std::min(size, in_head) + kPage - 1) / kPage * kPage + kSkBuff;
  }
  const uint32_t head = ((kPad + size + 63) & ~63u) + kSharedInfo;
  return (head <= kSmallHead ? kSmallHead : std::bit_ceil(head)) + kSkBuff;
}

}  // namespace

GlassDevice::~GlassDevice() {
  for (sk_buff* s : ring_) kfree_skb_partial(Skb(s));
}

void GlassDevice::attach(net_device& dev) {
  dev_ = &dev;
  dev.mtu = mtu_;
  dev.features = NETIF_F_TSO;  // as packetdrill opens its device: scripts see the packets TCP makes, uncut
  dev.has_link_header = false;
  dev.hard_header_len = 0;
}

void GlassDevice::detach() {
  for (sk_buff* s : std::exchange(ring_, {})) kfree_skb_reason(Skb(s), DROP(QUEUE_PURGE));
  dev_ = nullptr;
}

void GlassDevice::ndo_start_xmit(Skb skb) {
  Sent s{dev_->ns.now, std::vector<uint8_t>(skb->len)};
  skb_copy_bits(*skb, 0, s.bytes.data(), skb->len);
  sent.push_back(std::move(s));
  ++sent_count;
  consume_skb(std::move(skb));
}

int GlassDevice::poll(int budget) {
  int done = 0;
  for (; done < budget && !ring_.empty(); ++done) {
    Skb skb(ring_.front());
    ring_.pop_front();
    receive(*dev_, std::move(skb));
  }
  return done;
}

uint32_t GlassDevice::inject(std::span<const uint8_t> packet, uint16_t gso_size) {
  const auto size = static_cast<uint32_t>(packet.size());
  Skb skb = alloc_skb(dev_->ns.pool, dev_->ns.trace, size);
  std::copy(packet.begin(), packet.end(), skb_put(skb, size));
  skb->truesize = tun_truesize(size);
  if (gso_size) {
    skb->gso_size = gso_size;
    skb->gso_segs = static_cast<uint16_t>((size + gso_size - 1) / gso_size);  // headers are small beside it
  }
  skb->dev = dev_;
  const uint32_t id = skb->id;
  ring_.push_back(skb.release());
  napi_schedule(*dev_);
  return id;
}

}  // namespace glass::drill
