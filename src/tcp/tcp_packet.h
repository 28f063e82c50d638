// What TCP needs to know of the IP header below a segment, of either family.
#pragma once
#include "skb/skb.h"
#include "wire/ipv4.h"

namespace glass {

inline const iphdr& ip_hdr(const sk_buff& s) { return *reinterpret_cast<const iphdr*>(s.network()); }
inline IpAddress ip_saddr(const sk_buff& s) { return IpAddress::v4_from_wire(ip_hdr(s).saddr); }
inline IpAddress ip_daddr(const sk_buff& s) { return IpAddress::v4_from_wire(ip_hdr(s).daddr); }
inline uint8_t ip_dsfield(const sk_buff& s) { return ip_hdr(s).tos; }
// Of what answers a segment without a connection: as the segment itself, ECN apart.
inline uint8_t ip_reply_tos(const sk_buff& s) { return static_cast<uint8_t>(ip_hdr(s).tos & ~INET_ECN_MASK); }
inline uint8_t ip_ttl(const sk_buff& s) { return ip_hdr(s).ttl; }

}  // namespace glass
