// What there is to know about a drop reason: its sentence, source, counters, causes, remedy, and the places that give
// it.
//
//   fmt::print("{}", format_reason(row(DropReason::TCP_CSUM), drop_catalogue(), style));
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "view/drops.h"

namespace glass {

std::string format_reason(const DropReasonRow&, const std::vector<DropRow>& catalogue, const Style& = {});
std::string format_reason_list(const Style& = {});  // one line each
Json reason_json(const DropReasonRow&, const std::vector<DropRow>& catalogue);
Json reason_list_json(const std::vector<DropRow>& catalogue);

// By name in any case, with or without Linux's prefix.
const DropReasonRow* look_up_reason(std::string_view name);
// The names that are most like it, best first.
std::vector<std::string_view> nearest_reasons(std::string_view name, size_t count = 3);

}  // namespace glass
