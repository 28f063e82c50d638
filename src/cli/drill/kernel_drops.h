// What the kernel says of a packet it drops while this thread hands it over: the tracepoint skb:kfree_skb, read through
// perf_event_open(2).
//
//   auto drops = KernelDrops::open();              // null where the machine does not allow it
//   drops->arm();   write(tun, packet);   drops->first()    // {"TCP_OLD_ACK", "tcp_ack"}
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "drill/target.h"

namespace glass {

// The tracepoint as this kernel describes it.
struct DropTracepoint {
  uint64_t id = 0;
  size_t location = 0, protocol = 0, reason = 0;  // offsets in the record
  std::map<uint32_t, std::string> reasons{};
};
// From the files `id` and `format` of the event; nothing if they are not as expected.
std::optional<DropTracepoint> parse_drop_tracepoint(const std::string& id, const std::string& format);

class KernelDrops {
 public:
  static std::unique_ptr<KernelDrops> open();
  ~KernelDrops();
  KernelDrops(const KernelDrops&) = delete;
  KernelDrops& operator=(const KernelDrops&) = delete;

  void arm();                                // forgets what was before
  std::optional<drill::DropReport> first();  // the first IP packet dropped since, on the thread that opened this

 private:
  KernelDrops(int fd, void* ring, DropTracepoint t) : fd_(fd), ring_(ring), tracepoint_(std::move(t)) {}
  int fd_;
  void* ring_;
  DropTracepoint tracepoint_;
};

}  // namespace glass
