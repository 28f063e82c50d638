#include "trace/drop_reason.h"

namespace glass {

namespace {
constexpr DropReasonRow kRows[] = {
#define REASON(name, counters, meaning, source, causes, remedy) \
  {DropReason::name, #name, counters, meaning, source, causes, remedy},
#include "trace/drop_reasons.inc"
#undef REASON
};
}  // namespace

std::span<const DropReasonRow> drop_reasons() { return kRows; }

const DropReasonRow& row(DropReason r) { return kRows[static_cast<size_t>(r)]; }

std::optional<DropReason> find_drop_reason(std::string_view name) {
  constexpr std::string_view kPrefix = "SKB_DROP_REASON_";
  if (name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
  for (const DropReasonRow& r : kRows)
    if (r.name == name) return r.reason;
  return std::nullopt;
}

}  // namespace glass
