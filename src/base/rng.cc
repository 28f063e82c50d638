#include "base/rng.h"

#include <bit>
#include <cmath>

namespace glass {
namespace {

// Spreads any seed, zero included, over the whole state (Steele, Lea, Flood 2014).
uint64_t splitmix64(uint64_t& state) {
  uint64_t z = state += 0x9e3779b97f4a7c15ull;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

// libm's log() may differ in the last bit from machine to machine; this one uses only operations that IEEE 754 fixes,
// so that a run repeats everywhere. ln m = 2 artanh((m - 1) / (m + 1)), with m near 1.
double natural_log(double x) {
  int exponent;
  double m = std::frexp(x, &exponent);
  if (m < 0.70710678118654752) m *= 2, --exponent;
  const double t = (m - 1) / (m + 1), t2 = t * t;
  double series = 0;
  for (int k = 21; k >= 1; k -= 2) series = series * t2 + 1.0 / k;
  return 2 * t * series + exponent * 0.69314718055994531;
}

}  // namespace

Rng::Rng(uint64_t seed) {
  for (uint64_t& word : s_) word = splitmix64(seed);
}

uint64_t Rng::next() {
  const uint64_t result = std::rotl(s_[1] * 5, 7) * 9;
  const uint64_t t = s_[1] << 17;
  s_[2] ^= s_[0];
  s_[3] ^= s_[1];
  s_[1] ^= s_[2];
  s_[0] ^= s_[3];
  s_[2] ^= t;
  s_[3] = std::rotl(s_[3], 45);
  return result;
}

// Lemire's method: the upper half of a product is the answer; the few lower halves that would favour some answers are
// drawn again.
uint32_t Rng::below(uint32_t limit) {
  uint64_t product = uint64_t{next_u32()} * limit;
  if (static_cast<uint32_t>(product) < limit) {
    const uint32_t uneven = (0u - limit) % limit;
    while (static_cast<uint32_t>(product) < uneven) product = uint64_t{next_u32()} * limit;
  }
  return static_cast<uint32_t>(product >> 32);
}

double Rng::uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

// Marsaglia's polar method. The second value of each pair is not kept: a generator's state stays its four words.
double Rng::normal() {
  for (;;) {
    const double x = 2 * uniform() - 1, y = 2 * uniform() - 1;
    const double s = x * x + y * y;
    if (s > 0 && s < 1) return x * std::sqrt(-2 * natural_log(s) / s);
  }
}

}  // namespace glass
