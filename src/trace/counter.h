// The counters of one stack, named as nstat prints them. The list is counters.inc.
//
//   net.trace.count(Mib::TcpInSegs);
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace glass {

enum class Mib : uint16_t {
#define COUNTER(group, field) group##field,
#include "trace/counters.inc"
#undef COUNTER
  kCount
};

inline constexpr size_t kMibCount = static_cast<size_t>(Mib::kCount);

struct CounterRow {
  Mib id;
  std::string_view group;  // "TcpExt"
  std::string_view name;   // "TcpExtTCPLossProbes"
};
std::span<const CounterRow> counters();
inline std::string_view name(Mib m) { return counters()[static_cast<size_t>(m)].name; }
std::optional<Mib> find_counter(std::string_view name);

}  // namespace glass
