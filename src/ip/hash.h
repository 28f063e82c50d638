// How this room's tables hash addresses.
#pragma once
#include "base/ip_address.h"
#include "base/siphash.h"

namespace glass {

struct IpAddressHash {
  size_t operator()(const IpAddress& a) const { return hash_mix(hash_mix(0x243f6a8885a308d3ull, a.high()), a.low()); }
};

// Two addresses: source and destination, or a device's address and number.
struct IpPair {
  IpAddress first, second;
  bool operator==(const IpPair&) const = default;
};
struct IpPairHash {
  size_t operator()(const IpPair& p) const { return hash_mix(IpAddressHash()(p.first), IpAddressHash()(p.second)); }
};

}  // namespace glass
