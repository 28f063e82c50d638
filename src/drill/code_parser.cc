#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "drill/code_lexer.h"
#include "drill/code_tree.h"

namespace glass::drill {

namespace {

using Kind = CodeExpression::Kind;
using Token = CodeToken::Kind;

constexpr int kMaxDepth = 50;         // of parentheses, blocks and signs in one another
constexpr int kMaxExpressions = 500;  // in one statement

constexpr std::string_view kKeywords[] = {"and",    "as",   "assert", "break",   "class", "continue", "def",    "del",
                                          "elif",   "else", "except", "finally", "for",   "from",     "global", "if",
                                          "import", "in",   "is",     "lambda",  "not",   "or",       "pass",   "raise",
                                          "return", "try",  "while",  "with",    "yield"};

// Two-sided signs from the loosest to the tightest.
constexpr std::string_view kLevels[][4] = {{"|"}, {"^"}, {"&"}, {"<<", ">>"}, {"+", "-"}, {"*", "//", "/", "%"}};

class CodeParser {
 public:
  explicit CodeParser(std::string_view text) : text_(text), tokens_(code_tokens(text)) {}
  std::vector<CodeStatement> statements(Token until);
  CodeExpression whole_expression();

 private:
  const CodeToken& here() const { return tokens_[at_]; }
  bool is(std::string_view text) const;
  bool accept(std::string_view text);
  void expect(std::string_view text);
  [[noreturn]] void fail(std::string what) const { throw CodeError{here().line, std::move(what)}; }
  std::string found() const;

  void line(std::vector<CodeStatement>& out);
  CodeStatement simple();
  CodeStatement condition();
  CodeStatement assertion();
  std::string written(size_t first, size_t end) const;
  CodeStatement assignment_or_expression();
  std::vector<CodeStatement> block();

  CodeExpression tuple();
  CodeExpression expression();
  CodeExpression disjunction();
  CodeExpression conjunction();
  CodeExpression negation();
  CodeExpression comparison();
  std::string comparison_sign();
  CodeExpression arithmetic(size_t level);
  CodeExpression sign();
  CodeExpression power();
  CodeExpression postfix();
  CodeExpression atom();
  CodeExpression name();
  CodeExpression number();
  CodeExpression strings();
  CodeExpression format_string(const CodeToken& token);
  CodeExpression parenthesis();
  CodeExpression items(std::string_view close);
  CodeExpression make(Kind kind, std::string text = {});
  CodeExpression make(Kind kind, std::string text, CodeExpression first, CodeExpression second);

  struct Deeper {
    CodeParser& parser;
    explicit Deeper(CodeParser& p) : parser(p) {
      if (++parser.depth_ > kMaxDepth) parser.fail("this is nested too deeply");
    }
    ~Deeper() { --parser.depth_; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;
  };

