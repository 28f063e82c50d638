// ICMP (RFC 792, RFC 1122 section 3.2.2): answers echo and timestamp requests, hands errors to the transport they are
// about, and sends errors within Linux's limits. icmp.cc receives, icmp_send.cc sends, this object keeps the limits and
// who waits for echo replies.
#pragma once
#include <unordered_map>

#include "ip/hash.h"
#include "ip/ip.h"
#include "wire/ipv4.h"

namespace glass {

class Icmp {
 public:
  explicit Icmp(Ip& ip) : ip_(ip) {}

  // Whether the limits allow a message of this type now; which destination it goes to is asked for once the route is
  // known.
  bool icmpv4_global_allow(uint8_t type, uint8_t code);
  bool icmpv4_xrlim_allow(const dst_entry&, uint8_t type, uint8_t code);

  std::unordered_map<uint16_t, Ip::EchoReply> pings;  // by identifier, host order

 private:
  static constexpr size_t kMaxPeers = 4096;
  static constexpr int kBurst = 6;  // messages to one host at once
  struct Bucket {
    Duration tokens{};
    Instant last{};
  };
  bool limited(uint8_t type, uint8_t code) const;

  Ip& ip_;
  bool started_ = false;
  int64_t credit_ = 0;  // messages
  Instant refilled_{};
  std::unordered_map<IpAddress, Bucket, IpAddressHash> peers_;
};

// Handler for IPPROTO_ICMP; `ctx` is the Ip. Data at the ICMP header.
void icmp_rcv(void* ctx, Skb);

// What to answer, and to whom: the header's second word in network order, the bytes behind it.
struct IcmpReply {
  uint8_t type, code;
  uint32_t rest;
};
// Answers `skb` (network header set). The body is what `skb` holds from its data on, after `head` (may be empty).
void icmp_reply(Ip&, const Skb& skb, const IcmpReply&, std::span<const uint8_t> head, bool with_data);

// Sends a finished ICMP message body (header room and all) after its checksum is set.
Result<void> icmp_push_reply(Ip&, Skb, dst_entry*, const IpAddress& saddr, const IpTx&);

}  // namespace glass
