// Packets for tests: random layouts over random bytes, and TCP packets whose checksums are right.
//
//   TestPacket p{.payload = 5000, .gso_size = 1448};   Skb skb = p.build(pool, trace, rng);
#pragma once
#include <algorithm>
#include <numeric>
#include <vector>

#include "base/rng.h"
#include "skb/skb.h"
#include "wire/ethernet.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp.h"

namespace glass::test {

using Bytes = std::vector<uint8_t>;

inline Bytes random_bytes(Rng& rng, size_t n) {
  Bytes b(n);
  for (uint8_t& x : b) x = static_cast<uint8_t>(rng.next());
  return b;
}

inline Bytes bytes_of(const sk_buff& s) {
  Bytes b(s.len);
  skb_copy_bits(s, 0, b.data(), s.len);
  return b;
}

inline void add_bytes_as_frag(const Skb& skb, const uint8_t* from, uint32_t n, uint32_t offset = 0) {
  DataBlock* block = skb->pool->alloc_block(offset + n);
  block->used = offset + n;
  std::memcpy(block->data() + offset, from, n);
  skb_add_frag(skb, block, offset, n);
}

// `bytes` in a packet of `linear` linear bytes and the rest in at most `frags` fragments of random sizes.
inline Skb lay_out(SkbPool& pool, Trace& trace, Rng& rng, const Bytes& bytes, uint32_t linear, unsigned frags,
                   uint32_t headroom = 64) {
  const auto size = static_cast<uint32_t>(bytes.size());
  linear = frags ? std::min(linear, size) : size;
  Skb skb = alloc_skb(pool, trace, linear, headroom);
  if (linear) std::memcpy(skb_put(skb, linear), bytes.data(), linear);
  uint32_t at = linear;
  for (unsigned left = frags; left && at < size; --left) {
    const uint32_t n = left == 1 ? size - at : 1 + rng.below(std::min(2 * (size - at) / left, size - at));
    add_bytes_as_frag(skb, bytes.data() + at, std::min(n, size - at), rng.below(40));
    at += std::min(n, size - at);
  }
  return skb;
}

struct TestPacket {
  uint32_t payload = 100;
  uint16_t gso_size = 0;
  bool v6 = false;
  bool link_header = false;
  bool partial = true;  // else the checksum is complete
  uint8_t flags = TCPHDR_ACK;
  uint32_t seq = 1000;
  uint16_t ip_id = 7;
  uint8_t tos = 0;
  uint32_t ip_options = 0, tcp_options = 12;  // bytes of NOPs
  unsigned frags = 3;
  uint32_t linear_payload = 0;  // bytes behind the headers that are linear; with frags 0 all of it

  uint32_t link_size() const { return link_header ? uint32_t{ETH_HLEN} : 0; }
  uint32_t ip_size() const { return v6 ? uint32_t{sizeof(ipv6hdr)} : uint32_t{sizeof(iphdr)} + ip_options; }
  uint32_t tcp_size() const { return uint32_t{sizeof(tcphdr)} + tcp_options; }
  uint32_t header_size() const { return link_size() + ip_size() + tcp_size(); }

  IpAddress source() const { return v6 ? *parse_ip("fd00::1") : IpAddress::v4(10, 0, 0, 1); }
  IpAddress destination() const { return v6 ? *parse_ip("fd00::2") : IpAddress::v4(10, 0, 0, 2); }

  Bytes bytes(Rng& rng) const {
    Bytes b(header_size(), 1);  // 1: NOP in both kinds of options
    const Bytes data = random_bytes(rng, payload);
    b.insert(b.end(), data.begin(), data.end());
    if (link_header) {
      auto* eth = reinterpret_cast<ethhdr*>(b.data());
      eth->set_dest({{2, 0, 0, 0, 0, 2}});
      eth->set_source({{2, 0, 0, 0, 0, 1}});
      eth->h_proto = htons(v6 ? ETH_P_IPV6 : ETH_P_IP);
    }
    write_ip(b.data() + link_size());
    write_tcp(b.data() + link_size() + ip_size());
    return b;
  }

