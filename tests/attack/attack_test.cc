// Peers that mean ill.
#include <gtest/gtest.h>

#include <algorithm>

#include "support/raw_host.h"

namespace glass {
namespace {

using test::Bytes;

Bytes sack_option(uint32_t left, uint32_t right) {
  Bytes o{1, 1, 5, 10};
  for (uint32_t v : {left, right})
    for (int shift = 24; shift >= 0; shift -= 8) o.push_back(static_cast<uint8_t>(v >> shift));
  return o;
}

// A peer with a tiny MSS reports every other segment: each report cuts a large queued packet in two, and each piece
// costs more than the data it has (CVE-2019-11478).
TEST(Attack, SacksDoNotCutTheQueueIntoEverSmallerPieces) {
  constexpr uint32_t kMss = 48, kWrite = 12000, kWrites = 5;
  test::RawHost h;
  h.stack.ns().sysctl.tcp_min_tso_segs = 1000;
  test::RawConnection c(h, h.listen(80), 80, 40000, {2, 4, 0, kMss, 4, 2, 1, 1});
  Sockets& s = h.stack.sockets();
  ASSERT_TRUE(s.sys_setsockopt(c.fd, SOL_SOCKET, SO_SNDBUF, 40000));
  c.tcp().snd_cwnd = 5000;
  for (uint32_t i = 0; i < kWrites; ++i) ASSERT_EQ(*s.sys_sendto(c.fd, Bytes(kWrite), MSG_EOR), kWrite);
  ASSERT_TRUE(h.settle());
  int32_t most = c.tcp().sk_wmem_queued;
  for (uint32_t at = kWrite + kMss; at < kWrite * (kWrites - 1); at += 2 * kMss) {
    h.put_in(c.segment({.options = sack_option(c.ack + at, c.ack + at + kMss)}));
    most = std::max(most, c.tcp().sk_wmem_queued);
  }
  EXPECT_GT(h.stack.trace().value(Mib::TcpExtTCPWqueueTooBig), 0u);
  EXPECT_LT(most, 2 * (c.tcp().sk_sndbuf + 2 * 66112) + 1000) << "a full buffer and two large packets, twice";
}

}  // namespace
}  // namespace glass
