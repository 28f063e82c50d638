// Packets and small tools for the tests of this room. Not part of the library.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/rng.h"
#include "wire/bytes.h"

namespace glass::wire_test {

inline std::vector<uint8_t> from_hex(std::string_view text) {
  auto digit = [](char c) { return static_cast<uint8_t>(c <= '9' ? c - '0' : c - 'a' + 10); };
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2)
    bytes.push_back(static_cast<uint8_t>(digit(text[i]) << 4 | digit(text[i + 1])));
  return bytes;
}

inline std::vector<uint8_t> random_bytes(Rng& rng, size_t size) {
  std::vector<uint8_t> bytes(size);
  for (uint8_t& b : bytes) b = static_cast<uint8_t>(rng.next());
  return bytes;
}

inline std::vector<uint8_t> join(std::vector<uint8_t> a, const std::vector<uint8_t>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// IP packets of every kind the formatter knows, errors and extension headers included.
inline const std::vector<std::vector<uint8_t>>& sample_packets() {
  static const std::vector<std::vector<uint8_t>> packets = {
      // TCP, data with timestamps
      from_hex("450000420001400040060000"
               "0a0000010a0000020da29c400000000100000001801801f6000000000101080a0000000100000002"
               "68656c6c6f20686f7720617265"),
      // TCP, a SYN with every option of a SYN and a Fast Open cookie
      from_hex("450000460000000040060000c0000201c0a80001"
               "4e221f90000003e800000000c0c2ffff00000000020405b40402080a0000000700000000"
               "0103030722060102030401010101010101"),
      // TCP, SACK blocks
      from_hex("450000400000000040060000c0000201c0a80001"
               "4e221f90000003e800000001b010ffff000000000101051200000bb900000fa1000013890000177100000000"),
      // ICMP echo; ICMP port unreachable that quotes a UDP packet
      from_hex("4500002000000000ff013932c0000201c0a800010800eeff0001000200000000"),
      from_hex("4500003800000000ff01391ac0000201c0a800010303fafe00000000"
               "4500001c00000000ff113931c0a80001c00002010035270f00080000"),
      // UDP
      from_hex("4500002100000000ff113921c0000201c0a8000115b32329000d123468656c6c6f"),
      // IPv6: TCP behind hop-by-hop options, UDP in a fragment, a neighbour solicitation
      from_hex("60000000001c0040fd000000000000000000000000000002fd000000000000000000000000000001"
               "06000104000000004e9b1f90000003e8000000005002ffff43cb0000"),
      from_hex("6000000000182c40fd000000000000000000000000000002fd000000000000000000000000000001"
               "110000010000000415b32329000d00000000000000000000"),
      from_hex("6000000000203afffd000000000000000000000000000002fd000000000000000000000000000001"
               "87007e9c00000000fd0000000000000000000000000000010101020000000002"),
      // IPv4 options
      from_hex("4700003000000000ff06ab0bc0000201c0a800018307080a000001004e5c1f90000003e8000000005002ffffbb630000"),
  };
  return packets;
}

}  // namespace glass::wire_test
