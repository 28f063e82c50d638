#include "base/md5.h"

#include <gtest/gtest.h>

#include <string>

namespace glass {
namespace {

std::string hex(const Md5::Digest& digest) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (uint8_t b : digest) out += {kDigits[b >> 4], kDigits[b & 15]};
  return out;
}

std::string md5_of(const std::string& text) {
  Md5 md5;
  md5.update(text.data(), text.size());
  return hex(md5.finish());
}

// RFC 1321 appendix A.5.
TEST(Md5, TestSuiteOfTheRfc) {
  EXPECT_EQ(md5_of(""), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(md5_of("a"), "0cc175b9c0f1b6a831c399e269772661");
  EXPECT_EQ(md5_of("abc"), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(md5_of("message digest"), "f96b697d7cb7938d525a2f31aaf161d0");
  EXPECT_EQ(md5_of("abcdefghijklmnopqrstuvwxyz"), "c3fcd3d76192e4007dfb496cca67e13b");
  EXPECT_EQ(md5_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"),
            "d174ab98d277d9f5a5611c2c9f419d9f");
  EXPECT_EQ(md5_of("12345678901234567890123456789012345678901234567890123456789012345678901234567890"),
            "57edf4a22be3c955ac49da2e2107b67a");
}

TEST(Md5, PiecesOfAnySizeGiveTheSameDigest) {
  const std::string text(517, 'x');
  const std::string whole = md5_of(text);
  for (size_t piece : {1u, 7u, 63u, 64u, 65u, 130u}) {
    Md5 md5;
    for (size_t at = 0; at < text.size(); at += piece) md5.update(text.data() + at, std::min(piece, text.size() - at));
    EXPECT_EQ(hex(md5.finish()), whole) << piece;
  }
}

}  // namespace
}  // namespace glass
