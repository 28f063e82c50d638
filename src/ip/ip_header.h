// The IPv4 header of a packet whose network header is set, and its checksum without a call for the usual 20 bytes.
#pragma once
#include "skb/skb.h"
#include "wire/ipv4.h"

namespace glass {

inline iphdr* ip_hdr(const sk_buff& skb) { return reinterpret_cast<iphdr*>(skb.network()); }
inline iphdr* ip_hdr(const Skb& skb) { return ip_hdr(*skb); }

// As ip_fast_csum(): 0 for a right header, the checksum for one whose field is 0.
inline uint16_t ip_header_csum(const iphdr* iph) {
  if (iph->ihl_words() != 5) [[unlikely]]
    return ip_fast_csum(iph);
  // By words no wider than the header was written in: wider loads would wait for the stores.
  const auto word = [iph](size_t i) {
    uint32_t w;
    std::memcpy(&w, reinterpret_cast<const uint8_t*>(iph) + 4 * i, sizeof w);
    return uint64_t{w};
  };
  const uint64_t sum = word(0) + word(1) + word(2) + word(3) + word(4);
  return csum_fold(csum_add(static_cast<uint32_t>(sum), static_cast<uint32_t>(sum >> 32)));
}

}  // namespace glass
