#include "driver/offload_header.h"

#include <gtest/gtest.h>

#include "driver/test_host.h"

namespace glass {
namespace {

constexpr uint32_t kIpHeader = 20, kTcpHeader = 32;

// An IPv4 or IPv6 TCP packet behind `link` bytes of link header, its checksum left partial.
Skb tcp_packet(SkbPool& pool, Trace& trace, uint32_t link, uint32_t payload, uint8_t flags, bool v6 = false) {
  const uint32_t ip = v6 ? 40 : kIpHeader;
  Skb skb = alloc_skb(pool, trace, link + ip + kTcpHeader + payload);
  const uint32_t size = link + ip + kTcpHeader + payload;
  std::memset(skb_put(skb, size), 0, size);
  skb->data[link] = v6 ? 0x60 : 0x45;
  skb->data[link + ip + 12] = (kTcpHeader / 4) << 4;
  skb->data[link + ip + 13] = flags;
  skb_set_network_header(skb, static_cast<int>(link));
  skb->ip_summed = IpSummed::partial;
  skb->csum_start = static_cast<uint16_t>(skb_headroom(*skb) + link + ip);
  skb->csum_offset = 16;
  return skb;
}

class OffloadHeader : public testing::Test {
 protected:
  SkbPool pool;
  Trace trace;
};

TEST_F(OffloadHeader, FinishedPacketNeedsNothing) {
  Skb skb = tcp_packet(pool, trace, 0, 10, 0x18);
  skb->ip_summed = IpSummed::none;
  const virtio_net_hdr h = make_offload_header(*skb);
  EXPECT_EQ(h.flags, 0);
  EXPECT_EQ(h.gso_type, VIRTIO_NET_HDR_GSO_NONE);
  consume_skb(std::move(skb));
}

TEST_F(OffloadHeader, PartialChecksumCountsFromTheFrameStart) {
  Skb skb = tcp_packet(pool, trace, 14, 10, 0x18);
  const virtio_net_hdr h = make_offload_header(*skb);
  EXPECT_EQ(h.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
  EXPECT_EQ(h.csum_start, 34);
  EXPECT_EQ(h.csum_offset, 16);
  EXPECT_EQ(h.gso_type, VIRTIO_NET_HDR_GSO_NONE);
  consume_skb(std::move(skb));
}

TEST_F(OffloadHeader, LargePacketTellsSegmentSizeAndHeaders) {
  for (const bool v6 : {false, true}) {
    Skb skb = tcp_packet(pool, trace, 14, 5000, 0x98, v6);  // with CWR
    skb->gso_size = 1448;
    const virtio_net_hdr h = make_offload_header(*skb);
    EXPECT_EQ(h.gso_type, (v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4) | VIRTIO_NET_HDR_GSO_ECN);
    EXPECT_EQ(h.gso_size, 1448);
    EXPECT_EQ(h.hdr_len, 14 + (v6 ? 40 : 20) + 32);
    consume_skb(std::move(skb));
  }
}

TEST_F(OffloadHeader, ReceivedPacketKnowsItsSegments) {
  Skb skb = tcp_packet(pool, trace, 14, 5000, 0x18);
  skb->ip_summed = IpSummed::none;
  skb->csum_start = 0;
  apply_offload_header(skb, {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                             .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
                             .hdr_len = 2000,
                             .gso_size = 1448,
                             .csum_start = 34,
                             .csum_offset = 16});
  EXPECT_EQ(skb->ip_summed, IpSummed::unnecessary);
  EXPECT_EQ(skb->gso_size, 1448);
  EXPECT_EQ(skb->gso_segs, 4) << "4 segments carry 5000 bytes, whatever the hint hdr_len says";
  EXPECT_EQ(skb->head + skb->csum_start, skb->data + 34);
  consume_skb(std::move(skb));
}

TEST_F(OffloadHeader, VerifiedPacketIsTrustedAndUnverifiedIsNot) {
  Skb skb = tcp_packet(pool, trace, 0, 10, 0x18);
  skb->ip_summed = IpSummed::none;
  apply_offload_header(skb, {});
  EXPECT_EQ(skb->ip_summed, IpSummed::none);
  apply_offload_header(skb, {.flags = VIRTIO_NET_HDR_F_DATA_VALID});
  EXPECT_EQ(skb->ip_summed, IpSummed::unnecessary);
  consume_skb(std::move(skb));
}

TEST_F(OffloadHeader, NonsenseMakesNoLargePacket) {
  Skb skb = tcp_packet(pool, trace, 0, 100, 0x18);
  for (const uint16_t start : {uint16_t{200}, uint16_t{65535}, uint16_t{140}})
    apply_offload_header(skb, {.gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 10, .csum_start = start});
  apply_offload_header(skb, {.gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 0, .csum_start = 20});
  apply_offload_header(skb, {.gso_type = 3, .gso_size = 10, .csum_start = 20});  // UDP fragments: never asked for
  EXPECT_EQ(skb->gso_size, 0);
  consume_skb(std::move(skb));
}

}  // namespace
}  // namespace glass
