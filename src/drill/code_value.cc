#include "drill/code_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace glass::drill {

namespace {

constexpr size_t kMaxText = 1 << 16, kMaxItems = 1000;

std::unexpected<std::string> wrong(std::string text) { return std::unexpected(std::move(text)); }

std::string integer_text(CodeInteger value) {
  std::string digits;
  const bool negative = value < 0;
  do {
    const int digit = static_cast<int>(value % 10);
    digits += static_cast<char>('0' + (digit < 0 ? -digit : digit));
    value /= 10;
  } while (value != 0);
  if (negative) digits += '-';
  std::ranges::reverse(digits);
  return digits;
}

std::string real_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::string text = fmt::format("{}", value);
  return text.find_first_of(".e") == text.npos ? text + ".0" : text;
}

std::string list_text(const CodeValue::List& list) {
  std::string text = "(";
  for (const CodeValue& item : list) text += (text.size() > 1 ? ", " : "") + to_literal(item);
  return text + (list.size() == 1 ? ",)" : ")");
}

CodeResult integer_operation(std::string_view sign, CodeInteger a, CodeInteger b) {
  CodeInteger out = 0;
  const bool shift = sign == "<<" || sign == ">>";
  if ((sign == "//" || sign == "%") && b == 0) return wrong("division by zero");
  if (shift && (b < 0 || b > 120)) return wrong("a shift by that much");
  bool over = false;
  if (sign == "+") {
    over = __builtin_add_overflow(a, b, &out);
  } else if (sign == "-") {
    over = __builtin_sub_overflow(a, b, &out);
  } else if (sign == "*") {
    over = __builtin_mul_overflow(a, b, &out);
  } else if (sign == "<<") {
    over = __builtin_mul_overflow(a, CodeInteger{1} << static_cast<int>(b), &out);
  } else if (sign == "//" || sign == "%") {
    if (b == -1) return sign == "%" ? CodeResult(0) : integer_operation("-", 0, a);
    const bool down = a % b != 0 && (a % b < 0) != (b < 0);  // Python rounds towards minus infinity
    out = sign == "//" ? a / b - (down ? 1 : 0) : a % b + (down ? b : 0);
  } else {
    out = sign == ">>" ? a >> static_cast<int>(b) : sign == "&" ? a & b : sign == "|" ? a | b : a ^ b;
  }
  if (over) return wrong("the result is too large");
  return out;
}

CodeResult integer_power(CodeInteger base, CodeInteger exponent) {
  if (exponent < 0) return std::pow(static_cast<double>(base), static_cast<double>(exponent));
  if (base >= -1 && base <= 1) return exponent == 0 ? 1 : exponent % 2 == 0 ? base * base : base;
  if (exponent > 128) return wrong("the result is too large");
  CodeResult out = 1;
  for (CodeInteger i = 0; i < exponent && out; ++i) out = integer_operation("*", *as_integer(*out), base);
  return out;
}

CodeResult real_operation(std::string_view sign, double a, double b) {
  if (sign == "+") return a + b;
  if (sign == "-") return a - b;
  if (sign == "*") return a * b;
  if (sign == "**") return std::pow(a, b);
  if (b == 0) return wrong("division by zero");
  if (sign == "/") return a / b;
  if (sign == "//") return std::floor(a / b);
  return a - b * std::floor(a / b);  // %
}

bool is_real(const CodeValue& v) { return std::holds_alternative<double>(v.what); }
const std::string* text_of(const CodeValue& v) { return std::get_if<std::string>(&v.what); }
const CodeValue::List* list_of(const CodeValue& v) { return std::get_if<CodeValue::List>(&v.what); }

CodeResult join(const CodeValue& left, const CodeValue& right) {
  if (text_of(left) && text_of(right)) {
    if (text_of(left)->size() + text_of(right)->size() > kMaxText) return wrong("the result is too long");
    return *text_of(left) + *text_of(right);
  }
  CodeValue::List both = *list_of(left);
  both.insert(both.end(), list_of(right)->begin(), list_of(right)->end());
  if (both.size() > kMaxItems) return wrong("the result is too long");
  return both;
}

// Equality of a number with a number is by value, whatever their types.
bool equal(const CodeValue& left, const CodeValue& right) {
  const auto a = as_integer(left), b = as_integer(right);
  if (a && b) return *a == *b;
  if (as_real(left) && as_real(right)) return *as_real(left) == *as_real(right);
  if (list_of(left) && list_of(right)) return std::ranges::equal(*list_of(left), *list_of(right), equal);
  return left == right;
}

