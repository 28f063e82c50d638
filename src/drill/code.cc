#include "drill/code.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "drill/code_tree.h"
#include "drill/code_value.h"
#include "drill/parser.h"

namespace glass::drill {

namespace {

using Kind = CodeExpression::Kind;
using Values = std::vector<CodeValue>;

constexpr size_t kMaxPrinted = 1 << 20;
constexpr size_t kMaxNested = 1000;

// Values in it, those in its lists included.
size_t weight(const CodeValue& v) {
  size_t sum = 1;
  if (const auto* list = std::get_if<CodeValue::List>(&v.what)) {
    for (const CodeValue& item : *list) sum += weight(item);
  }
  return sum;
}

class Interpreter {
 public:
  explicit Interpreter(CodeVariables& variables) : variables_(variables) {}
  void run(const std::vector<CodeStatement>& statements);
  std::string printed() && { return std::move(printed_); }

 private:
  void run(const CodeStatement& statement);
  void assertion(const CodeStatement& statement);
  CodeValue value(const CodeExpression& e);
  CodeValue name(const CodeExpression& e) const;
  CodeValue comparison(const CodeExpression& e);
  CodeValue list(const CodeExpression& e);
  CodeValue index(const CodeExpression& e);
  CodeValue call(const CodeExpression& e);
  CodeValue text(const CodeExpression& e);
  Values values(const CodeExpression& e);
  std::string names_of(const CodeExpression& e) const;
  const CodeValue* find(const std::string& name) const;

  [[noreturn]] static void fail(int line, std::string what) { throw CodeError{line, std::move(what)}; }
  template <class T>
  static T checked(const CodeExpression& e, std::expected<T, std::string> result) {
    if (!result) fail(e.line, std::move(result).error());
    return *std::move(result);
  }

