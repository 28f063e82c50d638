#include "skb/gso.h"

#include <algorithm>
#include <optional>

#include "base/checksum.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp.h"

namespace glass {

namespace {

constexpr uint32_t kSegmentHeadroom = 32;  // for a link header that is pushed later
constexpr uint8_t kTcp = static_cast<uint8_t>(IpProto::TCP);

// Where headers begin, counted from the packet's data; what lies before `network` is the link header.
struct HeaderPlaces {
  uint32_t network, transport, payload;
  bool v4;
};

std::optional<HeaderPlaces> tcp_place(sk_buff& s, uint32_t network, uint32_t transport, bool v4) {
  if (!pskb_pull(s, transport + sizeof(tcphdr))) return std::nullopt;
  const size_t doff = reinterpret_cast<const tcphdr*>(s.data + transport)->doff();
  const auto payload = static_cast<uint32_t>(transport + doff);
  if (doff < sizeof(tcphdr) || !pskb_pull(s, payload)) return std::nullopt;
  return HeaderPlaces{network, transport, payload, v4};
}

// Finds and checks the headers and makes them linear; nothing if this is no TCP packet of IPv4 or IPv6.
std::optional<HeaderPlaces> find_headers(sk_buff& s) {
  if (s.gso_size == 0 || s.head + s.network_header < s.data) return std::nullopt;
  const auto network = static_cast<uint32_t>(s.head + s.network_header - s.data);
  if (!pskb_pull(s, network + sizeof(iphdr))) return std::nullopt;
  const auto* iph = reinterpret_cast<const iphdr*>(s.data + network);
  if (iph->version() == 4) {
    if (iph->ihl() < sizeof(iphdr) || iph->protocol != IpProto::TCP || iph->is_fragment()) return std::nullopt;
    return tcp_place(s, network, network + static_cast<uint32_t>(iph->ihl()), true);
  }
  if (iph->version() != 6 || !pskb_pull(s, network + sizeof(ipv6hdr))) return std::nullopt;
  if (reinterpret_cast<const ipv6hdr*>(s.data + network)->nexthdr != IpProto::TCP) return std::nullopt;
  return tcp_place(s, network, network + sizeof(ipv6hdr), false);
}

// Hands out the payload of a packet from front to back. Blocks are shared; only payload that stands inside the sk_buff
// itself, or would make one fragment too many, is copied.
class PayloadReader {
 public:
  PayloadReader(sk_buff& s, uint32_t header_size)
      : s_(s),
        linear_(s.data + header_size),
        linear_left_(s.headlen() - header_size),
        share_linear_(s.block && s.nr_frags < MAX_SKB_FRAGS) {}

  // How many of the next n bytes take() will copy.
  uint32_t copied_of(uint32_t n) const { return share_linear_ ? 0 : std::min(n, linear_left_); }

  void take(const Skb& to, uint32_t n) {
    if (linear_left_) [[unlikely]]
      n -= take_linear(to, std::min(n, linear_left_));
    while (n) {
      const skb_frag& f = s_.frag_at(frag_);
      const uint32_t size = std::min(n, f.size - offset_);
      f.block->get();
      skb_add_frag(to, f.block, f.offset + offset_, size);
      n -= size;
      offset_ += size;
      if (offset_ == f.size) ++frag_, offset_ = 0;
    }
  }

 private:
  uint32_t take_linear(const Skb& to, uint32_t n) {
    if (share_linear_) {
      s_.block->get();
      skb_add_frag(to, s_.block, static_cast<uint32_t>(linear_ - s_.block->data()), n);
    } else {
      std::memcpy(skb_put(to, n), linear_, n);
    }
    linear_ += n;
    linear_left_ -= n;
    return n;
  }

  sk_buff& s_;
  const uint8_t* linear_;
  uint32_t linear_left_;
  const bool share_linear_;
  unsigned frag_ = 0;
  uint32_t offset_ = 0;
};

class Segmenter {
 public:
  Segmenter(sk_buff& s, const HeaderPlaces& at) : s_(s), at_(at), payload_(s, at.payload) {
    const uint8_t* const ip = s.data + at.network;
    if (at.v4) {
      const auto* iph = reinterpret_cast<const iphdr*>(ip);
      ip_id_ = ntohs(iph->id);
      // One's-complement sums: what the segments have in common is added once, and fields are taken out by adding their
      // complement.
      header_sum_ = csum_partial(iph, iph->ihl(), 0);
      for (const uint16_t field : {iph->id, iph->tot_len, iph->check})
        header_sum_ = csum_add(header_sum_, static_cast<uint16_t>(~field));
      pseudo_sum_ = csum_pseudo(IpAddress::v4_from_wire(iph->saddr), IpAddress::v4_from_wire(iph->daddr), 0, kTcp, 0);
    } else {
      const auto* ip6 = reinterpret_cast<const ipv6hdr*>(ip);
      pseudo_sum_ = csum_pseudo(ip6->source(), ip6->destination(), 0, kTcp, 0);
    }
    seq_ = reinterpret_cast<const tcphdr*>(s.data + at.transport)->seq_nr().v;
  }

