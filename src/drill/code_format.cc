#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "drill/code_value.h"

namespace glass::drill {

namespace {

constexpr size_t kMaxWidth = 200;

// One conversion: %-05.1f
struct Conversion {
  bool left = false, zero = false, plus = false, space = false, alternate = false;
  size_t width = 0;
  std::optional<size_t> precision{};
  char letter = 0;
};

std::unexpected<std::string> wrong(std::string text) { return std::unexpected(std::move(text)); }

// nullopt: width or precision beyond reason.
std::optional<size_t> read_number(std::string_view format, size_t& i) {
  size_t number = 0;
  for (; i < format.size() && format[i] >= '0' && format[i] <= '9'; ++i) {
    number = number * 10 + static_cast<size_t>(format[i] - '0');
    if (number > kMaxWidth) return std::nullopt;
  }
  return number;
}

// From behind the %; i is left behind the letter.
std::expected<Conversion, std::string> read_conversion(std::string_view format, size_t& i) {
  Conversion c;
  for (; i < format.size() && std::string_view("-0+ #").find(format[i]) != std::string_view::npos; ++i) {
    c.left |= format[i] == '-';
    c.zero |= format[i] == '0';
    c.plus |= format[i] == '+';
    c.space |= format[i] == ' ';
    c.alternate |= format[i] == '#';
  }
  const auto width = read_number(format, i);
  if (!width) return wrong("a conversion is wider than 200");
  c.width = *width;
  if (i < format.size() && format[i] == '.') {
    c.precision = read_number(format, ++i);
    if (!c.precision) return wrong("a conversion has a precision beyond 200");
  }
  while (i < format.size() && (format[i] == 'l' || format[i] == 'h')) ++i;
  if (i == format.size()) return wrong("a % at the end of a format");
  c.letter = format[i++];
  return c;
}

std::string with_sign(const Conversion& c, std::string digits, bool negative) {
  if (negative) return "-" + digits;
  return c.plus ? "+" + digits : c.space ? " " + digits : digits;
}

std::string padded(const Conversion& c, std::string text, bool number) {
  if (text.size() >= c.width) return text;
  const size_t missing = c.width - text.size();
  if (c.left) return text + std::string(missing, ' ');
  if (!c.zero || !number) return std::string(missing, ' ') + text;
  const size_t sign = text.find_first_not_of("+- ") == 1 ? 1 : 0;
  return text.insert(sign, missing, '0');
}

std::string in_base(unsigned __int128 value, unsigned base, bool upper) {
  const std::string_view letters = upper ? "0123456789ABCDEF" : "0123456789abcdef";
  std::string digits;
  do {
    const auto digit = static_cast<unsigned>(value % base);
    digits += letters[digit];
    value /= base;
  } while (value != 0);
  std::ranges::reverse(digits);
  return digits;
}

std::expected<std::string, std::string> convert_integer(const Conversion& c, const CodeValue& value) {
  std::optional<CodeInteger> integer = as_integer(value);
  if (!integer && as_real(value) && std::abs(*as_real(value)) < 1e37 && std::string_view("diu").contains(c.letter)) {
    integer = static_cast<CodeInteger>(*as_real(value));
  }
  if (!integer) return wrong(fmt::format("%{} needs a number, not a value of type {}", c.letter, type_name(value)));
  const bool negative = *integer < 0;
  const auto size = negative ? -static_cast<unsigned __int128>(*integer) : static_cast<unsigned __int128>(*integer);
  const unsigned base = c.letter == 'x' || c.letter == 'X' ? 16 : c.letter == 'o' ? 8 : 10;
  std::string digits = in_base(size, base, c.letter == 'X');
  if (c.alternate && base != 10) digits = fmt::format("0{}{}", c.letter, digits);
  return padded(c, with_sign(c, std::move(digits), negative), true);
}

std::expected<std::string, std::string> convert_real(const Conversion& c, const CodeValue& value) {
  const std::optional<double> real = as_real(value);
  if (!real) return wrong(fmt::format("%{} needs a number, not a value of type {}", c.letter, type_name(value)));
  const int precision = static_cast<int>(c.precision.value_or(6));
  const double size = std::abs(*real);
  std::string digits = c.letter == 'f'   ? fmt::format("{:.{}f}", size, precision)
                       : c.letter == 'e' ? fmt::format("{:.{}e}", size, precision)
                                         : fmt::format("{:.{}g}", size, precision);
  return padded(c, with_sign(c, std::move(digits), std::signbit(*real)), true);
}

std::expected<std::string, std::string> convert(const Conversion& c, const CodeValue& value) {
  switch (c.letter) {
    case 'd':
    case 'i':
    case 'u':
    case 'x':
    case 'X':
    case 'o': return convert_integer(c, value);
    case 'f':
    case 'e':
    case 'g': return convert_real(c, value);
    case 's':
    case 'r': {
      const std::string text = c.letter == 's' ? to_text(value) : to_literal(value);
      return padded(c, text.substr(0, c.precision.value_or(text.size())), false);
    }
    default: return wrong(fmt::format("the conversion %{} is not understood", c.letter));
  }
}

}  // namespace

CodeResult format_percent(std::string_view format, const CodeValue& arguments) {
  const auto* list = std::get_if<CodeValue::List>(&arguments.what);
  const CodeValue::List values = list ? *list : CodeValue::List{arguments};
  std::string out;
  size_t used = 0;
  for (size_t i = 0; i < format.size();) {
    if (format[i] != '%') {
      out += format[i++];
      continue;
    }
    const auto conversion = read_conversion(format, ++i);
    if (!conversion) return wrong(conversion.error());
    if (conversion->letter == '%') {
      out += '%';
      continue;
    }
    if (used == values.size()) return wrong("fewer values than the format wants");
    const auto text = convert(*conversion, values[used++]);
    if (!text) return wrong(text.error());
    out += *text;
  }
  if (used != values.size()) return wrong("more values than the format wants");
  return out;
}

}  // namespace glass::drill
