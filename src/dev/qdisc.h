// Queueing disciplines: what stands between a packet and its device. One file each; make_qdisc() reads tc's own words.
//
//   auto q = make_qdisc(net, "netem delay 20ms 5ms loss 2%");
#pragma once
#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "net/net.h"
#include "skb/queue.h"

namespace glass {

class Qdisc {
 public:
  virtual ~Qdisc() = default;
  // Takes the packet: queued (possibly twice, possibly changed) or dropped with its reason. May read `now`. False:
  // there was no room, which the sender is to know (Linux's NET_XMIT_DROP); what a link loses nobody is told of.
  virtual bool enqueue(Skb, Instant now) = 0;
  // The next packet that may leave at `now`; empty handle if none may.
  virtual Skb dequeue(Instant now) = 0;
  // When dequeue() is worth calling again: <= now if a packet is ready, a later instant while packets are held back,
  // kNever when empty.
  virtual Instant next_dequeue() const = 0;
  virtual uint32_t qlen() const = 0;
  virtual std::string describe() const = 0;  // in tc's words: "netem limit 1000 delay 20ms"
};

// pfifo_fast: three bands by TOS priority (as Linux's prio2band with the default priomap), each a FIFO; `limit` packets
// altogether (Linux: txqueuelen, 1000). Overflow: QDISC_OVERLIMIT.
std::unique_ptr<Qdisc> make_pfifo_fast(net&, uint32_t limit = 1000);

// pfifo: one FIFO of at most `limit` packets. Overflow: QDISC_OVERLIMIT.
std::unique_ptr<Qdisc> make_pfifo(uint32_t limit = 1000);

// What netem does to packets; rates in bits per second, probabilities 0 to 1. Units and defaults as in tc-netem(8).
struct NetemConfig {
  Duration delay{}, jitter{};
  double delay_correlation = 0;
  enum class Distribution { uniform, normal } distribution = Distribution::uniform;
  double loss = 0, loss_correlation = 0;
  double duplicate = 0, duplicate_correlation = 0;
  double corrupt = 0, corrupt_correlation = 0;
  double reorder = 0, reorder_correlation = 0;
  uint32_t gap = 0;       // with reorder: every gap-th packet is sent at once
  uint64_t rate = 0;      // 0: no limit
  uint32_t limit = 1000;  // packets
  bool operator==(const NetemConfig&) const = default;
};
std::unique_ptr<Qdisc> make_netem(net&, const NetemConfig&, uint64_t seed);

// Parses netem's own words: "delay 20ms 5ms 25% distribution normal loss 2% duplicate 1% corrupt 0.1% reorder 25% 50%
// gap 5 rate 100mbit limit 5000". On bad text: one line that names the word and what was expected.
std::expected<NetemConfig, std::string> parse_netem(std::string_view words);
// The way back: words that parse_netem() turns into an equal configuration.
std::string format_netem(const NetemConfig&);

// A link of finite speed behind a FIFO.
struct LinkQueueConfig {
  uint64_t rate = 0;      // bits a second
  uint32_t limit = 1000;  // packets
  uint32_t ecn = 0;       // mark from so many waiting packets on; 0: never
};
std::unique_ptr<Qdisc> make_link_queue(net&, const LinkQueueConfig&);
std::expected<LinkQueueConfig, std::string> parse_link_queue(
    std::string_view words);  // "rate 100mbit limit 333 ecn 65"

// "pfifo_fast", "pfifo [limit N]", "noqueue" (null) or "netem ...".
std::expected<std::unique_ptr<Qdisc>, std::string> make_qdisc(net&, std::string_view words, uint64_t seed);

}  // namespace glass
