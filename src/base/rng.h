// Seeded random numbers (xoshiro256**, Blackman and Vigna). Every stack and every link has its own, fed from one seed,
// so a run repeats byte for byte. Not for secrets beyond what one seed gives.
#pragma once
#include <cstdint>

namespace glass {

class Rng {
 public:
  explicit Rng(uint64_t seed);
  uint64_t next();  // 64 random bits
  uint32_t next_u32() { return static_cast<uint32_t>(next() >> 32); }
  uint32_t below(uint32_t limit);  // uniform in [0, limit); 0 if limit is 0
  double uniform();                // in [0, 1)
  double normal();                 // mean 0, deviation 1
  bool chance(double probability) { return probability > 0 && uniform() < probability; }
  Rng fork() { return Rng(next()); }  // an independent generator

 private:
  uint64_t s_[4];
};

}  // namespace glass
