// `%{ ... }%`: the assertions over tcp_info that scripts write in Python, evaluated by a small interpreter of our own.
//
// Understood: assert EXPR [, MESSAGE]; print(...); NAME = EXPR; if/elif/else over indented blocks; comparisons (chained
// too), and/or/not, arithmetic, bit operations, in, parentheses, integers, floats, strings, %-formatting, f-strings'
// plain {name}, tuples and lists, abs min max len int float round str range-free calls. Anything else is an error,
// never passed over.
#pragma once
#include <expected>
#include <map>
#include <string>
#include <string_view>

namespace glass::drill {

struct CodeError {
  int line = 0;      // within the snippet, from 1
  std::string text;  // "tcpi_snd_cwnd == 10 is false (tcpi_snd_cwnd is 9)"
};

// Runs a snippet over named integers. What print() wrote is returned. Variables assigned stay in `variables`.
std::expected<std::string, CodeError> run_code(std::string_view text, std::map<std::string, double>& variables);

}  // namespace glass::drill
