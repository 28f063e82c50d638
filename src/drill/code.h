// `%{ ... }%`: the assertions over tcp_info that scripts write in Python, evaluated by a small interpreter of our own.
//
//   CodeVariables variables{{"tcpi_snd_cwnd", info.tcpi_snd_cwnd}, {"tcpi_pacing_rate", info.tcpi_pacing_rate}};
//   auto printed = run_code("assert tcpi_snd_cwnd == 10, tcpi_snd_cwnd", variables);
//
// Understood: assert EXPR [, MESSAGE]; print(...); NAME = EXPR, NAME += EXPR and the like; pass; if/elif/else over
// indented blocks; comparisons (chained too), and/or/not, A if C else B, arithmetic, bit operations, in, parentheses,
// integers, floats, strings, True, False, None, %-formatting, f-strings with {expressions}, tuples and lists, what is
// at an index of them, and abs min max len int float round str bool. Anything else is an error, never passed over.
#pragma once
#include <concepts>
#include <cstdint>
#include <expected>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace glass::drill {

using CodeInteger = __int128;  // holds every int64_t and uint64_t; what goes beyond is an error

struct CodeValue {
  using List = std::vector<CodeValue>;  // a tuple too
  std::variant<std::monostate, bool, CodeInteger, double, std::string, List> what{};

  CodeValue() = default;  // None
  CodeValue(bool value) : what(value) {}
  CodeValue(std::integral auto value) : what(CodeInteger{value}) {}
  CodeValue(std::floating_point auto value) : what(double{value}) {}
  CodeValue(std::string value) : what(std::move(value)) {}
  CodeValue(const char* value) : what(std::string(value)) {}
  CodeValue(List values) : what(std::move(values)) {}
  bool operator==(const CodeValue&) const = default;
};
std::string to_text(const CodeValue&);  // as print() shows it

using CodeVariables = std::map<std::string, CodeValue, std::less<>>;

struct CodeError {
  int line = 0;      // within the snippet, from 1
  std::string text;  // "tcpi_snd_cwnd == 10 is false (tcpi_snd_cwnd is 9)"
};

// Runs a snippet over named values, and over the constants of symbol_value() where no value has the name. What print()
// wrote is returned. What is assigned stays in `variables` for the next snippet.
std::expected<std::string, CodeError> run_code(std::string_view text, CodeVariables& variables);

}  // namespace glass::drill
