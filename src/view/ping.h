// The lines of ping(8).
//
//   PingStatistics s;   s.sent();   s.received(812us);   fmt::print("{}", format_ping_summary("10.0.0.1", s, elapsed));
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/ip_address.h"
#include "base/time.h"
#include "view/json.h"

namespace glass {

class PingStatistics {
 public:
  void sent() { ++transmitted_; }
  void duplicate() { ++duplicates_; }
  void received(Duration rtt);

  uint64_t transmitted() const { return transmitted_; }
  uint64_t replies() const { return received_; }
  uint64_t duplicates() const { return duplicates_; }
  unsigned loss_percent() const;
  Duration min() const { return min_; }
  Duration max() const { return max_; }
  Duration average() const;
  Duration deviation() const;  // as ping prints it: root of the mean of squares less the square of the mean

 private:
  uint64_t transmitted_ = 0, received_ = 0, duplicates_ = 0;
  Duration min_{}, max_{};
  double sum_ = 0, squares_ = 0;  // nanoseconds
};

std::string format_ping_start(std::string_view host, const IpAddress&, size_t size);
std::string format_ping_reply(const IpAddress& from, size_t size, unsigned sequence, unsigned ttl, Duration rtt,
                              bool duplicate);
std::string format_ping_summary(std::string_view host, const PingStatistics&, Duration elapsed);
Json to_json(const PingStatistics&, const IpAddress&, Duration elapsed);

}  // namespace glass
