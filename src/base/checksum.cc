#include "base/checksum.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace glass {
namespace {

__extension__ using u128 = unsigned __int128;

uint64_t load64(const uint8_t* p) {
  uint64_t w;
  std::memcpy(&w, p, sizeof w);
  return w;
}

// 2^16, 2^32 and 2^64 are all 1 modulo 0xffff, so wide sums may be taken in any width and folded in the end.
uint32_t fold_wide(u128 sum) {
  const uint64_t upper = static_cast<uint64_t>(sum >> 64);
  uint64_t s = static_cast<uint64_t>(sum) + upper;
  s += s < upper;
  return csum_add(static_cast<uint32_t>(s), static_cast<uint32_t>(s >> 32));
}

// Fewer than 8 bytes, by halving.
template <bool kCopy>
uint64_t sum_few(uint8_t* to, const uint8_t* from, size_t size) {
  uint64_t sum = 0;
  auto piece = [&]<class T>(T word) {
    std::memcpy(&word, from, sizeof word);
    if constexpr (kCopy) std::memcpy(to, &word, sizeof word), to += sizeof word;
    from += sizeof word;
    sum += word;
  };
  if (size & 4) piece(uint32_t{});
  if (size & 2) piece(uint16_t{});
  if (size & 1) piece(uint8_t{});
  return sum;
}

template <bool kCopy>
[[gnu::always_inline]] inline u128 sum_words(uint8_t* to, const uint8_t* from, size_t size, uint32_t sum) {
  u128 total = sum;
  if (size < 8) return total + sum_few<kCopy>(to, from, size);
  const uint8_t* const end = from + size;
  auto word_at = [&](size_t i) {
    const uint64_t word = load64(from + i);
    if constexpr (kCopy) std::memcpy(to + i, &word, 8);
    return word;
  };
  size_t i = 0;
  for (; i + 32 <= size; i += 32) {
    total += word_at(i);
    total += word_at(i + 8);
    total += word_at(i + 16);
    total += word_at(i + 24);
  }
  for (; i + 8 <= size; i += 8) total += word_at(i);
  // The last 0 to 7 bytes come with a load that overlaps what is summed already; shifting drops the overlap. Two
  // shifts, because one by 64 is undefined.
  const uint64_t word = load64(end - 8);
  if constexpr (kCopy) std::memcpy(to + size - 8, &word, 8);
  const auto half = static_cast<unsigned>(4 * (8 - (size - i)));
  return total + (word >> half >> half);
}

#if defined(__x86_64__)

// Below this the set-up of the vector loop costs more than it gains.
constexpr size_t kWide = 64;

// A constant after load; before that it reads false, and the plain loop answers.
const bool kHasAvx2 = [] {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") != 0;
}();

struct Lanes {
  __m256i whole, upper;
};

// `whole` gathers 64-bit words and may overflow; `upper` gathers their upper halves and cannot. Together they give both
// exact sums with three instructions a vector: lower halves = whole - (upper << 32).
[[gnu::target("avx2"), gnu::always_inline]] inline void add_vector(Lanes& lanes, __m256i v) {
  lanes.whole = _mm256_add_epi64(lanes.whole, v);
  lanes.upper = _mm256_add_epi64(lanes.upper, _mm256_srli_epi64(v, 32));
}

template <bool kCopy>
[[gnu::target("avx2"), gnu::always_inline]] inline __m256i take_vector(uint8_t* to, const uint8_t* from) {
  __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  // Keeps the compiler from loading the vector twice: half of the loads straddle a cache line.
  asm("" : "+x"(v));
  if constexpr (kCopy) _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), v);
  return v;
}

[[gnu::target("avx2")]] inline uint64_t sum_lanes(const Lanes& a, const Lanes& b) {
  const __m256i whole = _mm256_add_epi64(a.whole, b.whole);
  const __m256i upper = _mm256_add_epi64(a.upper, b.upper);
  const __m256i lower = _mm256_sub_epi64(whole, _mm256_slli_epi64(upper, 32));
  const __m256i both = _mm256_add_epi64(lower, upper);
  const __m128i two = _mm_add_epi64(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
  return static_cast<uint64_t>(_mm_cvtsi128_si64(two)) + static_cast<uint64_t>(_mm_extract_epi64(two, 1));
}

// 32 bytes from kLastBytes + n are a mask of the last n bytes.
alignas(64) constexpr auto kLastBytes = [] {
  std::array<uint8_t, 64> mask{};
  for (size_t i = 32; i < 64; ++i) mask[i] = 0xff;
  return mask;
}();

// At least 32 bytes.
template <bool kCopy>
[[gnu::target("avx2")]] u128 sum_avx2(uint8_t* to, const uint8_t* from, size_t size, uint32_t sum) {
  u128 total = sum;
  if (size & 1) {
    --size;
    total += from[size];
    if constexpr (kCopy) to[size] = from[size];
  }
  Lanes a{_mm256_setzero_si256(), _mm256_setzero_si256()}, b = a;
  size_t i = 0;
  for (; i + 128 <= size; i += 128) {
    add_vector(a, take_vector<kCopy>(to + i, from + i));
    add_vector(b, take_vector<kCopy>(to + i + 32, from + i + 32));
    add_vector(a, take_vector<kCopy>(to + i + 64, from + i + 64));
    add_vector(b, take_vector<kCopy>(to + i + 96, from + i + 96));
  }
  for (; i + 32 <= size; i += 32) add_vector(a, take_vector<kCopy>(to + i, from + i));
  // The last vector overlaps what is summed already; the mask keeps the rest, which begins at an even place as `size`
  // is even.
  const auto* mask = reinterpret_cast<const __m256i*>(kLastBytes.data() + (size - i));
  add_vector(b, _mm256_and_si256(take_vector<kCopy>(to + size - 32, from + size - 32), _mm256_loadu_si256(mask)));
  return total + sum_lanes(a, b);
}

#endif

template <bool kCopy>
uint32_t sum_any(uint8_t* to, const void* data, size_t size, uint32_t sum) {
  const auto* from = static_cast<const uint8_t*>(data);
#if defined(__x86_64__)
  if (size >= kWide && kHasAvx2) return fold_wide(sum_avx2<kCopy>(to, from, size, sum));
#endif
  return fold_wide(sum_words<kCopy>(to, from, size, sum));
}

}  // namespace

uint32_t csum_partial(const void* data, size_t size, uint32_t sum) {
  // Nothing is written, but offsets are taken of the place to write to: it must not be null.
  return sum_any<false>(const_cast<uint8_t*>(static_cast<const uint8_t*>(data)), data, size, sum);
}

uint32_t csum_and_copy(void* destination, const void* source, size_t size, uint32_t sum) {
  return sum_any<true>(static_cast<uint8_t*>(destination), source, size, sum);
}

// One formula for both families: the pseudo headers differ only in where zeroes stand, and the ffff of a mapped IPv4
// address is zero in one's-complement arithmetic.
uint32_t csum_pseudo(const IpAddress& source, const IpAddress& destination, uint32_t length, uint8_t protocol,
                     uint32_t sum) {
  u128 total = u128{source.high()} + source.low() + destination.high() + destination.low();
  total += uint64_t{htonl(length)} + htonl(protocol) + sum;
  return fold_wide(total);
}

}  // namespace glass