std::expected<bool, std::string> contains(const CodeValue& item, const CodeValue& container) {
  if (const auto* list = list_of(container)) {
    return std::ranges::any_of(*list, [&](const CodeValue& v) { return equal(v, item); });
  }
  if (text_of(container) && text_of(item)) return text_of(container)->find(*text_of(item)) != std::string::npos;
  return wrong(fmt::format("nothing is `in` a value of type {}", type_name(container)));
}

}  // namespace

std::optional<CodeInteger> as_integer(const CodeValue& v) {
  if (const auto* integer = std::get_if<CodeInteger>(&v.what)) return *integer;
  if (const auto* truth = std::get_if<bool>(&v.what)) return *truth ? 1 : 0;
  return std::nullopt;
}

std::optional<double> as_real(const CodeValue& v) {
  if (const auto* real = std::get_if<double>(&v.what)) return *real;
  if (auto integer = as_integer(v)) return static_cast<double>(*integer);
  return std::nullopt;
}

bool is_true(const CodeValue& v) {
  if (auto number = as_real(v)) return *number != 0;
  if (const auto* text = text_of(v)) return !text->empty();
  if (const auto* list = list_of(v)) return !list->empty();
  return false;
}

std::string type_name(const CodeValue& v) {
  constexpr std::string_view kNames[] = {"None", "bool", "int", "float", "str", "tuple"};
  return std::string(kNames[v.what.index()]);
}

std::string to_text(const CodeValue& v) {
  if (const auto* truth = std::get_if<bool>(&v.what)) return *truth ? "True" : "False";
  if (auto integer = as_integer(v)) return integer_text(*integer);
  if (is_real(v)) return real_text(*as_real(v));
  if (const auto* text = text_of(v)) return *text;
  if (const auto* list = list_of(v)) return list_text(*list);
  return "None";
}

std::string to_literal(const CodeValue& v) { return text_of(v) ? fmt::format("'{}'", *text_of(v)) : to_text(v); }

CodeResult unary_operation(std::string_view sign, const CodeValue& v) {
  if (sign == "not") return !is_true(v);
  if (auto integer = as_integer(v)) {
    if (sign == "~") return ~*integer;
    return integer_operation(sign, 0, *integer);
  }
  if (is_real(v) && sign != "~") return sign == "-" ? -*as_real(v) : *as_real(v);
  return wrong(fmt::format("{} cannot stand before a value of type {}", sign, type_name(v)));
}

CodeResult binary_operation(std::string_view sign, const CodeValue& left, const CodeValue& right) {
  if (sign == "%" && text_of(left)) return format_percent(*text_of(left), right);
  if (sign == "+" && ((text_of(left) && text_of(right)) || (list_of(left) && list_of(right)))) return join(left, right);
  const auto a = as_integer(left), b = as_integer(right);
  if (a && b && sign == "**") return integer_power(*a, *b);
  if (a && b && sign != "/") return integer_operation(sign, *a, *b);
  constexpr std::string_view kReal[] = {"+", "-", "*", "/", "//", "%", "**"};
  if (as_real(left) && as_real(right) && std::ranges::find(kReal, sign) != std::end(kReal)) {
    return real_operation(sign, *as_real(left), *as_real(right));
  }
  return wrong(
      fmt::format("{} cannot stand between values of types {} and {}", sign, type_name(left), type_name(right)));
}

std::expected<bool, std::string> compare(std::string_view sign, const CodeValue& left, const CodeValue& right) {
  if (sign == "==") return equal(left, right);
  if (sign == "!=") return !equal(left, right);
  if (sign == "in") return contains(left, right);
  if (sign == "not in") {
    const auto there = contains(left, right);
    return there ? std::expected<bool, std::string>(!*there) : there;
  }
  const auto a = as_integer(left), b = as_integer(right);
  std::partial_ordering order = std::partial_ordering::unordered;
  if (a && b) {
    order = *a <=> *b;
  } else if (as_real(left) && as_real(right)) {
    order = *as_real(left) <=> *as_real(right);
  } else if (text_of(left) && text_of(right)) {
    order = *text_of(left) <=> *text_of(right);
  } else {
    return wrong(fmt::format("{} cannot compare values of types {} and {}", sign, type_name(left), type_name(right)));
  }
  if (sign == "<") return order < 0;
  if (sign == "<=") return order <= 0;
  return sign == ">" ? order > 0 : order >= 0;
}

}  // namespace glass::drill
