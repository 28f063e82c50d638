// A cable in memory between two stacks of one thread (Linux's veth), and the fastest way from one to the other.
//
//   SkbPool pool;                                              // shared by both stacks
//   PairLink link({.mtu = 9000});
//   Stack a({.pool = &pool}), b({.pool = &pool});              // die before the link
//   a.add_device("eth0", link.a());   b.add_device("eth0", link.b());
//
// A packet sent at one end is put into the other end's ring, uncopied, and the other end's device is scheduled for
// polling. The rings are empty whenever both stacks have nothing to do. The link owns its two drivers and the packets
// in the rings, so the pool has to outlive it.
#pragma once
#include <memory>

#include "dev/netdevice.h"

namespace glass {

struct PairOptions {
  uint32_t mtu = 1500;
  bool ethernet = false;          // frames with a link header (and ARP) instead of plain IP packets
  bool checksum_offload = false;  // transport checksums are neither computed nor verified
  bool tso = false;               // large TCP packets cross whole; implies checksum_offload
  uint32_t ring = 65536;          // packets each way, rounded up to a power of two; beyond: FULL_RING
  MacAddress mac_a{{2, 0, 0, 0, 0, 0xa}}, mac_b{{2, 0, 0, 0, 0, 0xb}};  // Ethernet only
};

class PairEnd final : public Driver {
 public:
  PairEnd(const PairOptions&, const MacAddress&);
  ~PairEnd() override;
  PairEnd(const PairEnd&) = delete;
  PairEnd& operator=(const PairEnd&) = delete;

  void attach(net_device&) override;
  void detach() override;
  void ndo_start_xmit(Skb skb) override { veth_xmit(std::move(skb)); }
  int poll(int budget) override;

  void connect(PairEnd& peer) { peer_ = &peer; }
  uint32_t waiting() const { return tail_ - head_; }  // packets in this end's receive ring

 private:
  void veth_xmit(Skb);

  PairEnd* peer_ = nullptr;
  net_device* dev_ = nullptr;
  uint32_t head_ = 0, tail_ = 0, mask_;
  IpSummed summed_;  // what this end's receiver is told of the checksum
  std::unique_ptr<sk_buff*[]> ring_;
  PairOptions options_;
  MacAddress mac_;
};

class PairLink {
 public:
  explicit PairLink(const PairOptions& options = {}) : a_(options, options.mac_a), b_(options, options.mac_b) {
    a_.connect(b_);
    b_.connect(a_);
  }
  PairEnd& a() { return a_; }
  PairEnd& b() { return b_; }

 private:
  PairEnd a_, b_;
};

}  // namespace glass
