#include "base/checksum.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/rng.h"

namespace glass {
namespace {

// RFC 1071 as it is written: 16-bit words in network order, carries added back.
uint16_t naive_checksum(const uint8_t* p, size_t size, uint32_t sum = 0) {
  for (size_t i = 0; i < size; ++i) {
    sum += i % 2 ? p[i] : uint32_t{p[i]} << 8;
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<uint16_t>(~sum);
}

// The checksum's value, from a partial sum over bytes as they stand in memory.
uint16_t value_of(uint32_t sum) { return ntohs(csum_fold(sum)); }

std::vector<uint8_t> random_bytes(Rng& rng, size_t size) {
  std::vector<uint8_t> bytes(size);
  // Runs of ff and 00 provoke carries.
  const uint32_t kind = rng.below(4);
  for (uint8_t& b : bytes) b = kind == 0 ? 0xff : kind == 1 && rng.chance(0.9) ? 0 : static_cast<uint8_t>(rng.next());
  return bytes;
}

TEST(Checksum, ExampleOfRfc1071) {
  const uint8_t data[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  EXPECT_EQ(value_of(csum_partial(data, sizeof data, 0)), static_cast<uint16_t>(~0xddf2));
}

TEST(Checksum, KnownIpHeader) {
  uint8_t header[] = {0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11,
                      0x00, 0x00, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7};
  const uint16_t check = csum_fold(csum_partial(header, sizeof header, 0));
  EXPECT_EQ(ntohs(check), 0xb861);
  std::memcpy(header + 10, &check, 2);
  EXPECT_EQ(csum_fold(csum_partial(header, sizeof header, 0)), 0);
}

TEST(Checksum, AllSizesAndAlignmentsAgainstTheNaiveSum) {
  Rng rng(1);
  for (size_t size = 0; size <= 4096; ++size) {
    const size_t offset = size % 67;
    const auto bytes = random_bytes(rng, offset + size);
    const uint8_t* p = bytes.data() + offset;
    ASSERT_EQ(value_of(csum_partial(p, size, 0)), naive_checksum(p, size)) << "seed 1, size " << size;
  }
}

TEST(Checksum, EveryAlignmentOfSmallAndMiddleSizes) {
  Rng rng(2);
  for (size_t offset = 0; offset < 33; ++offset) {
    for (size_t size = 0; size < 300; ++size) {
      const auto bytes = random_bytes(rng, offset + size);
      const uint8_t* p = bytes.data() + offset;
      ASSERT_EQ(value_of(csum_partial(p, size, 0)), naive_checksum(p, size)) << "offset " << offset << " size " << size;
    }
  }
}

TEST(Checksum, LargeBlockOfOnesDoesNotOverflow) {
  const std::vector<uint8_t> bytes((1 << 20) + 1, 0xff);
  EXPECT_EQ(value_of(csum_partial(bytes.data(), bytes.size(), 0)), naive_checksum(bytes.data(), bytes.size()));
}

TEST(Checksum, CarriesAnEarlierSumOn) {
  Rng rng(3);
  for (int i = 0; i < 2000; ++i) {
    const auto bytes = random_bytes(rng, rng.below(2000));
    const size_t cut = rng.below(static_cast<uint32_t>(bytes.size()) + 1) & ~size_t{1};
    const uint32_t first = csum_partial(bytes.data(), cut, 0);
    const uint32_t both = csum_partial(bytes.data() + cut, bytes.size() - cut, first);
    ASSERT_EQ(value_of(both), naive_checksum(bytes.data(), bytes.size())) << "seed 3, round " << i;
  }
  EXPECT_EQ(csum_fold(csum_partial("\1", 1, 0xffffffff)), csum_fold(1));
  // Every width of the fold carries: ones are zero, and the 1 is left.
  const std::vector<uint8_t> ones(64, 0xff);
  for (size_t size = 2; size <= 64; size += 2) {
    EXPECT_EQ(csum_fold(csum_partial(ones.data(), size, 1)), csum_fold(1)) << size;
  }
}

TEST(Checksum, BlockAddJoinsAtOddOffsets) {
  Rng rng(4);
  for (int i = 0; i < 2000; ++i) {
    const auto bytes = random_bytes(rng, 1 + rng.below(600));
    const size_t cut = rng.below(static_cast<uint32_t>(bytes.size()));
    const uint32_t head = csum_partial(bytes.data(), cut, 0);
    const uint32_t tail = csum_partial(bytes.data() + cut, bytes.size() - cut, 0);
    ASSERT_EQ(value_of(csum_block_add(head, tail, cut)), naive_checksum(bytes.data(), bytes.size()))
        << "seed 4, round " << i << ", cut " << cut;
  }
}

TEST(Checksum, CopyIsACopyAndTheSameSum) {
  Rng rng(5);
  for (size_t size = 0; size <= 4096; size += size < 400 ? 1 : 13) {
    const size_t from = rng.below(40), to = rng.below(40);
    const auto source = random_bytes(rng, from + size);
    std::vector<uint8_t> destination(to + size + 40, 0xa5);
    const uint32_t start = rng.next_u32();
    const uint32_t sum = csum_and_copy(destination.data() + to, source.data() + from, size, start);
    ASSERT_EQ(csum_fold(sum), csum_fold(csum_partial(source.data() + from, size, start))) << "seed 5, size " << size;
    std::vector<uint8_t> expected(destination.size(), 0xa5);
    if (size > 0) std::memcpy(expected.data() + to, source.data() + from, size);
    ASSERT_EQ(destination, expected) << "seed 5, size " << size;
  }
}

TEST(Checksum, PseudoHeaderOfIpv4) {
  Rng rng(6);
  for (int i = 0; i < 2000; ++i) {
    const uint32_t source = rng.next_u32(), destination = rng.next_u32();
    const auto length = static_cast<uint16_t>(rng.next());
    const uint8_t protocol = rng.chance(0.5) ? 6 : 17;
    const uint32_t words[] = {htonl(source), htonl(destination), htonl(uint32_t{protocol} << 16 | length)};
    const auto* p = reinterpret_cast<const uint8_t*>(words);
    const uint32_t sum = csum_pseudo(IpAddress::v4(source), IpAddress::v4(destination), length, protocol, 0);
    ASSERT_EQ(value_of(sum), naive_checksum(p, 12)) << "seed 6, round " << i;
  }
}

TEST(Checksum, PseudoHeaderOfIpv6) {
  Rng rng(7);
  for (int i = 0; i < 2000; ++i) {
    uint8_t header[40] = {};
    IpAddress source, destination;
    for (uint8_t& b : source.bytes) b = static_cast<uint8_t>(rng.next());
    for (uint8_t& b : destination.bytes) b = static_cast<uint8_t>(rng.next());
    const uint32_t length = i % 2 ? rng.next_u32() : rng.below(65536), wire_length = htonl(length);
    std::memcpy(header, source.bytes.data(), 16);
    std::memcpy(header + 16, destination.bytes.data(), 16);
    std::memcpy(header + 32, &wire_length, 4);
    header[39] = 58;
    const uint32_t more = rng.next_u32();
    const uint16_t expected = csum_fold(csum_add(csum_partial(header, 40, 0), more));
    const uint32_t sum = csum_pseudo(source, destination, length, 58, 0);
    ASSERT_EQ(value_of(sum), naive_checksum(header, 40)) << "seed 7, round " << i;
    ASSERT_EQ(csum_fold(csum_pseudo(source, destination, length, 58, more)), expected) << "seed 7, round " << i;
  }
}

TEST(Checksum, Replace2EqualsSummingAgain) {
  Rng rng(8);
  for (int i = 0; i < 20000; ++i) {
    uint8_t header[20];
    for (uint8_t& b : header) b = static_cast<uint8_t>(rng.next());
    header[0] = 0x45;
    header[10] = header[11] = 0;
    const uint16_t check = csum_fold(csum_partial(header, 20, 0));
    uint16_t from, to = i % 8 ? static_cast<uint16_t>(rng.next()) : 0xffff;
    std::memcpy(&from, header + 8, 2);
    std::memcpy(header + 8, &to, 2);
    ASSERT_EQ(csum_replace2(check, from, to), csum_fold(csum_partial(header, 20, 0))) << "seed 8, round " << i;
  }
}

TEST(Checksum, Replace2OfRfc1624) {
  // Section 4: the case in which the formula of RFC 1141 gives ffff.
  EXPECT_EQ(csum_replace2(0xdd2f, 0x5555, 0x3285), 0x0000);
}

}  // namespace
}  // namespace glass
