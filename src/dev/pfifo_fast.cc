#include <array>
#include <bit>

#include "dev/qdisc.h"
#include "wire/ethernet.h"

namespace glass {

namespace {

// The band of an IPv4 packet by the delay and throughput bits of its TOS byte: Linux's priority of that TOS
// (tc-prio(8)) through the default priomap. Everything else has no priority and goes to the middle band.
unsigned band_of(const sk_buff& skb) {
  constexpr std::array<uint8_t, 4> kBandOfTos{1, 2, 0, 1};  // none, throughput, delay, both
  if (skb.protocol != ETH_P_IP || skb.network() + 2 > skb.tail()) return 1;
  return kBandOfTos[skb.network()[1] >> 3 & 3];
}

class PfifoFast final : public Qdisc {
 public:
  PfifoFast(net& n, uint32_t limit) : ns_(n), limit_(limit) {}
  ~PfifoFast() override {
    const Verdict why = DROP(QUEUE_PURGE);
    for (sk_buff_head& band : band_) band.purge(why);
  }

  bool enqueue(Skb skb, Instant) override { return pfifo_fast_enqueue(std::move(skb)); }

  Skb dequeue(Instant) override {
    if (!qlen_) return {};
    const int band = std::countr_zero(filled_);
    Skb skb = band_[band].pop_front();
    if (band_[band].empty()) filled_ &= ~(1u << band);
    --qlen_;
    return skb;
  }

  Instant next_dequeue() const override { return qlen_ ? Instant::min() : kNever; }
  uint32_t qlen() const override { return qlen_; }
  std::string describe() const override { return "pfifo_fast"; }

 private:
  bool pfifo_fast_enqueue(Skb skb);

  net& ns_;
  uint32_t limit_, qlen_ = 0;
  uint32_t filled_ = 0;  // a bit a band that is not empty
  std::array<sk_buff_head, 3> band_;
};

bool PfifoFast::pfifo_fast_enqueue(Skb skb) {
  PROBE(ns_.trace, skb);
  if (qlen_ >= limit_) {
    kfree_skb_reason(std::move(skb), DROP(QDISC_OVERLIMIT));
    return false;
  }
  const unsigned band = band_of(*skb);
  ns_.trace.queued(skb->id, skb->len);
  band_[band].push_back(std::move(skb));
  filled_ |= 1u << band;
  ++qlen_;
  return true;
}

}  // namespace

std::unique_ptr<Qdisc> make_pfifo_fast(net& n, uint32_t limit) { return std::make_unique<PfifoFast>(n, limit); }

}  // namespace glass
