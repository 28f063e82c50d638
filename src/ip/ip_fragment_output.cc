#include <algorithm>

#include "ip/ip_header.h"
#include "ip/ip_options.h"
#include "ip/ip_output.h"

namespace glass {

namespace {

// One fragment: the header of `whole` and `size` bytes of its payload from `offset` on (RFC 791 section 3.2).
Skb make_fragment(const Skb& whole, uint32_t offset, uint32_t size, bool more) {
  const iphdr* from = ip_hdr(whole);
  const auto ihl = static_cast<uint32_t>(from->ihl());
  Skb skb = alloc_skb(*whole->pool, *whole->trace, ihl + size);
  uint8_t* to = skb_put(skb, ihl + size);
  std::memcpy(to, from, ihl);
  skb_copy_bits(*whole, ihl + offset, to + ihl, size);
  skb_reset_network_header(skb);
  skb->dev = whole->dev;
  skb->protocol = whole->protocol;
  skb->id = whole->id;
  auto* iph = reinterpret_cast<iphdr*>(to);
  const auto start = static_cast<uint32_t>(from->fragment_offset()) + offset;
  iph->tot_len = htons(static_cast<uint16_t>(ihl + size));
  iph->frag_off = htons(static_cast<uint16_t>(start / 8 | (more ? IP_MF : 0)));
  if (offset) ip_options_fragment({to + sizeof(iphdr), ihl - sizeof(iphdr)});
  ip_send_check(iph);
  return skb;
}

}  // namespace

int ip_do_fragment(Ip& ip, Skb&& skb, dst_entry* dst, uint32_t mtu) {
  Trace& trace = ip.ns().trace;
  PROBE(trace, skb);
  if (!skb_checksum_help(skb)) {
    trace.count(Mib::IpFragFails);
    kfree_skb_reason(std::move(skb), DROP(SKB_CSUM));
    return EINVAL;
  }
  const auto ihl = static_cast<uint32_t>(ip_hdr(skb)->ihl());
  const uint32_t payload = skb->len - ihl;
  if (mtu < ihl + 8) {
    trace.count(Mib::IpFragFails);
    kfree_skb_reason(std::move(skb), DROP(PKT_TOO_BIG));
    return EMSGSIZE;
  }
  const uint32_t piece = (mtu - ihl) & ~7u;
  const bool more_follow = ip_hdr(skb)->more_fragments();
  int error = 0;
  for (uint32_t at = 0; at < payload; at += piece) {
    const bool last = payload - at <= mtu - ihl;
    Skb fragment = make_fragment(skb, at, last ? payload - at : piece, !last || more_follow);
    trace.count(Mib::IpFragCreates);
    if (const int e = ip_finish_output2(ip, std::move(fragment), dst)) error = e;
    if (last) break;
  }
  trace.count(error ? Mib::IpFragFails : Mib::IpFragOKs);
  consume_skb(std::move(skb));
  return error;
}

}  // namespace glass
