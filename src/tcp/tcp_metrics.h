// What connections learn of a destination for those after them (Linux's tcp_metrics): round-trip time, threshold,
// window, reordering, and the Fast Open cookie. Entries are found by hash of both addresses and are given up oldest
// first when there are too many. `ip tcp_metrics flush all` is flush().
#pragma once
#include <list>
#include <unordered_map>

#include "tcp/tcp_fastopen.h"
#include "tcp/tcp_sock.h"

namespace glass {

struct tcp_fastopen_metrics {
  uint16_t mss = 0;
  uint16_t syn_loss = 0;  // SYNs with data lost in a row
  uint8_t try_exp = 0;    // 1: the experimental option next, 2: tried in vain
  Instant last_syn_loss{};
  tcp_fastopen_cookie cookie;
};

struct tcp_metrics_block {
  uint32_t rtt_us = 0, rttvar_us = 0;  // srtt scaled by 8, deviation by 4; 0: not known
  uint32_t ssthresh = 0, cwnd = 0, reordering = 0;
  tcp_fastopen_metrics fastopen;
};

class TcpMetrics {
 public:
  static constexpr size_t kMost = 1024;

  tcp_metrics_block* find(const IpAddress& saddr, const IpAddress& daddr);
  tcp_metrics_block& get(const IpAddress& saddr, const IpAddress& daddr);
  void flush();
  size_t size() const { return index_.size(); }

 private:
  struct Key {
    IpAddress saddr, daddr;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    size_t operator()(const Key& k) const;
  };
  struct Entry {
    Key key;
    tcp_metrics_block block;
  };
  std::list<Entry> entries_;  // oldest first
  std::unordered_map<Key, std::list<Entry>::iterator, Hash> index_;
};

}  // namespace glass