  // The segment with `size` bytes of payload that begin at `offset` of the whole.
  Skb segment(uint32_t offset, uint32_t size, bool last) {
    Skb seg = alloc_skb(*s_.pool, *s_.trace, at_.payload + payload_.copied_of(size), kSegmentHeadroom);
    std::memcpy(skb_put(seg, at_.payload), s_.data, at_.payload);
    payload_.take(seg, size);
    describe(seg, size);
    if (at_.v4)
      finish_ipv4(seg, size);
    else
      finish_ipv6(seg, size);
    finish_tcp(seg, offset, size, last);
    return seg;
  }

 private:
  void describe(const Skb& seg, uint32_t size) const {
    seg->id = s_.id;  // for traces the segments are still the same packet
    seg->dev = s_.dev;
    seg->tstamp = s_.tstamp;
    seg->protocol = s_.protocol;
    seg->pkt_type = s_.pkt_type;
    seg->truesize = SKB_TRUESIZE(at_.payload) + size;
    skb_reset_mac_header(seg);
    skb_set_network_header(seg, static_cast<int>(at_.network));
    seg->transport_header = static_cast<uint16_t>(seg->mac_header + at_.transport);
    seg->ip_summed = IpSummed::partial;
    seg->csum_start = seg->transport_header;
    seg->csum_offset = offsetof(tcphdr, check);
  }

  void finish_ipv4(const Skb& seg, uint32_t size) {
    auto* iph = reinterpret_cast<iphdr*>(seg->network());
    iph->tot_len = htons(static_cast<uint16_t>(at_.payload - at_.network + size));
    iph->id = htons(ip_id_++);
    iph->check = csum_fold(csum_add(csum_add(header_sum_, iph->tot_len), iph->id));
  }

  void finish_ipv6(const Skb& seg, uint32_t size) const {
    reinterpret_cast<ipv6hdr*>(seg->network())->payload_len =
        htons(static_cast<uint16_t>(at_.payload - at_.network - sizeof(ipv6hdr) + size));
  }

  void finish_tcp(const Skb& seg, uint32_t offset, uint32_t size, bool last) const {
    auto* th = reinterpret_cast<tcphdr*>(seg->transport());
    th->seq = htonl(seq_ + offset);
    if (offset) th->flags &= static_cast<uint8_t>(~TCPHDR_CWR);
    if (!last) th->flags &= static_cast<uint8_t>(~(TCPHDR_FIN | TCPHDR_PSH));
    const auto tcp_size = static_cast<uint16_t>(at_.payload - at_.transport + size);
    th->check = static_cast<uint16_t>(~csum_fold(csum_add(pseudo_sum_, htons(tcp_size))));
    if (s_.ip_summed == IpSummed::partial) return;
    skb_checksum_help(seg);
    seg->ip_summed = s_.ip_summed;
  }

  sk_buff& s_;
  const HeaderPlaces at_;
  PayloadReader payload_;
  uint32_t header_sum_ = 0;  // of the IPv4 header without id, total length and checksum
  uint32_t pseudo_sum_ = 0;  // of TCP's pseudo header without the length
  uint32_t seq_ = 0;
  uint16_t ip_id_ = 0;
};

}  // namespace

void skb_segment(Skb skb, sk_buff_head& out) {
  PROBE(*skb->trace, skb);
  const std::optional<HeaderPlaces> at = find_headers(*skb);
  if (!at) return kfree_skb_reason(std::move(skb), DROP(SKB_GSO_SEG));
  const uint32_t payload = skb->len - at->payload;
  const uint32_t mss = skb->gso_size;
  if (payload <= mss) {
    skb->gso_size = skb->gso_segs = 0;
    return out.push_back(std::move(skb));
  }
  Segmenter segmenter(*skb, *at);
  for (uint32_t offset = 0; offset < payload; offset += mss)
    out.push_back(segmenter.segment(offset, std::min(mss, payload - offset), offset + mss >= payload));
  consume_skb(std::move(skb));
}

}  // namespace glass
