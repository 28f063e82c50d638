// Reassembly of IPv4 datagrams (RFC 791 section 3.2, RFC 1122 section 3.3.2; overlaps by RFC 5722 section 4's rule, as
// Linux has it for both families).
//
//   if (Skb whole = ip_defrag(ip, std::move(fragment))) deliver(std::move(whole));
//
// Fragments of a datagram wait in a tree ordered by offset, until all are there, 30 seconds have passed, or one of them
// cannot be right. A repeated fragment is dropped alone; one that overlaps others in part condemns the datagram. All
// that waits is limited by ipfrag_high_thresh.
#pragma once
#include <memory>
#include <unordered_map>

#include "base/timer_wheel.h"
#include "ip/hash.h"
#include "ip/ip.h"

namespace glass {

struct FragmentKey {
  uint64_t addresses = 0;  // source and destination as they stand in the packet
  uint16_t id = 0;
  uint8_t protocol = 0;
  bool operator==(const FragmentKey&) const = default;
};

struct FragmentKeyHash {
  uint64_t seed = 0;  // senders choose the key: they must not choose the bucket
  size_t operator()(const FragmentKey& k) const {
    return hash_mix(seed ^ k.addresses, uint64_t{k.id} << 8 | k.protocol);
  }
};

class FragmentQueue;

class FragmentTable {
 public:
  explicit FragmentTable(Ip&);
  ~FragmentTable();
  FragmentTable(const FragmentTable&) = delete;
  FragmentTable& operator=(const FragmentTable&) = delete;

  FragmentQueue* find_or_make(const FragmentKey&);  // null: too much memory is held already
  void remove(FragmentQueue&);                      // it is empty
  void remove_device(const net_device&);
  size_t datagrams() const { return queues_.size(); }
  int64_t memory() const { return memory_; }  // truesize of all that waits
  void charge(int64_t bytes) { memory_ += bytes; }

 private:
  Ip& ip_;
  std::unordered_map<FragmentKey, std::unique_ptr<FragmentQueue>, FragmentKeyHash> queues_;
  int64_t memory_ = 0;
};

// Takes a fragment. Yields the whole datagram when this one completes it, IP header in front; otherwise nothing.
Skb ip_defrag(Ip&, Skb fragment);

}  // namespace glass