  std::string_view text_;
  std::vector<CodeToken> tokens_;
  size_t at_ = 0;
  int depth_ = 0, expressions_ = 0;
};

bool CodeParser::is(std::string_view text) const {
  return (here().kind == Token::name || here().kind == Token::sign) && here().text == text;
}

bool CodeParser::accept(std::string_view text) {
  if (!is(text)) return false;
  ++at_;
  return true;
}

void CodeParser::expect(std::string_view text) {
  if (!accept(text)) fail(fmt::format("expected '{}', found {}", text, found()));
}

std::string CodeParser::found() const {
  switch (here().kind) {
    case Token::newline: return "the end of the line";
    case Token::end: return "the end of the snippet";
    case Token::indent: return "a line that is indented further";
    case Token::dedent: return "the end of the indented block";
    default: return fmt::format("'{}'", here().text);
  }
}

std::vector<CodeStatement> CodeParser::statements(Token until) {
  std::vector<CodeStatement> out;
  while (here().kind != until) {
    if (here().kind == Token::newline) {
      ++at_;
    } else if (here().kind == Token::end || here().kind == Token::indent || here().kind == Token::dedent) {
      fail(fmt::format("expected a statement, found {}", found()));
    } else {
      line(out);
    }
  }
  return out;
}

CodeExpression CodeParser::whole_expression() {
  CodeExpression e = tuple();
  if (here().kind != Token::newline || tokens_[at_ + 1].kind != Token::end) fail(fmt::format("found {}", found()));
  return e;
}

// Statements up to the end of the line, or one with its blocks.
void CodeParser::line(std::vector<CodeStatement>& out) {
  expressions_ = 0;
  if (is("if")) {
    out.push_back(condition());
    return;
  }
  do {
    if (here().kind == Token::newline) break;
    expressions_ = 0;
    out.push_back(simple());
  } while (accept(";"));
  if (here().kind != Token::newline) fail(fmt::format("expected the end of the statement, found {}", found()));
  ++at_;
}

CodeStatement CodeParser::simple() {
  if (is("assert")) return assertion();
  const int line = here().line;
  if (accept("pass")) return {.kind = CodeStatement::Kind::pass, .line = line};
  return assignment_or_expression();
}

CodeStatement CodeParser::assertion() {
  CodeStatement out{.kind = CodeStatement::Kind::assertion, .line = here().line};
  expect("assert");
  const size_t first = at_;
  out.expressions.push_back(expression());
  out.name = written(first, at_);
  if (accept(",")) out.expressions.push_back(expression());
  return out;
}

// The text of tokens, on one line.
std::string CodeParser::written(size_t first, size_t end) const {
  const auto quoted = [](const CodeToken& t) { return t.kind == Token::string || t.kind == Token::format_string; };
  const char* from = tokens_[first].text.data() - (quoted(tokens_[first]) ? 1 : 0);
  const char* to = tokens_[end - 1].text.data() + tokens_[end - 1].text.size() + (quoted(tokens_[end - 1]) ? 1 : 0);
  std::string text(from, to);
  for (char& c : text) {
    if (c == '\n' || c == '\r' || c == '\t') c = ' ';
  }
  return text;
}

CodeStatement CodeParser::assignment_or_expression() {
  CodeStatement out{.kind = CodeStatement::Kind::expression, .line = here().line};
  const bool named = here().kind == Token::name && tokens_[at_ + 1].kind == Token::sign;
  const std::string_view sign = named ? tokens_[at_ + 1].text : "";
  if (!named || sign.back() != '=' || sign == "==" || sign == "!=" || sign == "<=" || sign == ">=") {
    out.expressions.push_back(tuple());
    return out;
  }
  out.kind = CodeStatement::Kind::assignment;
  CodeExpression target = name();
  if (target.kind != Kind::name) fail("only a name can be given a value");
  out.name = target.name;
  ++at_;
  if (sign == "=") {
    out.expressions.push_back(tuple());
  } else {
    CodeExpression right = tuple();
    out.expressions.push_back(make(Kind::binary, std::string(sign.substr(0, sign.size() - 1)), target, right));
  }
  return out;
}

// From `if` or `elif` on.
CodeStatement CodeParser::condition() {
  const Deeper deeper(*this);
  CodeStatement out{.kind = CodeStatement::Kind::condition, .line = here().line};
  ++at_;
  out.expressions.push_back(expression());
  expect(":");
  out.body = block();
  if (is("elif")) {
    out.otherwise.push_back(condition());
  } else if (accept("else")) {
    expect(":");
    out.otherwise = block();
  }
  return out;
}

// On the same line, or indented below.
std::vector<CodeStatement> CodeParser::block() {
  const Deeper deeper(*this);
  if (here().kind != Token::newline) {
    std::vector<CodeStatement> out;
    if (is("if")) fail("another `if` has to stand on a line of its own");
    line(out);
    return out;
  }
  ++at_;
  if (here().kind != Token::indent) fail(fmt::format("expected an indented block, found {}", found()));
  ++at_;
  std::vector<CodeStatement> out = statements(Token::dedent);
  ++at_;
  return out;
}

CodeExpression CodeParser::make(Kind kind, std::string text) {
  if (++expressions_ > kMaxExpressions) fail("this statement is too long");
  return {.kind = kind, .line = here().line, .name = std::move(text)};
}

CodeExpression CodeParser::make(Kind kind, std::string text, CodeExpression first, CodeExpression second) {
  CodeExpression out = make(kind, std::move(text));
  out.parts.push_back(std::move(first));
  out.parts.push_back(std::move(second));
  return out;
}

// a, b: a tuple; a: only itself.
CodeExpression CodeParser::tuple() {
  CodeExpression first = expression();
  if (!is(",")) return first;
  CodeExpression out = make(Kind::list);
  out.parts.push_back(std::move(first));
  while (accept(",")) {
    if (here().kind == Token::newline || is(")") || is(";")) break;
    out.parts.push_back(expression());
  }
  return out;
}

CodeExpression CodeParser::expression() {
  const Deeper deeper(*this);
  CodeExpression value = disjunction();
  if (!accept("if")) return value;
  CodeExpression condition = disjunction();
  expect("else");
  CodeExpression other = expression();
  CodeExpression out = make(Kind::conditional, "", std::move(value), std::move(condition));
  out.parts.push_back(std::move(other));
  return out;
}

CodeExpression CodeParser::disjunction() {
  CodeExpression left = conjunction();
  while (accept("or")) left = make(Kind::either, "", std::move(left), conjunction());
  return left;
}

CodeExpression CodeParser::conjunction() {
  CodeExpression left = negation();
  while (accept("and")) left = make(Kind::both, "", std::move(left), negation());
  return left;
}

CodeExpression CodeParser::negation() {
  if (!accept("not")) return comparison();
  const Deeper deeper(*this);
  CodeExpression out = make(Kind::unary, "not");
  out.parts.push_back(negation());
  return out;
}

std::string CodeParser::comparison_sign() {
  for (std::string_view sign : {"==", "!=", "<=", ">=", "<", ">", "in"}) {
    if (accept(sign)) return std::string(sign);
  }
  if (accept("is")) return accept("not") ? "!=" : "==";  // of the values there are here
  if (is("not") && tokens_[at_ + 1].text == "in") {
    at_ += 2;
    return "not in";
  }
  return "";
}

CodeExpression CodeParser::comparison() {
  CodeExpression first = arithmetic(0);
  std::string sign = comparison_sign();
  if (sign.empty()) return first;
  CodeExpression out = make(Kind::comparison);
  out.parts.push_back(std::move(first));
  for (; !sign.empty(); sign = comparison_sign()) {
    out.operators.push_back(sign);
    out.parts.push_back(arithmetic(0));
  }
  return out;
}

CodeExpression CodeParser::arithmetic(size_t level) {
  if (level == std::size(kLevels)) return sign();
  CodeExpression left = arithmetic(level + 1);
  while (here().kind == Token::sign && std::ranges::find(kLevels[level], here().text) != std::end(kLevels[level])) {
    std::string sign_text(here().text);
    ++at_;
    left = make(Kind::binary, std::move(sign_text), std::move(left), arithmetic(level + 1));
  }
  return left;
}

CodeExpression CodeParser::sign() {
  for (std::string_view text : {"-", "+", "~"}) {
    if (!accept(text)) continue;
    const Deeper deeper(*this);
    CodeExpression out = make(Kind::unary, std::string(text));
    out.parts.push_back(sign());
    return out;
  }
  return power();
}

CodeExpression CodeParser::power() {
  CodeExpression base = postfix();
  if (!accept("**")) return base;
  const Deeper deeper(*this);
  return make(Kind::binary, "**", std::move(base), sign());
}

CodeExpression CodeParser::postfix() {
  CodeExpression value = atom();
  while (true) {
    if (is("(")) {
      if (value.kind != Kind::name) fail("only a function can be called");
      ++at_;
      CodeExpression arguments = items(")");
      value = make(Kind::call, value.name);
      value.parts = std::move(arguments.parts);
    } else if (accept("[")) {
      CodeExpression index = expression();
      expect("]");
      value = make(Kind::index, "", std::move(value), std::move(index));
    } else {
      return value;
    }
  }
}

CodeExpression CodeParser::atom() {
  switch (here().kind) {
    case Token::name: return name();
    case Token::integer:
    case Token::real: return number();
    case Token::string:
    case Token::format_string: return strings();
    default: break;
  }
  if (accept("(")) return parenthesis();
  if (accept("[")) return items("]");
  fail(fmt::format("expected a value, found {}", found()));
}

CodeExpression CodeParser::name() {
  const std::string_view text = here().text;
  CodeExpression out = make(Kind::name, std::string(text));
  if (text == "True" || text == "False") {
    out.kind = Kind::constant;
    out.value = text == "True";
  } else if (text == "None") {
    out.kind = Kind::constant;
  } else if (std::ranges::find(kKeywords, text) != std::end(kKeywords)) {
    fail(fmt::format("'{}' cannot stand here", text));
  }
  ++at_;
  return out;
}

CodeExpression CodeParser::number() {
  CodeExpression out = make(Kind::constant);
  std::string digits(here().text);
  std::erase(digits, '_');
  const char* end = digits.data() + digits.size();
  if (here().kind == Token::real) {
    double real = 0;
    const auto read = std::from_chars(digits.data(), end, real);
    if (read.ec != std::errc() || read.ptr != end) fail(fmt::format("'{}' is no number", here().text));
    out.value = real;
  } else {
    const bool prefix = digits.size() > 2 && digits[0] == '0' && (digits[1] < '0' || digits[1] > '9');
    const int base = !prefix ? 10 : digits[1] == 'b' ? 2 : digits[1] == 'o' ? 8 : 16;
    uint64_t integer = 0;
    const auto read = std::from_chars(digits.data() + (prefix ? 2 : 0), end, integer, base);
    if (read.ec != std::errc() || read.ptr != end) fail(fmt::format("'{}' is no number, or too large", here().text));
    out.value = integer;
  }
  ++at_;
  return out;
}

// Strings that follow each other are one.
CodeExpression CodeParser::strings() {
  CodeExpression out = make(Kind::format_string);
  for (; here().kind == Token::string || here().kind == Token::format_string; ++at_) {
    if (here().kind == Token::format_string) {
      out.parts.push_back(format_string(here()));
    } else {
      out.parts.push_back(make(Kind::constant));
      out.parts.back().value = here().value;
    }
  }
  return out;
}

// The pieces of "a{b}c".
CodeExpression CodeParser::format_string(const CodeToken& token) {
  const Deeper deeper(*this);
  CodeExpression out = make(Kind::format_string);
  const std::string& text = token.value;
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool doubled = i + 1 < text.size() && text[i] == text[i + 1];
    if ((text[i] == '{' || text[i] == '}') && doubled) ++i;
    if (text[i] != '{' || doubled) {
      if (text[i] == '}' && !doubled) fail("'}' stands alone in an f-string");
      plain += text[i];
      continue;
    }
    const size_t close = text.find('}', i);
    if (close == text.npos) fail("'{' stands alone in an f-string");
    out.parts.push_back(make(Kind::constant));
    out.parts.back().value = std::exchange(plain, {});
    try {
      CodeParser inner(std::string_view(text).substr(i + 1, close - i - 1));
      inner.depth_ = depth_;
      inner.expressions_ = expressions_;
      out.parts.push_back(inner.whole_expression());
      expressions_ = inner.expressions_;
    } catch (const CodeError& error) {
      fail(fmt::format("in an f-string: {}", error.text));
    }
    i = close;
  }
  out.parts.push_back(make(Kind::constant));
  out.parts.back().value = plain;
  return out;
}

CodeExpression CodeParser::parenthesis() {
  if (accept(")")) return make(Kind::list);
  CodeExpression inner = tuple();
  expect(")");
  return inner;
}

CodeExpression CodeParser::items(std::string_view close) {
  CodeExpression out = make(Kind::list);
  while (!accept(close)) {
    out.parts.push_back(expression());
    if (accept(close)) break;
    expect(",");
  }
  return out;
}

}  // namespace

std::vector<CodeStatement> parse_code(std::string_view text) { return CodeParser(text).statements(Token::end); }

}  // namespace glass::drill
