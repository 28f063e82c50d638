#include "net/sysctl.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <limits>
#include <type_traits>

namespace glass {

namespace {

struct Row {
  std::string_view name;
  size_t offset;
  unsigned count;  // 0: text
  bool fixed = false;
  int64_t low = std::numeric_limits<int64_t>::min(), high = std::numeric_limits<int64_t>::max();
  std::string_view words = {};  // text: made of some of these
};

constexpr Row kRows[] = {
#define SYSCTL(field, name, value) {name, offsetof(Sysctl, field), 1},
#define SYSCTL3(field, name, low, value, high) {name, offsetof(Sysctl, field), 3},
#define SYSCTL_RANGE(field, key, value, least, most) \
  {.name = key, .offset = offsetof(Sysctl, field), .count = 1, .low = least, .high = most},
#define SYSCTL_TEXT(field, name, value) {name, offsetof(Sysctl, field), 0},
#define SYSCTL_CHOICE(field, key, value, choices) \
  {.name = key, .offset = offsetof(Sysctl, field), .count = 0, .words = choices},
#define SYSCTL_FIXED(field, key, value) {.name = key, .offset = offsetof(Sysctl, field), .count = 0, .fixed = true},
#include "net/sysctls.inc"
#undef SYSCTL
#undef SYSCTL3
#undef SYSCTL_RANGE
#undef SYSCTL_TEXT
#undef SYSCTL_CHOICE
#undef SYSCTL_FIXED
};

const Row* find(std::string_view name) {
  for (const Row& r : kRows)
    if (r.name == name) return &r;
  return nullptr;
}

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n'; }

template <class T, class S>
T* field_of(S& s, const Row& row) {
  using Byte = std::conditional_t<std::is_const_v<T>, const char, char>;
  return reinterpret_cast<T*>(reinterpret_cast<Byte*>(&s) + row.offset);
}

// A number as the kernel reads it: decimal, 0x hexadecimal, 0 octal. The place behind it; null: there is none.
const char* parse_number(const char* p, const char* end, int64_t& out) {
  const bool negative = p < end && *p == '-';
  if (negative) ++p;
  int base = 10;
  if (end - p > 2 && p[0] == '0' && (p[1] == 'x' || p[1] == 'X')) {
    base = 16;
    p += 2;
  } else if (end - p > 1 && p[0] == '0' && !is_blank(p[1])) {
    base = 8;
    ++p;
  }
  const auto [next, error] = std::from_chars(p, end, out, base);
  if (negative) out = -out;
  return error == std::errc() ? next : nullptr;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// Is each word of the text one of `words`? No words: anything goes.
bool made_of(std::string_view text, std::string_view words) {
  if (words.empty()) return true;
  const std::string known = " " + std::string(words) + " ";
  for (size_t i = 0; i < text.size();) {
    const size_t end = std::min(text.find(' ', i), text.size());
    if (end > i && known.find(" " + std::string(text.substr(i, end - i)) + " ") == known.npos) return false;
    i = end + 1;
  }
  return !text.empty();
}

}  // namespace

Result<void> set_sysctl(Sysctl& s, std::string_view name, std::string_view value) {
  const Row* row = find(name);
  if (!row) return Err(ENOENT);
  if (row->fixed) return Err(EACCES);
  if (!row->count) {
    if (!made_of(trimmed(value), row->words)) return Err(ENOENT);
    *field_of<std::string>(s, *row) = trimmed(value);
    return {};
  }
  std::array<int64_t, 3> parsed{};
  const char* p = value.data();
  const char* const end = p + value.size();
  for (unsigned i = 0; i < row->count; ++i) {
    while (p < end && is_blank(*p)) ++p;
    p = parse_number(p, end, parsed[i]);
    if (!p) return Err(EINVAL);
    if (p < end && !is_blank(*p)) return Err(EINVAL);
    if (parsed[i] < row->low || parsed[i] > row->high) return Err(EINVAL);
  }
  while (p < end && is_blank(*p)) ++p;
  if (p != end) return Err(EINVAL);
  auto* field = field_of<int64_t>(s, *row);
  for (unsigned i = 0; i < row->count; ++i) field[i] = parsed[i];
  return {};
}

Result<std::string> get_sysctl(const Sysctl& s, std::string_view name) {
  const Row* row = find(name);
  if (!row) return Err(ENOENT);
  if (!row->count) return *field_of<const std::string>(s, *row);
  const auto* field = field_of<const int64_t>(s, *row);
  std::string out;
  for (unsigned i = 0; i < row->count; ++i) out += (i ? "\t" : "") + std::to_string(field[i]);
  return out;
}

std::vector<std::string> sysctl_names() {
  std::vector<std::string> names;
  for (const Row& r : kRows) names.emplace_back(r.name);
  return names;
}

}  // namespace glass
