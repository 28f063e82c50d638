#include "driver/pair.h"

#include <bit>
#include <cassert>

#include "driver/handover.h"

namespace glass {

PairEnd::PairEnd(const PairOptions& options, const MacAddress& mac)
    : mask_(std::bit_ceil(std::max(options.ring, 1u)) - 1),
      summed_(options.checksum_offload || options.tso ? IpSummed::unnecessary : IpSummed::none),
      // Left uninitialised: pages that no burst ever reaches then cost no memory.
      ring_(std::make_unique_for_overwrite<sk_buff*[]>(size_t{mask_} + 1)),
      options_(options),
      mac_(mac) {}

// Whatever is left belongs to a stack that died without detach(): its trace is gone, only the memory can be given back.
PairEnd::~PairEnd() {
  while (head_ != tail_) kfree_skb_partial(Skb(ring_[head_++ & mask_]));
}

void PairEnd::attach(net_device& dev) {
  dev_ = &dev;
  dev.mtu = options_.mtu;
  dev.features = summed_ == IpSummed::unnecessary ? NETIF_F_HW_CSUM | NETIF_F_RXCSUM : 0;
  if (options_.tso) dev.features |= NETIF_F_TSO;
  dev.has_link_header = options_.ethernet;
  dev.hard_header_len = options_.ethernet ? 14 : 0;
  if (options_.ethernet) dev.dev_addr = mac_;
}

void PairEnd::detach() {
  while (head_ != tail_) kfree_skb_reason(Skb(ring_[head_++ & mask_]), DROP(QUEUE_PURGE));
  dev_ = nullptr;
}

void PairEnd::veth_xmit(Skb skb) {
  PROBE(*skb->trace, skb);
  PairEnd& to = *peer_;
  if (!to.dev_ || !to.dev_->up) return kfree_skb_reason(std::move(skb), DROP(DEV_READY));
  if (to.tail_ - to.head_ > to.mask_) return kfree_skb_reason(std::move(skb), DROP(FULL_RING));
  assert(skb->pool == &to.dev_->ns.pool);
  hand_over(skb, *to.dev_, to.summed_);
  to.ring_[to.tail_++ & to.mask_] = skb.release();
  if (!to.dev_->napi.scheduled) napi_schedule(*to.dev_);
}

int PairEnd::poll(int budget) {
  int done = 0;
  for (; done < budget && head_ != tail_; ++done) receive(*dev_, Skb(ring_[head_++ & mask_]));
  // Starting over at the front keeps the part of the ring in use small, and in the cache.
  if (head_ == tail_) head_ = tail_ = 0;
  return done;
}

}  // namespace glass