  CodeVariables& variables_;
  std::string printed_{};
};

void Interpreter::run(const std::vector<CodeStatement>& statements) {
  for (const CodeStatement& statement : statements) run(statement);
}

void Interpreter::run(const CodeStatement& statement) {
  switch (statement.kind) {
    case CodeStatement::Kind::pass: return;
    case CodeStatement::Kind::assertion: return assertion(statement);
    case CodeStatement::Kind::expression: value(statement.expressions[0]); return;
    case CodeStatement::Kind::assignment:
      variables_.insert_or_assign(statement.name, value(statement.expressions[0]));
      return;
    case CodeStatement::Kind::condition:
      return run(is_true(value(statement.expressions[0])) ? statement.body : statement.otherwise);
  }
}

void Interpreter::assertion(const CodeStatement& statement) {
  const CodeExpression& condition = statement.expressions[0];
  if (is_true(value(condition))) return;
  std::string what = fmt::format("{} is false", statement.name);
  const std::string names = names_of(condition);
  if (!names.empty()) what += fmt::format(" ({})", names);
  if (statement.expressions.size() > 1) {
    const CodeValue message = value(statement.expressions[1]);
    if (std::holds_alternative<std::string>(message.what)) what += ": " + to_text(message);
  }
  fail(statement.line, what);
}

// What the names in an expression stand for: "a is 1, b is 2".
std::string Interpreter::names_of(const CodeExpression& e) const {
  std::vector<std::string> seen;
  const auto visit = [&](const CodeExpression& part, const auto& self) -> void {
    if (part.kind == Kind::name && std::ranges::find(seen, part.name) == seen.end()) seen.push_back(part.name);
    for (const CodeExpression& inner : part.parts) self(inner, self);
  };
  visit(e, visit);
  std::string out;
  for (const std::string& name : seen) {
    const auto constant = symbol_value(name);
    const CodeValue* variable = find(name);
    if (!variable && !constant) continue;  // not reached, so not missed
    out += fmt::format("{}{} is {}", out.empty() ? "" : ", ", name, to_literal(variable ? *variable : *constant));
  }
  return out;
}

const CodeValue* Interpreter::find(const std::string& name) const {
  const auto found = variables_.find(name);
  return found == variables_.end() ? nullptr : &found->second;
}

CodeValue Interpreter::name(const CodeExpression& e) const {
  if (const CodeValue* variable = find(e.name)) return *variable;
  if (const auto constant = symbol_value(e.name)) return *constant;
  fail(e.line, fmt::format("'{}' is not defined", e.name));
}

Values Interpreter::values(const CodeExpression& e) {
  Values out;
  for (const CodeExpression& part : e.parts) out.push_back(value(part));
  return out;
}

CodeValue Interpreter::value(const CodeExpression& e) {
  switch (e.kind) {
    case Kind::constant: return e.value;
    case Kind::name: return name(e);
    case Kind::unary: return checked(e, unary_operation(e.name, value(e.parts[0])));
    case Kind::binary: {
      const CodeValue left = value(e.parts[0]);
      return checked(e, binary_operation(e.name, left, value(e.parts[1])));
    }
    case Kind::both: {
      CodeValue left = value(e.parts[0]);
      return is_true(left) ? value(e.parts[1]) : left;
    }
    case Kind::either: {
      CodeValue left = value(e.parts[0]);
      return is_true(left) ? left : value(e.parts[1]);
    }
    case Kind::comparison: return comparison(e);
    case Kind::conditional: return value(e.parts[is_true(value(e.parts[1])) ? 0 : 2]);
    case Kind::list: return list(e);
    case Kind::index: return index(e);
    case Kind::call: return call(e);
    case Kind::format_string: return text(e);
  }
  return {};
}

// a < b < c is a < b and b < c, with b evaluated once.
CodeValue Interpreter::comparison(const CodeExpression& e) {
  CodeValue left = value(e.parts[0]);
  for (size_t i = 0; i < e.operators.size(); ++i) {
    CodeValue right = value(e.parts[i + 1]);
    if (!checked(e, compare(e.operators[i], left, right))) return false;
    left = std::move(right);
  }
  return true;
}

CodeValue Interpreter::list(const CodeExpression& e) {
  CodeValue out = values(e);
  if (weight(out) > kMaxNested) fail(e.line, "these lists hold too much");
  return out;
}

CodeValue Interpreter::index(const CodeExpression& e) {
  const CodeValue container = value(e.parts[0]);
  const auto position = as_integer(value(e.parts[1]));
  const auto* list = std::get_if<CodeValue::List>(&container.what);
  if (!list || !position) fail(e.line, "only tuples and lists can be indexed, by integers");
  const auto size = static_cast<CodeInteger>(list->size());
  const CodeInteger from_front = *position < 0 ? *position + size : *position;
  if (from_front < 0 || from_front >= size) fail(e.line, fmt::format("there are only {} items", list->size()));
  return (*list)[static_cast<size_t>(from_front)];
}

CodeValue Interpreter::text(const CodeExpression& e) {
  std::string out;
  for (const CodeExpression& part : e.parts) out += to_text(value(part));
  if (out.size() > kMaxPrinted) fail(e.line, "this text is too long");
  return out;
}

CodeResult absolute(const CodeValue& v) {
  if (!as_real(v)) return std::unexpected("abs() needs a number");
  return *as_real(v) < 0 ? unary_operation("-", v) : v;
}

CodeResult length(const CodeValue& v) {
  if (const auto* text = std::get_if<std::string>(&v.what)) return text->size();
  if (const auto* list = std::get_if<CodeValue::List>(&v.what)) return list->size();
  return std::unexpected("len() needs a string, a tuple or a list");
}

CodeResult to_integer(const CodeValue& v) {
  if (as_integer(v)) return *as_integer(v);
  if (!as_real(v) || !(std::abs(*as_real(v)) < 1e37)) return std::unexpected("int() needs a number");
  return static_cast<CodeInteger>(*as_real(v));
}

CodeResult to_real(const CodeValue& v) {
  if (!as_real(v)) return std::unexpected("float() needs a number");
  return *as_real(v);
}

// To the nearest, of two the even one.
CodeResult rounded(const Values& arguments) {
  const auto digits = arguments.size() > 1 ? as_integer(arguments[1]) : CodeInteger{0};
  if (!as_real(arguments[0]) || !digits || *digits < 0 || *digits > 15)
    return std::unexpected("round() needs a number");
  if (as_integer(arguments[0])) return arguments[0];
  const double scale = std::pow(10, static_cast<double>(*digits));
  const double value = std::nearbyint(*as_real(arguments[0]) * scale) / scale;
  return arguments.size() > 1 ? CodeResult(value) : to_integer(value);
}

CodeResult extreme(std::string_view name, const Values& arguments) {
  const auto* list = arguments.size() == 1 ? std::get_if<CodeValue::List>(&arguments[0].what) : nullptr;
  const Values& among = list ? *list : arguments;
  if (among.empty()) return std::unexpected(fmt::format("{}() of nothing", name));
  const CodeValue* best = &among[0];
  for (const CodeValue& v : among) {
    const auto better = compare(name == "min" ? "<" : ">", v, *best);
    if (!better) return std::unexpected(better.error());
    if (*better) best = &v;
  }
  return *best;
}

CodeResult call_function(const std::string& name, const Values& arguments) {
  if (name == "min" || name == "max") return extreme(name, arguments);
  if (name == "round" && (arguments.size() == 1 || arguments.size() == 2)) return rounded(arguments);
  using Function = CodeResult (*)(const CodeValue&);
  static const std::map<std::string, Function, std::less<>> kOfOne = {
      {"abs", absolute},
      {"len", length},
      {"int", to_integer},
      {"float", to_real},
      {"str", [](const CodeValue& v) -> CodeResult { return to_text(v); }},
      {"bool", [](const CodeValue& v) -> CodeResult { return is_true(v); }},
  };
  const auto found = kOfOne.find(name);
  if (found == kOfOne.end()) return std::unexpected(fmt::format("there is no function {}()", name));
  if (arguments.size() != 1) return std::unexpected(fmt::format("{}() takes one value", name));
  return found->second(arguments[0]);
}

CodeValue Interpreter::call(const CodeExpression& e) {
  const Values arguments = values(e);
  if (e.name != "print") return checked(e, call_function(e.name, arguments));
  for (size_t i = 0; i < arguments.size(); ++i) printed_ += (i ? " " : "") + to_text(arguments[i]);
  printed_ += '\n';
  if (printed_.size() > kMaxPrinted) fail(e.line, "too much is printed");
  return {};
}

}  // namespace

std::expected<std::string, CodeError> run_code(std::string_view text, CodeVariables& variables) {
  try {
    Interpreter interpreter(variables);
    interpreter.run(parse_code(text));
    return std::move(interpreter).printed();
  } catch (const CodeError& error) {
    return std::unexpected(error);
  }
}

}  // namespace glass::drill
