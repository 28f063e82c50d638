// One address of either family, 16 bytes; an IPv4 address is held in its IPv4-mapped form ::ffff:a.b.c.d
// (RFC 4291 section 2.5.5.2), so that tables and sockets need one comparison and no family tag.
//
//   auto a = IpAddress::v4(192, 168, 0, 1);   auto b = parse_ip("fe80::1");   a.is_v4();
#pragma once
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

// Macros in an optimised <netinet/in.h>; a file that needs both includes that header first.
#undef htons
#undef ntohs
#undef htonl
#undef ntohl

namespace glass {

constexpr uint16_t htons(uint16_t v) { return std::byteswap(v); }
constexpr uint16_t ntohs(uint16_t v) { return std::byteswap(v); }
constexpr uint32_t htonl(uint32_t v) { return std::byteswap(v); }
constexpr uint32_t ntohl(uint32_t v) { return std::byteswap(v); }

struct alignas(8) IpAddress {
  std::array<uint8_t, 16> bytes{};

  static constexpr IpAddress v4(uint32_t host_order) {
    return std::bit_cast<IpAddress>(std::array<uint32_t, 4>{0, 0, htonl(0xffff), htonl(host_order)});
  }
  static constexpr IpAddress v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
    return v4(uint32_t{a} << 24 | uint32_t{b} << 16 | uint32_t{c} << 8 | d);
  }
  // From the four bytes as they stand in a packet.
  static IpAddress v4_from_wire(uint32_t network_order) { return v4(ntohl(network_order)); }

  uint64_t high() const {
    uint64_t w;
    std::memcpy(&w, bytes.data(), 8);
    return w;
  }
  uint64_t low() const {
    uint64_t w;
    std::memcpy(&w, bytes.data() + 8, 8);
    return w;
  }
  bool operator==(const IpAddress& o) const { return ((high() ^ o.high()) | (low() ^ o.low())) == 0; }

  bool is_v4() const {
    uint32_t w;
    std::memcpy(&w, bytes.data() + 8, 4);
    return high() == 0 && w == 0xffff0000u;
  }
  bool is_v6() const { return !is_v4(); }
  uint32_t v4_host() const { return ntohl(v4_wire()); }  // requires is_v4()
  uint32_t v4_wire() const {
    uint32_t w;
    std::memcpy(&w, bytes.data() + 12, 4);
    return w;
  }  // requires is_v4()

  bool is_unspecified() const { return high() == 0 && (low() == 0 || (is_v4() && v4_wire() == 0)); }
  bool is_multicast() const { return is_v4() ? (v4_host() >> 28) == 0xe : bytes[0] == 0xff; }
  bool is_loopback() const { return is_v4() ? (v4_host() >> 24) == 127 : (high() == 0 && low() == uint64_t{1} << 56); }
  bool is_limited_broadcast() const { return is_v4() && v4_host() == 0xffffffffu; }
};

std::string to_string(const IpAddress&);                   // "192.0.2.1" or RFC 5952 text
std::optional<IpAddress> parse_ip(std::string_view text);  // either family; nullopt if it is not an address

// An address with a prefix length: "10.0.0.1/24". For IPv4 the length counts from the IPv4 part (0 to 32).
struct IpPrefix {
  IpAddress address;
  uint8_t length = 0;

  uint8_t length128() const { return static_cast<uint8_t>(address.is_v4() ? length + 96 : length); }
  bool contains(const IpAddress& a) const;  // never across families: ::/0 holds no IPv4 address
  bool operator==(const IpPrefix&) const = default;
};
std::optional<IpPrefix> parse_prefix(std::string_view text);  // without "/len": the whole address

struct MacAddress {
  std::array<uint8_t, 6> bytes{};
  bool operator==(const MacAddress&) const = default;
  bool is_multicast() const { return bytes[0] & 1; }
  bool is_broadcast() const { return *this == MacAddress{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}; }
};
std::string to_string(const MacAddress&);
std::optional<MacAddress> parse_mac(std::string_view text);

}  // namespace glass
