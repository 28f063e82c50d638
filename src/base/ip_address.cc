#include "base/ip_address.h"

#include <fmt/format.h>

#include <iterator>

namespace glass {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// A decimal number without sign, spaces or leading zeroes, at most `limit`.
std::optional<unsigned> parse_decimal(std::string_view text, unsigned limit) {
  if (text.empty() || text.size() > 3 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  unsigned value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  if (value > limit) return std::nullopt;
  return value;
}

// Exactly four decimal parts.
bool parse_quad(std::string_view text, uint8_t* out) {
  for (int i = 0; i < 4; ++i) {
    const size_t dot = i < 3 ? text.find('.') : text.size();
    if (dot == std::string_view::npos) return false;
    const auto part = parse_decimal(text.substr(0, dot), 255);
    if (!part) return false;
    out[i] = static_cast<uint8_t>(*part);
    text.remove_prefix(i < 3 ? dot + 1 : dot);
  }
  return true;
}

// Groups between colons, without "::"; the last may be a dotted quad. Returns how many bytes of `out` they filled (at
// most 16).
std::optional<size_t> parse_groups(std::string_view text, bool quad_allowed, uint8_t* out) {
  size_t filled = 0;
  while (!text.empty()) {
    const size_t colon = text.find(':');
    const bool last = colon == std::string_view::npos;
    const std::string_view group = text.substr(0, colon);
    if (last && quad_allowed && group.find('.') != std::string_view::npos) {
      if (filled > 12 || !parse_quad(group, out + filled)) return std::nullopt;
      return filled + 4;
    }
    if (filled > 14 || group.empty() || group.size() > 4) return std::nullopt;
    unsigned value = 0;
    for (char c : group) {
      if (hex_digit(c) < 0) return std::nullopt;
      value = value << 4 | static_cast<unsigned>(hex_digit(c));
    }
    out[filled++] = static_cast<uint8_t>(value >> 8);
    out[filled++] = static_cast<uint8_t>(value);
    if (last) break;
    text.remove_prefix(colon + 1);
    if (text.empty()) return std::nullopt;  // ends in a single colon
  }
  return filled;
}

std::optional<IpAddress> parse_v6(std::string_view text) {
  const size_t gap = text.find("::");
  uint8_t front[16], back[16];
  IpAddress a;
  if (gap == std::string_view::npos) {
    if (parse_groups(text, true, front) != 16u) return std::nullopt;
    std::memcpy(a.bytes.data(), front, 16);
    return a;
  }
  const auto before = parse_groups(text.substr(0, gap), false, front);
  const auto after = parse_groups(text.substr(gap + 2), true, back);
  // The gap stands for at least one group.
  if (!before || !after || *before + *after > 14) return std::nullopt;
  std::memcpy(a.bytes.data(), front, *before);
  std::memcpy(a.bytes.data() + 16 - *after, back, *after);
  return a;
}

struct Run {
  int start = 0, length = 0;
};

// RFC 5952 section 4.2: the longest run of at least two zero groups, the first of equals.
Run longest_zero_run(const std::array<unsigned, 8>& group) {
  Run best, here;
  for (int i = 0; i < 8; ++i) {
    if (group[i] != 0) {
      here.length = 0;
      continue;
    }
    if (here.length++ == 0) here.start = i;
    if (here.length > best.length) best = here;
  }
  return best.length >= 2 ? best : Run{};
}

std::string v6_to_string(const IpAddress& a) {
  std::array<unsigned, 8> group;
  for (int i = 0; i < 8; ++i) group[i] = static_cast<unsigned>(a.bytes[2 * i] << 8 | a.bytes[2 * i + 1]);
  const Run gap = longest_zero_run(group);
  std::string text;
  for (int i = 0; i < 8; ++i) {
    if (gap.length && i == gap.start) {
      text += "::";
      i += gap.length - 1;
      continue;
    }
    if (!text.empty() && text.back() != ':') text += ':';
    fmt::format_to(std::back_inserter(text), "{:x}", group[i]);
  }
  return text;
}

}  // namespace

std::string to_string(const IpAddress& a) {
  if (!a.is_v4()) return v6_to_string(a);
  return fmt::format("{}.{}.{}.{}", a.bytes[12], a.bytes[13], a.bytes[14], a.bytes[15]);
}

std::optional<IpAddress> parse_ip(std::string_view text) {
  if (text.find(':') != std::string_view::npos) return parse_v6(text);
  uint8_t quad[4];
  if (!parse_quad(text, quad)) return std::nullopt;
  return IpAddress::v4(quad[0], quad[1], quad[2], quad[3]);
}

bool IpPrefix::contains(const IpAddress& a) const {
  if (a.is_v4() != address.is_v4()) return false;
  const unsigned bits = length128();
  const uint64_t high = std::byteswap(a.high() ^ address.high());
  const uint64_t low = std::byteswap(a.low() ^ address.low());
  if (bits == 0) return true;
  if (bits <= 64) return high >> (64 - bits) == 0;
  return high == 0 && low >> (128 - bits) == 0;
}

std::optional<IpPrefix> parse_prefix(std::string_view text) {
  const size_t slash = text.find('/');
  const auto address = parse_ip(text.substr(0, slash));
  if (!address) return std::nullopt;
  if (slash == std::string_view::npos) return IpPrefix{*address, static_cast<uint8_t>(address->is_v4() ? 32 : 128)};
  const bool dotted = text.find(':') == std::string_view::npos;
  const auto length = parse_decimal(text.substr(slash + 1), dotted ? 32 : 128);
  if (!length) return std::nullopt;
  // ::ffff:10.0.0.0/104 is 10.0.0.0/8; a shorter one would hold both families, which no IpPrefix does.
  const unsigned mapped = address->is_v4() && !dotted ? 96 : 0;
  if (*length < mapped) return std::nullopt;
  return IpPrefix{*address, static_cast<uint8_t>(*length - mapped)};
}

std::string to_string(const MacAddress& m) { return fmt::format("{:02x}", fmt::join(m.bytes, ":")); }

std::optional<MacAddress> parse_mac(std::string_view text) {
  if (text.size() != 17) return std::nullopt;
  MacAddress m;
  for (size_t i = 0; i < 6; ++i) {
    const int high = hex_digit(text[3 * i]), low = hex_digit(text[3 * i + 1]);
    if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != ':')) return std::nullopt;
    m.bytes[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return m;
}

}  // namespace glass
