// The Internet checksum (RFC 1071), in the pieces Linux's stack uses.
//
// A partial sum is a 32-bit one's-complement sum over 16-bit words as they stand in memory. It may be carried on from
// one piece of a packet to the next as long as every piece but the last has an even length. csum_fold() makes the 16
// bits that go into a header (stored as they are, no byte swap); a region that contains its right checksum folds to 0.
//
//   uint32_t sum = csum_partial(header, 20, 0);   ip.check = csum_fold(sum);
#pragma once
#include <cstddef>
#include <cstdint>

#include "base/ip_address.h"

namespace glass {

// Sum of `size` bytes added to `sum`. Uses AVX2 where the machine has it.
uint32_t csum_partial(const void* data, size_t size, uint32_t sum);

// Copies and sums in one pass: csum_partial(source, size, sum), with the bytes also written to `destination`.
uint32_t csum_and_copy(void* destination, const void* source, size_t size, uint32_t sum);

constexpr uint32_t csum_add(uint32_t a, uint32_t b) {
  uint32_t s = a + b;
  return s + (s < b);
}
// Sum of a piece that starts at an odd offset of the whole.
constexpr uint32_t csum_block_add(uint32_t sum, uint32_t piece, size_t offset) {
  return csum_add(sum, offset & 1 ? std::rotr(piece, 8) : piece);
}

constexpr uint16_t csum_fold(uint32_t sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

// Pseudo header of RFC 9293 section 3.1 / RFC 8200 section 8.1: addresses, length, protocol. Either family.
uint32_t csum_pseudo(const IpAddress& source, const IpAddress& destination, uint32_t length, uint8_t protocol,
                     uint32_t sum);

// RFC 1624: the header checksum after a 16-bit field (network order) changed from `from` to `to`.
constexpr uint16_t csum_replace2(uint16_t check, uint16_t from, uint16_t to) {
  return csum_fold(csum_add(csum_add(static_cast<uint16_t>(~check), static_cast<uint16_t>(~from)), to));
}

}  // namespace glass
