// The variables that `%{ }%` sees: tcp_info, congestion control's own and socket memory.
//
//   CodeVariables variables;
//   add_info_variables(target, fd, variables);     // tcpi_snd_cwnd, SK_MEMINFO_RMEM_ALLOC ...
#pragma once
#include <span>
#include <string>

#include "drill/code.h"
#include "drill/target.h"

namespace glass::drill {

// An error text if the descriptor tells nothing.
std::optional<std::string> add_info_variables(Target&, int fd, CodeVariables& variables);

// The pieces, from the bytes that getsockopt() gave. What a shorter structure does not hold is left out.
void add_tcp_info(std::span<const uint8_t>, CodeVariables& variables);
void add_cc_info(std::span<const uint8_t>, CodeVariables& variables);
void add_meminfo(std::span<const uint8_t>, CodeVariables& variables);

}  // namespace glass::drill
