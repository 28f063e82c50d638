// What Python's signs mean between values. What has no meaning, or goes beyond 128 bits, is an error.
#pragma once
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "drill/code.h"

namespace glass::drill {

using CodeResult = std::expected<CodeValue, std::string>;

bool is_true(const CodeValue&);
std::string type_name(const CodeValue&);   // "int", "str" ...
std::string to_literal(const CodeValue&);  // as it would be written: strings with quotes

CodeResult unary_operation(std::string_view sign, const CodeValue&);
CodeResult binary_operation(std::string_view sign, const CodeValue& left, const CodeValue& right);
std::expected<bool, std::string> compare(std::string_view sign, const CodeValue& left, const CodeValue& right);

// "%d of %s" % (1, "x")
CodeResult format_percent(std::string_view format, const CodeValue& arguments);

// The value as a number; nullopt if it is none. True is 1.
std::optional<CodeInteger> as_integer(const CodeValue&);
std::optional<double> as_real(const CodeValue&);  // of integers too

}  // namespace glass::drill
