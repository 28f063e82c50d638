#include "driver/tun.h"

#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "driver/offload_header.h"

namespace glass {

namespace {

constexpr uint32_t kEthernetHeader = 14, kVlanTag = 4;
constexpr uint32_t kLargestFrame = kMaxPacket + kEthernetHeader + kVlanTag;
constexpr uint32_t kHeadroom = 16;  // enough for a link header when the packet is forwarded
// Up to here a frame is copied into memory of its own size: a 64 KiB block held for a small frame would cost far more.
constexpr uint32_t kCopyLimit = 8192 - kHeadroom;

// Why the kernel did not take a frame.
Verdict transmit_verdict(int error) {
  switch (error) {
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM: return DROP(FULL_RING);
    case EINVAL: return DROP(SKB_GSO_SEG);
    default: return DROP(DEV_READY);
  }
}

}  // namespace

void TunTapDriver::attach(net_device& dev) {
  dev_ = &dev;
  dev.mtu = options_.mtu;
  dev.features = options_.offload ? NETIF_F_TSO | NETIF_F_HW_CSUM | NETIF_F_RXCSUM : 0;
  dev.has_link_header = is_tap();
  dev.hard_header_len = is_tap() ? kEthernetHeader : 0;
  if (is_tap()) dev.dev_addr = mac_;
}

void TunTapDriver::interrupt() {
  if (dev_) napi_schedule(*dev_);
}

void TunTapDriver::tun_net_xmit(Skb skb) {
  PROBE(*skb->trace, skb);
  if (!dev_ || !dev_->up) return kfree_skb_reason(std::move(skb), DROP(DEV_READY));
  if (write_frame(*skb) < 0) return kfree_skb_reason(std::move(skb), transmit_verdict(errno));
  consume_skb(std::move(skb));
}

ssize_t TunTapDriver::write_frame(const sk_buff& skb) {
  virtio_net_hdr header = make_offload_header(skb);
  std::array<iovec, 2 + MAX_SKB_FRAGS> pieces;
  int count = 0;
  pieces[count++] = {&header, sizeof header};
  pieces[count++] = {skb.data, skb.headlen()};
  for (unsigned i = 0; i < skb.nr_frags; ++i) pieces[count++] = {skb.frag_at(i).data(), skb.frag_at(i).size};
  return writev(fd_, pieces.data(), count);
}

int TunTapDriver::poll(int budget) {
  if (!dev_) return 0;
  Skb room = alloc_read_room();
  int done = 0;
  for (; done < budget; ++done) {
    virtio_net_hdr header;
    const ssize_t size = read_frame(header, *room);
    if (size <= 0) break;
    Skb skb = take_frame(room, static_cast<uint32_t>(size));
    apply_offload_header(skb, header);
    receive(*dev_, std::move(skb));
  }
  kfree_skb_partial(std::move(room));
  return done;
}

// Bytes of the frame, without the offload header; 0 or less if there is none.
ssize_t TunTapDriver::read_frame(virtio_net_hdr& header, sk_buff& into) {
  const std::array<iovec, 2> pieces{iovec{&header, sizeof header}, iovec{into.data, kLargestFrame}};
  const ssize_t n = readv(fd_, pieces.data(), pieces.size());
  if (n < 0 && errno != EAGAIN && errno != EINTR) error_ = errno;
  return n - static_cast<ssize_t>(sizeof header);
}

Skb TunTapDriver::alloc_read_room() { return alloc_skb(dev_->ns.pool, dev_->ns.trace, kLargestFrame, kHeadroom); }

// Makes a packet of the frame at room->data. A large one takes the room with it, which is then replaced.
Skb TunTapDriver::take_frame(Skb& room, uint32_t size) {
  Skb skb;
  if (size <= kCopyLimit) {
    skb = alloc_skb(dev_->ns.pool, dev_->ns.trace, size, kHeadroom);
    std::memcpy(skb_put(skb, size), room->data, size);
  } else {
    skb = std::exchange(room, alloc_read_room());
    skb_put(skb, size);
    skb->truesize = SKB_TRUESIZE(size);
  }
  skb->dev = dev_;
  return skb;
}

}  // namespace glass
