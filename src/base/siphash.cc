#include "base/siphash.h"

#include <bit>
#include <cstring>

namespace glass {
namespace {

struct State {
  uint64_t v0, v1, v2, v3;

  void round() {
    v0 += v1, v2 += v3;
    v1 = std::rotl(v1, 13) ^ v0, v3 = std::rotl(v3, 16) ^ v2;
    v0 = std::rotl(v0, 32);
    v2 += v1, v0 += v3;
    v1 = std::rotl(v1, 17) ^ v2, v3 = std::rotl(v3, 21) ^ v0;
    v2 = std::rotl(v2, 32);
  }
  void absorb(uint64_t word) {
    v3 ^= word;
    round(), round();
    v0 ^= word;
  }
  uint64_t finish() {
    v2 ^= 0xff;
    round(), round(), round(), round();
    return v0 ^ v1 ^ v2 ^ v3;
  }
};

}  // namespace

uint64_t siphash(const SipKey& key, const void* data, size_t size) {
  // The initial constants spell "somepseudorandomlygeneratedbytes" (section 2.1 of the paper).
  State s{key.k0 ^ 0x736f6d6570736575ull, key.k1 ^ 0x646f72616e646f6dull, key.k0 ^ 0x6c7967656e657261ull,
          key.k1 ^ 0x7465646279746573ull};
  const auto* p = static_cast<const uint8_t*>(data);
  uint64_t word;
  for (size_t left = size; left >= 8; left -= 8, p += 8) {
    std::memcpy(&word, p, 8);
    s.absorb(word);
  }
  uint64_t last = static_cast<uint64_t>(size) << 56;
  for (size_t i = 0; i < (size & 7); ++i) last |= uint64_t{p[i]} << (8 * i);
  s.absorb(last);
  return s.finish();
}

}  // namespace glass
