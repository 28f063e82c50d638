// The tables of a stack's TCP: connections by address pair, listeners and bound sockets by port.
#pragma once
#include <array>
#include <memory>
#include <unordered_map>
#include <vector>

#include "tcp/tcp_sock.h"

namespace glass {

// How many connections use each local port, in pages that are made when first needed.
class PortUsers {
 public:
  uint32_t& operator[](uint16_t port) {
    auto& page = pages_[port >> 8];
    if (!page) page = std::make_unique<Page>();
    return (*page)[port & 255];
  }
  bool any(uint16_t port) const { return pages_[port >> 8] && (*pages_[port >> 8])[port & 255]; }

 private:
  using Page = std::array<uint32_t, 256>;
  std::array<std::unique_ptr<Page>, 256> pages_{};
};

struct inet_hashinfo {
  inet_hashinfo() : ehash(1024) {}

  // --- connections (full, half-open, TIME_WAIT)
  uint32_t ehashfn(const net&, const IpAddress& local, uint16_t lport, const IpAddress& remote, uint16_t rport) const;
  sock_common* lookup_established(uint32_t hash, const IpAddress& local, uint16_t lport, const IpAddress& remote,
                                  uint16_t rport) const;
  void insert(sock_common*);  // skc_hash must be set
  void remove(sock_common*);  // no effect if it is not in
  uint32_t size() const { return ehash_count; }

  // --- listeners: exact address before any
  tcp_sock* lookup_listener(const IpAddress& local, uint16_t lport) const;
  void add_listener(tcp_sock*);
  void remove_listener(tcp_sock*);

  // --- bound ports. Connections hold theirs as well, until they are out of TIME_WAIT.
  bool bind_conflict(const tcp_sock*, const IpAddress& local, uint16_t port) const;
  void bind(tcp_sock*, uint16_t port);  // sets skc_num
  void unbind(tcp_sock*);
  bool port_is_bound(uint16_t port) const { return bhash.contains(port); }

  std::vector<sock_common*> ehash;  // buckets; a power of two, doubled when full
  uint32_t ehash_count = 0;
  std::unordered_map<uint16_t, std::vector<tcp_sock*>> lhash, bhash;

 private:
  void grow();
  bool connection_conflict(const tcp_sock*, const IpAddress& local, uint16_t port) const;
  PortUsers users_;
};

}  // namespace glass
