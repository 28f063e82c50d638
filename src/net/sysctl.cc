#include "net/sysctl.h"

#include <charconv>
#include <cstddef>

namespace glass {

namespace {

struct Row {
  std::string_view name;
  size_t offset;
  unsigned count;
};

constexpr Row kRows[] = {
#define SYSCTL(field, name, value) {name, offsetof(Sysctl, field), 1},
#define SYSCTL3(field, name, low, value, high) {name, offsetof(Sysctl, field), 3},
#include "net/sysctls.inc"
#undef SYSCTL
#undef SYSCTL3
};

const Row* find(std::string_view name) {
  for (const Row& r : kRows)
    if (r.name == name) return &r;
  return nullptr;
}

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n'; }

}  // namespace

Result<void> set_sysctl(Sysctl& s, std::string_view name, std::string_view value) {
  const Row* row = find(name);
  if (!row) return Err(ENOENT);
  std::array<int64_t, 3> parsed{};
  const char* p = value.data();
  const char* const end = p + value.size();
  for (unsigned i = 0; i < row->count; ++i) {
    while (p < end && is_blank(*p)) ++p;
    const auto [next, error] = std::from_chars(p, end, parsed[i]);
    if (error != std::errc()) return Err(EINVAL);
    p = next;
    if (p < end && !is_blank(*p)) return Err(EINVAL);
  }
  while (p < end && is_blank(*p)) ++p;
  if (p != end) return Err(EINVAL);
  auto* field = reinterpret_cast<int64_t*>(reinterpret_cast<char*>(&s) + row->offset);
  for (unsigned i = 0; i < row->count; ++i) field[i] = parsed[i];
  return {};
}

Result<std::string> get_sysctl(const Sysctl& s, std::string_view name) {
  const Row* row = find(name);
  if (!row) return Err(ENOENT);
  const auto* field = reinterpret_cast<const int64_t*>(reinterpret_cast<const char*>(&s) + row->offset);
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
