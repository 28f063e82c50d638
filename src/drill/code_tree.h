// A snippet as a tree: what parse_code() makes and run_code() evaluates.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "drill/code.h"

namespace glass::drill {

struct CodeExpression {
  enum class Kind : uint8_t {
    constant,      // value
    name,          // name
    unary,         // name: "not", "-", "+", "~"; parts: operand
    binary,        // name: "+" ...; parts: left, right
    both,          // and; parts: left, right
    either,        // or
    comparison,    // a < b <= c; operators; parts: one more than operators
    conditional,   // parts: value, condition, other value
    list,          // parts
    index,         // parts: list, index
    call,          // name; parts: arguments
    format_string  // parts: their texts one behind the other
  };
  Kind kind = Kind::constant;
  int line = 0;
  std::string name{};
  CodeValue value{};
  std::vector<std::string> operators{};
  std::vector<CodeExpression> parts{};
};

struct CodeStatement {
  enum class Kind : uint8_t { expression, assignment, assertion, condition, pass };
  Kind kind = Kind::pass;
  int line = 0;
  std::string name{};                              // assignment: whose value it is; assertion: the condition as written
  std::vector<CodeExpression> expressions{};       // assertion: condition and perhaps a message
  std::vector<CodeStatement> body{}, otherwise{};  // condition
};

// Throws CodeError.
std::vector<CodeStatement> parse_code(std::string_view text);

}  // namespace glass::drill
