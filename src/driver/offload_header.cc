#include "driver/offload_header.h"

namespace glass {

namespace {

constexpr uint32_t kTcpHeader = 20, kTcpDataOffset = 12, kTcpFlags = 13;
constexpr uint8_t kCwr = 0x80;

// Length of the headers up to the TCP payload, with the TCP header at `tcp`; 0 if there cannot be one.
uint32_t tcp_payload_offset(const sk_buff& skb, uint32_t tcp) {
  return tcp + kTcpHeader <= skb.headlen() ? tcp + (skb.data[tcp + kTcpDataOffset] >> 4) * 4u : 0;
}

}  // namespace

virtio_net_hdr make_offload_header(const sk_buff& skb) {
  virtio_net_hdr h;
  if (skb.ip_summed != IpSummed::partial) return h;
  h.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
  h.csum_start = static_cast<uint16_t>(skb.csum_start - skb_headroom(skb));
  h.csum_offset = skb.csum_offset;
  if (!skb.is_gso()) return h;
  const uint32_t headers = tcp_payload_offset(skb, h.csum_start);
  if (headers == 0) return h;
  h.gso_type = skb.network()[0] >> 4 == 6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
  if (skb.data[h.csum_start + kTcpFlags] & kCwr) h.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
  h.gso_size = skb.gso_size;
  h.hdr_len = static_cast<uint16_t>(headers);
  return h;
}

void apply_offload_header(const Skb& skb, const virtio_net_hdr& h) {
  if (h.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
    skb->csum_start = static_cast<uint16_t>(skb_headroom(*skb) + h.csum_start);
    skb->csum_offset = h.csum_offset;
  }
  if (h.flags & (VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID)) skb->ip_summed = IpSummed::unnecessary;
  const unsigned type = h.gso_type & ~VIRTIO_NET_HDR_GSO_ECN;
  if ((type != VIRTIO_NET_HDR_GSO_TCPV4 && type != VIRTIO_NET_HDR_GSO_TCPV6) || h.gso_size == 0) return;
  // hdr_len is not used: the kernel puts the size of its own linear part there.
  const uint32_t headers = tcp_payload_offset(*skb, h.csum_start);
  if (headers == 0 || headers >= skb->len) return;
  skb->gso_size = h.gso_size;
  skb->gso_segs = static_cast<uint16_t>((skb->len - headers + h.gso_size - 1) / h.gso_size);
}

}  // namespace glass
