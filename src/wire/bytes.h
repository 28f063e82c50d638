// What every protocol file of this room shares: a checked view of a header in a packet, and appending a field struct to
// a buffer.
//
//   if (const iphdr* iph = header_at<iphdr>(packet)) ...          // nullptr when the packet is too short
//   std::vector<uint8_t> out;   append(Ipv4Header{...}, out);
//
// Each protocol has a packed struct with Linux's name and fields, in network byte order (the view; made for the hot
// path), and a field struct in host byte order with parse(), size(), emit() and a one-line formatter. Views do not own:
// they point into the packet.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

namespace glass {

using ByteSpan = std::span<const uint8_t>;
using MutableByteSpan = std::span<uint8_t>;

// The header that starts at `offset`; nullptr if it does not fit in the packet. Headers are packed: no alignment is
// needed.
template <class Header>
const Header* header_at(ByteSpan packet, size_t offset = 0) {
  static_assert(alignof(Header) == 1);
  if (offset > packet.size() || packet.size() - offset < sizeof(Header)) return nullptr;
  return reinterpret_cast<const Header*>(packet.data() + offset);
}
template <class Header>
Header* mutable_header_at(MutableByteSpan packet, size_t offset = 0) {
  return const_cast<Header*>(header_at<Header>(packet, offset));
}

// Appends a field struct in its wire form. False, and nothing appended, when the struct cannot be written (see its
// emit()).
template <class Fields>
bool append(const Fields& fields, std::vector<uint8_t>& out) {
  size_t start = out.size();
  out.resize(start + fields.size());
  if (fields.emit(MutableByteSpan(out).subspan(start))) return true;
  out.resize(start);
  return false;
}

inline uint16_t load_be16(const uint8_t* p) { return static_cast<uint16_t>(p[0] << 8 | p[1]); }
inline uint32_t load_be32(const uint8_t* p) { return uint32_t{load_be16(p)} << 16 | load_be16(p + 2); }

}  // namespace glass
