// A failed run as text. format_failure() itself is declared in run.h.
#pragma once
#include <string>
#include <string_view>

namespace glass::drill {

// A line of carets under the words of `got` that are not in `expected` at the same place; "" if all are.
std::string mark_differences(std::string_view expected, std::string_view got);

}  // namespace glass::drill
