// Impairments as tc-netem(8) documents them. The order of the decisions is Linux's: duplicate, lose, corrupt, limit,
// delay.
#include <algorithm>
#include <cmath>

#include "dev/qdisc.h"
#include "skb/gso.h"

namespace glass {

namespace {

// Random numbers that resemble the one before: x[n] = c * x[n-1] + (1 - c) * random. As in Linux the result is no
// longer uniform, so that strongly correlated events come in bursts but less often than their probability says.
class CorrelatedUniform {
 public:
  explicit CorrelatedUniform(Rng& rng) : last_(rng.uniform()) {}
  double next(Rng& rng, double correlation) {
    const double fresh = rng.uniform();
    return last_ = correlation > 0 ? correlation * last_ + (1 - correlation) * fresh : fresh;
  }
  bool happens(Rng& rng, double probability, double correlation) {
    return probability > 0 && next(rng, correlation) < probability;
  }

 private:
  double last_;
};

// The same for the normal distribution, scaled so that the deviation stays 1.
class CorrelatedNormal {
 public:
  double next(Rng& rng, double correlation) {
    const double fresh = rng.normal();
    return last_ = correlation > 0 ? correlation * last_ + std::sqrt(1 - correlation * correlation) * fresh : fresh;
  }

 private:
  double last_ = 0;
};

class Netem final : public Qdisc {
 public:
  Netem(net& n, const NetemConfig& config, uint64_t seed) : ns_(n), config_(config), rng_(seed) {
    if (config_.reorder > 0 && config_.gap == 0) config_.gap = 1;
  }
  ~Netem() override;

  bool enqueue(Skb skb, Instant now) override { return netem_enqueue(std::move(skb), now); }
  Skb dequeue(Instant now) override;
  Instant next_dequeue() const override { return heap_.empty() ? kNever : heap_.front().time_to_send; }
  uint32_t qlen() const override { return static_cast<uint32_t>(heap_.size()); }
  std::string describe() const override { return "netem " + format_netem(config_); }

 private:
  struct Held {
    Instant time_to_send;
    uint64_t order;  // of arrival, for packets of the same instant
    sk_buff* skb;
  };
  static bool later(const Held& a, const Held& b) {
    return a.time_to_send != b.time_to_send ? a.time_to_send > b.time_to_send : a.order > b.order;
  }

  bool netem_enqueue(Skb skb, Instant now);
  bool impair(Skb skb, Instant now, bool may_duplicate);
  bool corrupt_and_hold(Skb skb, Instant now);
  static bool netem_corrupt(const Skb& skb, Rng& rng);
  void hold(Skb skb, Instant now);
  Instant time_to_send(uint32_t len, Instant now);
  Duration tabledist();
  void tfifo_enqueue(Skb skb, Instant time_to_send);
  sk_buff* pop();

