// The end of a link of finite speed: a FIFO that drops at its tail and may mark instead of drop (RFC 3168 section 7),
// as a router's or a switch's port has it. "link rate 100mbit limit 333 ecn 65": at most 333 packets wait, and a packet
// that finds 65 or more before it is marked, if it is ECN-capable. The words are ours; tc would need tbf with red.
#include "base/checksum.h"
#include "dev/qdisc.h"
#include "net/sock.h"
#include "skb/gso.h"
#include "wire/ethernet.h"
#include "wire/ipv4.h"

namespace glass {

namespace {

class LinkQueue final : public Qdisc {
 public:
  LinkQueue(net& n, const LinkQueueConfig& config) : ns_(n), config_(config) {}
  ~LinkQueue() override { queue_.purge(DROP(QUEUE_PURGE)); }

  // It stands for a queue somewhere on the way: nobody here is told of what it drops.
  bool enqueue(Skb skb, Instant now) override {
    link_enqueue(std::move(skb), now);
    return true;
  }
  Skb dequeue(Instant now) override {
    if (queue_.empty() || free_ > now) return {};
    Skb skb = queue_.pop_front();
    --qlen_;
    if (!queue_.empty()) send_next(free_);
    return skb;
  }
  // The head is on the wire; it arrives when its last bit does.
  Instant next_dequeue() const override { return queue_.empty() ? kNever : free_; }
  uint32_t qlen() const override { return qlen_; }
  std::string describe() const override {
    const std::string ecn = config_.ecn ? " ecn " + std::to_string(config_.ecn) : "";
    return "link " + format_netem({.rate = config_.rate, .limit = config_.limit}) + ecn;
  }

 private:
  void link_enqueue(Skb skb, Instant now);
  void take(Skb skb, Instant now);
  void send_next(Instant from) {
    const auto bits_times_ns = static_cast<unsigned __int128>(queue_.front()->len) * 8 * 1'000'000'000;
    free_ = from + Duration(static_cast<int64_t>(bits_times_ns / config_.rate));
  }

  net& ns_;
  LinkQueueConfig config_;
  sk_buff_head queue_;
  uint32_t qlen_ = 0;
  Instant free_ = Instant::min();  // when the head is through
};

void mark_ce(const Skb& skb) {
  if (skb->protocol != ETH_P_IP) return;
  skb_make_writable(skb);
  auto* iph = reinterpret_cast<iphdr*>(skb->network());
  if (iph->ecn() == INET_ECN_NOT_ECT) return;
  iph->tos |= INET_ECN_CE;
  iph->check = 0;
  iph->check = csum_fold(csum_partial(iph, iph->ihl(), 0));
}

// What waits for a link waits in packets of the link's size.
void LinkQueue::link_enqueue(Skb skb, Instant now) {
  PROBE(ns_.trace, skb);
  skb_orphan(skb);  // what waits on the way is no longer in the sender's buffer, nor in its small queue
  if (!skb->is_gso()) return take(std::move(skb), now);
  sk_buff_head segments;
  skb_segment(std::move(skb), segments);
  while (Skb segment = segments.pop_front()) take(std::move(segment), now);
}

void LinkQueue::take(Skb skb, Instant now) {
  if (qlen_ >= config_.limit) return kfree_skb_reason(std::move(skb), DROP(QDISC_OVERLIMIT));
  if (config_.ecn && qlen_ >= config_.ecn) mark_ce(skb);
  ns_.trace.queued(skb->id, skb->len);
  queue_.push_back(std::move(skb));
  if (++qlen_ == 1) send_next(std::max(now, free_));
}

}  // namespace

std::unique_ptr<Qdisc> make_link_queue(net& n, const LinkQueueConfig& config) {
  return std::make_unique<LinkQueue>(n, config);
}

// Rate and limit are read as netem reads them.
std::expected<LinkQueueConfig, std::string> parse_link_queue(std::string_view words) {
  LinkQueueConfig config;
  if (const size_t at = words.find(" ecn "); at != words.npos) {
    config.ecn = static_cast<uint32_t>(std::atoi(std::string(words.substr(at + 5)).c_str()));
    if (!config.ecn) return std::unexpected("link: ecn needs a number of packets, as in \"ecn 65\"");
    words = words.substr(0, at);
  }
  const auto netem = parse_netem(words);
  if (!netem) return std::unexpected(netem.error());
  config.rate = netem->rate;
  config.limit = netem->limit;
  if (*netem != NetemConfig{.rate = config.rate, .limit = config.limit} || !config.rate)
    return std::unexpected("link: a rate, and perhaps limit and ecn, as in \"link rate 100mbit limit 333 ecn 65\"");
  return config;
}

}  // namespace glass
