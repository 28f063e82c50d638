// SipHash-2-4 (Aumasson, Bernstein 2012): the keyed hash behind initial sequence numbers, timestamps offsets and
// cookies.
#pragma once
#include <cstddef>
#include <cstdint>

namespace glass {

struct SipKey {
  uint64_t k0 = 0, k1 = 0;
};

uint64_t siphash(const SipKey&, const void* data, size_t size);

// A cheap keyed mix of words for hash tables whose keys an attacker may choose (demultiplexing). Not for secrets on the
// wire.
constexpr uint64_t hash_mix(uint64_t seed, uint64_t word) {
  __extension__ using u128 = unsigned __int128;
  u128 m = static_cast<u128>(seed ^ word) * 0x9e3779b97f4a7c15ull;
  return static_cast<uint64_t>(m) ^ static_cast<uint64_t>(m >> 64);
}

}  // namespace glass
