// The header the kernel puts before each frame of a TUN or TAP device, and wants to see before ours: what is left to be
// done to the frame (OASIS Virtio 1.2 section 5.1.6, legacy layout, host byte order). Written down here because
// linux/virtio_net.h uses a C++ keyword as a name.
//
//   virtio_net_hdr header = make_offload_header(*skb);      // packet -> header, before writing
//   apply_offload_header(skb, header);                      // header -> packet, after reading
#pragma once
#include "skb/skb.h"

namespace glass {

struct virtio_net_hdr {
  uint8_t flags = 0, gso_type = 0;
  uint16_t hdr_len = 0;                      // headers up to the TCP payload; a hint only
  uint16_t gso_size = 0;                     // payload bytes a segment
  uint16_t csum_start = 0, csum_offset = 0;  // from the start of the frame; from csum_start
};
static_assert(sizeof(virtio_net_hdr) == 10);

inline constexpr uint8_t VIRTIO_NET_HDR_F_NEEDS_CSUM = 1, VIRTIO_NET_HDR_F_DATA_VALID = 2;
inline constexpr uint8_t VIRTIO_NET_HDR_GSO_NONE = 0, VIRTIO_NET_HDR_GSO_TCPV4 = 1, VIRTIO_NET_HDR_GSO_TCPV6 = 4;
inline constexpr uint8_t VIRTIO_NET_HDR_GSO_ECN = 0x80;  // the TCP header has CWR set

// data is at the start of the frame in both. The headers up to TCP's are linear, or the packet is taken as no GSO
// packet.
virtio_net_hdr make_offload_header(const sk_buff&);
// An unfinished checksum counts as verified: the frame has not been on any wire.
void apply_offload_header(const Skb&, const virtio_net_hdr&);

}  // namespace glass