  net& ns_;
  NetemConfig config_;
  Rng rng_;
  CorrelatedUniform delay_{rng_}, loss_{rng_}, duplicate_{rng_}, corrupt_{rng_}, reorder_{rng_};
  CorrelatedNormal normal_delay_;
  std::vector<Held> heap_;  // earliest first
  uint64_t arrivals_ = 0;
  uint32_t since_reordered_ = 0;
  Instant link_free_ = Instant::min();  // with a rate: when the last packet is through
};

Netem::~Netem() {
  while (!heap_.empty()) kfree_skb_reason(Skb(pop()), DROP(QUEUE_PURGE));
}

// What happens to a packet on a link happens to what the link carries, so large packets are cut first.
bool Netem::netem_enqueue(Skb skb, Instant now) {
  PROBE(ns_.trace, skb);
  if (!skb->is_gso()) return impair(std::move(skb), now, true);
  sk_buff_head segments;
  skb_segment(std::move(skb), segments);
  bool room = false;  // for any of it; the rest is lost like on a link
  while (Skb segment = segments.pop_front()) room |= impair(std::move(segment), now, true);
  return room;
}

// A packet that is both lost and duplicated arrives once.
bool Netem::impair(Skb skb, Instant now, bool may_duplicate) {
  const bool twice = may_duplicate && duplicate_.happens(rng_, config_.duplicate, config_.duplicate_correlation);
  const bool lost = loss_.happens(rng_, config_.loss, config_.loss_correlation);
  if (lost && !twice) {
    kfree_skb_reason(std::move(skb), DROP(QDISC_DROP));
    return true;
  }
  Skb copy = twice && !lost ? skb_clone(*skb) : Skb();
  const bool room = corrupt_and_hold(std::move(skb), now);
  if (copy) impair(std::move(copy), now, false);
  return room;
}

bool Netem::corrupt_and_hold(Skb skb, Instant now) {
  if (corrupt_.happens(rng_, config_.corrupt, config_.corrupt_correlation) && !netem_corrupt(skb, rng_)) {
    kfree_skb_reason(std::move(skb), DROP(SKB_CSUM));
    return true;
  }
  if (qlen() >= config_.limit) {
    kfree_skb_reason(std::move(skb), DROP(QDISC_OVERLIMIT));
    return false;
  }
  hold(std::move(skb), now);
  return true;
}

// Flips one bit. The checksum is completed before, so that whoever verifies it sees the damage.
bool Netem::netem_corrupt(const Skb& skb, Rng& rng) {
  if (!skb_checksum_help(skb)) return false;
  skb_make_writable(skb);
  skb->ip_summed = IpSummed::none;
  if (skb->len == 0) return true;
  const uint32_t bit = rng.below(skb->len * 8);
  skb->data[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
  return true;
}

// With a gap every gap-th packet may overtake: it is sent at once if the reorder probability says so.
void Netem::hold(Skb skb, Instant now) {
  const bool its_turn = config_.gap != 0 && since_reordered_ + 1 >= config_.gap;
  if (its_turn && reorder_.happens(rng_, config_.reorder, config_.reorder_correlation)) {
    since_reordered_ = 0;
    return tfifo_enqueue(std::move(skb), now);
  }
  ++since_reordered_;
  const Instant when = time_to_send(skb->len, now);
  tfifo_enqueue(std::move(skb), when);
}

// A packet enters the link after its delay and when the one before is through.
Instant Netem::time_to_send(uint32_t len, Instant now) {
  Instant when = now + tabledist();
  if (config_.rate) {
    const auto bits_times_ns = static_cast<unsigned __int128>(len) * 8 * 1'000'000'000;
    when = std::max(when, link_free_) + Duration(static_cast<int64_t>(bits_times_ns / config_.rate));
    link_free_ = when;
  }
  return when;
}

// The delay of one packet; never negative.
Duration Netem::tabledist() {
  if (config_.jitter == Duration::zero()) return config_.delay;
  const double around = config_.distribution == NetemConfig::Distribution::normal
                            ? normal_delay_.next(rng_, config_.delay_correlation)
                            : 2 * delay_.next(rng_, config_.delay_correlation) - 1;
  const auto offset = Duration(static_cast<int64_t>(around * static_cast<double>(config_.jitter.count())));
  return std::max(config_.delay + offset, Duration::zero());
}

void Netem::tfifo_enqueue(Skb skb, Instant time_to_send) {
  ns_.trace.queued(skb->id, skb->len);
  heap_.push_back({time_to_send, arrivals_++, skb.release()});
  std::push_heap(heap_.begin(), heap_.end(), later);
}

sk_buff* Netem::pop() {
  std::pop_heap(heap_.begin(), heap_.end(), later);
  sk_buff* skb = heap_.back().skb;
  heap_.pop_back();
  return skb;
}

Skb Netem::dequeue(Instant now) { return next_dequeue() > now || heap_.empty() ? Skb() : Skb(pop()); }

}  // namespace

std::unique_ptr<Qdisc> make_netem(net& n, const NetemConfig& config, uint64_t seed) {
  return std::make_unique<Netem>(n, config, seed);
}

}  // namespace glass
