#include "trace/counter.h"

namespace glass {

namespace {
constexpr CounterRow kRows[] = {
#define COUNTER(group, field) {Mib::group##field, #group, #group #field},
#include "trace/counters.inc"
#undef COUNTER
};
}  // namespace

std::span<const CounterRow> counters() { return kRows; }

std::optional<Mib> find_counter(std::string_view name) {
  for (const CounterRow& r : kRows)
    if (r.name == name) return r.id;
  return std::nullopt;
}

}  // namespace glass
