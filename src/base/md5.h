// MD5 (RFC 1321), for the signature option of TCP (RFC 2385) and nothing else: it has long been broken as a hash for
// strangers' data.
//
//   Md5 md5;   md5.update(header, 20);   md5.update(key, key_size);   auto digest = md5.finish();
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

namespace glass {

class Md5 {
 public:
  using Digest = std::array<uint8_t, 16>;

  void update(const void* data, size_t size);
  Digest finish();  // the object is used up

 private:
  void block(const uint8_t* bytes);

  std::array<uint32_t, 4> state_{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
  std::array<uint8_t, 64> pending_{};
  uint64_t size_ = 0;
};

}  // namespace glass