  Skb build(SkbPool& pool, Trace& trace, Rng& rng) const {
    Skb skb = lay_out(pool, trace, rng, bytes(rng), header_size() + linear_payload, frags);
    skb_reset_mac_header(skb);
    skb_set_network_header(skb, static_cast<int>(link_size()));
    skb->transport_header = static_cast<uint16_t>(skb->network_header + ip_size());
    skb->protocol = v6 ? ETH_P_IPV6 : ETH_P_IP;
    skb->ip_summed = partial ? IpSummed::partial : IpSummed::none;
    skb->csum_start = skb->transport_header;
    skb->csum_offset = offsetof(tcphdr, check);
    skb->truesize = SKB_TRUESIZE(skb->len);
    skb->gso_size = gso_size;
    skb->gso_segs = gso_size ? static_cast<uint16_t>((payload + gso_size - 1) / gso_size) : uint16_t{0};
    return skb;
  }

 private:
  void write_ip(uint8_t* p) const {
    if (v6) {
      auto* ip6 = reinterpret_cast<ipv6hdr*>(p);
      ip6->set_ver_tc_flow(tos, 0);
      ip6->payload_len = htons(static_cast<uint16_t>(tcp_size() + payload));
      ip6->nexthdr = static_cast<uint8_t>(IpProto::TCP);
      ip6->hop_limit = 64;
      std::memcpy(ip6->saddr, source().bytes.data(), 16);
      std::memcpy(ip6->daddr, destination().bytes.data(), 16);
      return;
    }
    auto* iph = reinterpret_cast<iphdr*>(p);
    iph->set_version_ihl(ip_size());
    iph->tos = tos;
    iph->tot_len = htons(static_cast<uint16_t>(ip_size() + tcp_size() + payload));
    iph->id = htons(ip_id);
    iph->frag_off = htons(IP_DF);
    iph->ttl = 64;
    iph->protocol = static_cast<uint8_t>(IpProto::TCP);
    iph->saddr = source().v4_wire();
    iph->daddr = destination().v4_wire();
    ip_send_check(iph);
  }
  void write_tcp(uint8_t* p) const {
    auto* th = reinterpret_cast<tcphdr*>(p);
    th->source = htons(40000);
    th->dest = htons(80);
    th->seq = htonl(seq);
    th->ack_seq = htonl(5555);
    th->doff_res = 0;
    th->set_doff(tcp_size());
    th->flags = flags;
    th->window = htons(502);
    th->urg_ptr = 0;
    const uint32_t sum = csum_pseudo(source(), destination(), tcp_size() + payload, 6, 0);
    th->check = static_cast<uint16_t>(~csum_fold(sum));
    if (!partial) th->check = csum_fold(csum_partial(p, tcp_size() + payload, 0));
  }
};

// True if the TCP checksum of the packet (network header set) is right.
inline bool tcp_checksum_is_right(const sk_buff& s) {
  const Bytes b = bytes_of(s);
  const uint8_t* ip = b.data() + (s.head + s.network_header - s.data);
  const auto* iph = reinterpret_cast<const iphdr*>(ip);
  if (iph->version() == 4) {
    const auto size = static_cast<uint32_t>(ntohs(iph->tot_len) - iph->ihl());
    if (ip + iph->ihl() + size > b.data() + b.size()) return false;
    const auto from = IpAddress::v4_from_wire(iph->saddr), to = IpAddress::v4_from_wire(iph->daddr);
    return csum_fold(csum_partial(ip + iph->ihl(), size, csum_pseudo(from, to, size, 6, 0))) == 0;
  }
  const auto* ip6 = reinterpret_cast<const ipv6hdr*>(ip);
  const uint32_t size = ntohs(ip6->payload_len);
  if (ip + sizeof(ipv6hdr) + size > b.data() + b.size()) return false;
  return csum_fold(
             csum_partial(ip + sizeof(ipv6hdr), size, csum_pseudo(ip6->source(), ip6->destination(), size, 6, 0))) == 0;
}

}  // namespace glass::test
