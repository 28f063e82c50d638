// Why a packet ended. The rows with everything there is to say about a reason stand in drop_reasons.inc.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace glass {

// <netinet/tcp.h> has a socket option of the same name as a macro.
#pragma push_macro("TCP_FASTOPEN")
#undef TCP_FASTOPEN
enum class DropReason : uint16_t {
#define REASON(name, ...) name,
#include "trace/drop_reasons.inc"
#undef REASON
};
#pragma pop_macro("TCP_FASTOPEN")

struct DropReasonRow {
  DropReason reason;
  std::string_view name;      // "TCP_RFC7323_PAWS"
  std::string_view counters;  // nstat names that usually move with it, comma separated; may be empty
  std::string_view meaning;   // one sentence
  std::string_view source;    // RFC and section; may be empty
  std::string_view causes;
  std::string_view remedy;
};

std::span<const DropReasonRow> drop_reasons();  // all rows, indexed by DropReason
const DropReasonRow& row(DropReason);
inline std::string_view name(DropReason r) { return row(r).name; }
std::optional<DropReason> find_drop_reason(
    std::string_view name);  // exact name, Linux's SKB_DROP_REASON_ prefix allowed

}  // namespace glass
