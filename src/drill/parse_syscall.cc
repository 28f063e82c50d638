#include <fmt/format.h>

#include "drill/parse_parts.h"
#include "drill/parser.h"

namespace glass::drill {

namespace {

constexpr int kMaxDepth = 32;

class ValueParser {
 public:
  explicit ValueParser(Scanner& scanner) : s_(scanner) {}
  Value value(int depth = 0);
  std::vector<Value> list(std::string_view close, int depth);

 private:
  Value primary(int depth);
  Value name_or_call(int depth);
  Value::Field field(int depth);
  Value::Record record(int depth);

  Scanner& s_;
};

// Values up to `close`, which is read too.
std::vector<Value> ValueParser::list(std::string_view close, int depth) {
  std::vector<Value> values;
  if (s_.accept(close)) return values;
  do values.push_back(value(depth));
  while (s_.accept(","));
  s_.expect(close, "this list of values");
  return values;
}

Value ValueParser::value(int depth) {
  const size_t begin = s_.next_position();
  if (depth > kMaxDepth) s_.fail("values lie in one another too deeply");
  Value result = primary(depth);
  while (s_.peek("|")) {
    const int64_t* left = result.integer();
    if (!left) s_.fail("only numbers and constants can be joined with |");
    const int64_t value = *left;
    s_.accept("|");
    const size_t right_begin = s_.next_position();
    const Value right = primary(depth);
    if (!right.integer()) s_.fail_at(right_begin, "only numbers and constants can be joined with |");
    result.what = value | *right.integer();
  }
  result.text = one_line(s_.since(begin));
  return result;
}

Value ValueParser::primary(int depth) {
  if (s_.accept("...")) return {};
  if (s_.accept("[")) return {.what = Value::List{list("]", depth + 1)}};
  if (s_.accept("{")) return {.what = record(depth + 1)};
  const char c = s_.peek();
  if (c == '"') return {.what = s_.string()};
  if (c == '-' || (c >= '0' && c <= '9')) return {.what = s_.integer("a number")};
  return name_or_call(depth);
}

// A constant, or a call as in htons(80).
Value ValueParser::name_or_call(int depth) {
  const size_t begin = s_.next_position();
  const std::string name(s_.word("a value"));
  if (s_.accept("(")) return {.what = Value::Call{name, list(")", depth + 1)}};
  const std::optional<int64_t> constant = symbol_value(name);
  if (!constant) s_.fail_at(begin, fmt::format("unknown constant '{}': -D {}=VALUE would define it", name, name));
  return {.what = *constant};
}

// name=value, name(arguments)=value, or only a value.
Value::Field ValueParser::field(int depth) {
  const size_t begin = s_.next_position();
  Value::Field field;
  const std::string_view word = s_.peek_word();
  if (!word.empty() && (word[0] < '0' || word[0] > '9')) {
    std::string name(s_.word("a name"));
    const bool call = s_.accept("(");
    if (call) field.arguments = list(")", depth + 1);
    if (s_.accept("=")) {
      field.name = std::move(name);
    } else if (call) {  // not read again: calls may lie in one another
      Value value{.what = Value::Call{std::move(name), std::move(field.arguments)}};
      value.text = one_line(s_.since(begin));
      return {.name = {}, .value = std::make_shared<Value>(std::move(value))};
    } else {
      s_.go_back(begin);
    }
  }
  field.value = std::make_shared<Value>(value(depth));
  return field;
}

Value::Record ValueParser::record(int depth) {
  Value::Record record;
  if (s_.accept("}")) return record;
  do record.fields.push_back(field(depth));
  while (s_.accept(","));
  s_.expect("}", "these fields");
  return record;
}

// What strerror() would say, in parentheses: anything up to the closing one.
void skip_note(Scanner& s) {
  const size_t begin = s.next_position();
  if (!s.accept("(")) return;
  const size_t close = s.text().find(')', s.position());
  if (close == std::string::npos) s.fail_at(begin, "this remark is not closed: ) is missing");
  s.go_back(close + 1);
}

}  // namespace

const Value* Value::field(std::string_view name) const {
  if (!record()) return nullptr;
  for (const Field& f : record()->fields) {
    if (f.name == name) return f.value.get();
  }
  return nullptr;
}

Value parse_value(Scanner& s) { return ValueParser(s).value(); }

SyscallEvent parse_syscall(Scanner& s) {
  SyscallEvent call;
  call.name = s.word("a system call, a packet, a `command` or a %{ snippet }%");
  s.expect("(", "the name of a system call");
  call.arguments = ValueParser(s).list(")", 0);
  s.expect("=", "the arguments of a system call");
  call.result = parse_value(s);
  const size_t errno_begin = s.next_position();
  const std::string_view name = s.peek_word();
  if (!name.empty() && name[0] >= 'A' && name[0] <= 'Z') {
    const std::optional<int64_t> error = name[0] == 'E' ? symbol_value(name) : std::nullopt;
    if (!error) s.fail_at(errno_begin, fmt::format("'{}' is no errno name", name));
    call.error = static_cast<int>(*error);
    s.accept_word(name);
  }
  skip_note(s);
  return call;
}

}  // namespace glass::drill
