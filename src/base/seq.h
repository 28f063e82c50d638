// TCP sequence numbers: 32 bits that wrap (RFC 9293 section 3.4).
//
// Order modulo 2^32 is not transitive, so there is no operator<: ask before(), after() or between().
//
//   if (after(tcb.end_seq, tp.rcv_nxt)) ...
#pragma once
#include <cstdint>

namespace glass {

struct Seq {
  uint32_t v = 0;

  constexpr bool operator==(const Seq&) const = default;
  constexpr Seq operator+(uint32_t n) const { return {v + n}; }
  constexpr Seq operator-(uint32_t n) const { return {v - n}; }
  constexpr Seq& operator+=(uint32_t n) {
    v += n;
    return *this;
  }
  // Bytes from `from` to this one; meaningful when this is not before `from`.
  constexpr uint32_t operator-(Seq from) const { return v - from.v; }
};

constexpr bool before(Seq a, Seq b) { return static_cast<int32_t>(a.v - b.v) < 0; }
constexpr bool after(Seq a, Seq b) { return before(b, a); }
// low <= s <= high, modulo 2^32.
constexpr bool between(Seq s, Seq low, Seq high) { return high.v - low.v >= s.v - low.v; }
constexpr Seq later(Seq a, Seq b) { return before(a, b) ? b : a; }
constexpr Seq earlier(Seq a, Seq b) { return before(a, b) ? a : b; }

}  // namespace glass
