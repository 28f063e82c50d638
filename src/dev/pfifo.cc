// pfifo: one queue in order of arrival, of at most so many packets.
#include <fmt/format.h>

#include "dev/qdisc.h"

namespace glass {

namespace {

class Pfifo final : public Qdisc {
 public:
  explicit Pfifo(uint32_t limit) : limit_(limit) {}
  ~Pfifo() override {
    const Verdict why = DROP(QUEUE_PURGE);
    queue_.purge(why);
  }
  bool enqueue(Skb skb, Instant) override {
    if (queue_.qlen() >= limit_) {
      kfree_skb_reason(std::move(skb), DROP(QDISC_OVERLIMIT));
      return false;
    }
    queue_.push_back(std::move(skb));
    return true;
  }
  Skb dequeue(Instant) override { return queue_.pop_front(); }
  Instant next_dequeue() const override { return queue_.empty() ? kNever : Instant::min(); }
  uint32_t qlen() const override { return queue_.qlen(); }
  std::string describe() const override { return fmt::format("pfifo limit {}", limit_); }

 private:
  uint32_t limit_;
  sk_buff_head queue_;
};

}  // namespace

std::unique_ptr<Qdisc> make_pfifo(uint32_t limit) { return std::make_unique<Pfifo>(limit); }

}  // namespace glass
