#include "base/md5.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace glass {

namespace {

// RFC 1321 section 3.4: the integer part of 2^32 * |sin(i + 1)|.
constexpr uint32_t kSine[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};
constexpr int kShift[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

uint32_t word_at(const uint8_t* p) {
  return uint32_t{p[0]} | uint32_t{p[1]} << 8 | uint32_t{p[2]} << 16 | uint32_t{p[3]} << 24;
}

// One round's mixing function and the word of the block it takes.
struct Mix {
  uint32_t f;
  unsigned word;
};

Mix mix(unsigned i, uint32_t b, uint32_t c, uint32_t d) {
  switch (i / 16) {
    case 0: return {(b & c) | (~b & d), i};
    case 1: return {(d & b) | (~d & c), (5 * i + 1) % 16};
    case 2: return {b ^ c ^ d, (3 * i + 5) % 16};
    default: return {c ^ (b | ~d), 7 * i % 16};
  }
}

}  // namespace

void Md5::block(const uint8_t* bytes) {
  auto [a, b, c, d] = state_;
  for (unsigned i = 0; i < 64; ++i) {
    const Mix m = mix(i, b, c, d);
    const uint32_t sum = a + m.f + kSine[i] + word_at(bytes + size_t{4} * m.word);
    a = d;
    d = c;
    c = b;
    b += std::rotl(sum, kShift[i / 16][i % 4]);
  }
  state_ = {state_[0] + a, state_[1] + b, state_[2] + c, state_[3] + d};
}

void Md5::update(const void* data, size_t size) {
  const auto* p = static_cast<const uint8_t*>(data);
  size_t held = size_ % 64;
  size_ += size;
  while (size) {
    if (!held && size >= 64) {
      block(p);
      p += 64;
      size -= 64;
      continue;
    }
    const size_t take = std::min(size, 64 - held);
    std::memcpy(pending_.data() + held, p, take);
    held = (held + take) % 64;
    if (!held) block(pending_.data());
    p += take;
    size -= take;
  }
}

Md5::Digest Md5::finish() {
  static constexpr uint8_t kPadding[64] = {0x80};
  const uint64_t bits = size_ * 8;
  const size_t held = size_ % 64;
  update(kPadding, held < 56 ? 56 - held : 120 - held);
  uint8_t length[8];
  for (unsigned i = 0; i < 8; ++i) length[i] = static_cast<uint8_t>(bits >> (8 * i));
  update(length, sizeof length);
  Digest out;
  for (unsigned i = 0; i < 16; ++i) out[i] = static_cast<uint8_t>(state_[i / 4] >> (8 * (i % 4)));
  return out;
}

}  // namespace glass
