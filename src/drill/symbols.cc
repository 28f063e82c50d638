#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "drill/parser.h"

namespace glass::drill {

namespace {

struct Symbol {
  std::string_view name;
  int64_t value;
};

constexpr Symbol kErrnos[] = {
#define SYMBOL(name, value)
#define ERRNO(name, value) {#name, value},
#include "drill/symbols.inc"
#undef ERRNO
#undef SYMBOL
};

constexpr Symbol kSymbols[] = {
#define SYMBOL(name, value) {#name, value},
#define ERRNO(name, value) {#name, value},
#include "drill/symbols.inc"
#undef ERRNO
#undef SYMBOL
};

constexpr auto kByName = [] {
  auto sorted = std::to_array(kSymbols);
  std::ranges::sort(sorted, {}, &Symbol::name);
  return sorted;
}();

}  // namespace

std::optional<int64_t> symbol_value(std::string_view name) {
  const auto found = std::ranges::lower_bound(kByName, name, {}, &Symbol::name);
  if (found == kByName.end() || found->name != name) return std::nullopt;
  return found->value;
}

std::string errno_name(int error) {
  const auto* found = std::ranges::find(kErrnos, int64_t{error}, &Symbol::value);
  return found == std::end(kErrnos) ? fmt::format("errno {}", error) : std::string(found->name);
}

}  // namespace glass::drill
