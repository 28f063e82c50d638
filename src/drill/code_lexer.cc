#include "drill/code_lexer.h"

#include <fmt/format.h>

namespace glass::drill {

namespace {

using Kind = CodeToken::Kind;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool begins_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool in_name(char c) { return begins_name(c) || is_digit(c); }

// Longer ones first.
constexpr std::string_view kSigns[] = {"**=", "//=", "<<=", ">>=", "==", "!=", "<=", ">=", "<<", ">>",
                                       "**",  "//",  "+=",  "-=",  "*=", "/=", "%=", "&=", "|=", "^=",
                                       "+",   "-",   "*",   "/",   "%",  "<",  ">",  "&",  "|",  "^",
                                       "~",   "(",   ")",   "[",   "]",  ",",  ":",  ";",  "=",  "."};

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}
  std::vector<CodeToken> tokens();

 private:
  void line_begin();
  void indentation(size_t column);
  void token();
  void number();
  void string(bool format);
  void add(Kind kind, size_t begin) { tokens_.push_back({kind, text_.substr(begin, pos_ - begin), {}, line_}); }
  char at(size_t ahead = 0) const { return pos_ + ahead < text_.size() ? text_[pos_ + ahead] : '\0'; }
  [[noreturn]] void fail(std::string what) const { throw CodeError{line_, std::move(what)}; }
  bool skip_joined_line();

  std::string_view text_;
  size_t pos_ = 0;
  int line_ = 1;
  int brackets_ = 0;
  bool line_is_new_ = true;
  std::vector<size_t> indents_{};
  std::vector<CodeToken> tokens_{};
};

// A backslash at the end of a line: it goes on in the next.
bool Lexer::skip_joined_line() {
  if (at() != '\\' || (at(1) != '\n' && !(at(1) == '\r' && at(2) == '\n'))) return false;
  pos_ += at(1) == '\n' ? 2 : 3;
  ++line_;
  return true;
}

std::vector<CodeToken> Lexer::tokens() {
  while (pos_ < text_.size()) {
    if (line_is_new_) line_begin();
    const char c = at();
    if (c == '\0' && pos_ == text_.size()) break;
    if (c == ' ' || c == '\t' || c == '\r') {
      ++pos_;
    } else if (c == '#') {
      pos_ = std::min(text_.find('\n', pos_), text_.size());
    } else if (c == '\n') {
      if (brackets_ == 0 && !tokens_.empty() && tokens_.back().kind != Kind::newline) add(Kind::newline, pos_);
      line_is_new_ = brackets_ == 0;
      ++pos_;
      ++line_;
    } else if (!skip_joined_line()) {
      token();
    }
  }
  add(Kind::newline, pos_);
  for (size_t i = 1; i < indents_.size(); ++i) add(Kind::dedent, pos_);
  add(Kind::end, pos_);
  return std::move(tokens_);
}

// Measures how far the line is indented, unless nothing stands on it.
void Lexer::line_begin() {
  line_is_new_ = false;
  const size_t first = text_.find_first_not_of(" \t\r", pos_);
  const size_t column = std::min(first, text_.size()) - pos_;
  pos_ += column;
  if (at() == '\0' || at() == '\n' || at() == '#') return;
  indentation(column);
}

void Lexer::indentation(size_t column) {
  if (indents_.empty()) {  // a snippet may be indented as a whole
    indents_.push_back(column);
  } else if (column > indents_.back()) {
    indents_.push_back(column);
    add(Kind::indent, pos_);
  }
  while (column < indents_.back() && indents_.size() > 1) {
    indents_.pop_back();
    add(Kind::dedent, pos_);
  }
  if (column != indents_.back()) fail("this line is indented as none before it");
}

void Lexer::token() {
  const size_t begin = pos_;
  const char c = at();
  if (is_digit(c) || (c == '.' && is_digit(at(1)))) return number();
  if (c == '"' || c == '\'') return string(false);
  if (c == 'f' && (at(1) == '"' || at(1) == '\'')) {
    ++pos_;
    return string(true);
  }
  if (begins_name(c)) {
    while (in_name(at())) ++pos_;
    return add(Kind::name, begin);
  }
  for (std::string_view sign : kSigns) {
    if (!text_.substr(pos_).starts_with(sign)) continue;
    pos_ += sign.size();
    if (sign == "(" || sign == "[") ++brackets_;
    if ((sign == ")" || sign == "]") && brackets_ > 0) --brackets_;
    return add(Kind::sign, begin);
  }
  fail(fmt::format("'{}' has no meaning here", c >= ' ' && c <= '~' ? std::string(1, c) : fmt::format("\\x{:02x}", c)));
}

void Lexer::number() {
  const size_t begin = pos_;
  Kind kind = Kind::integer;
  if (at() == '0' && (at(1) == 'x' || at(1) == 'X' || at(1) == 'b' || at(1) == 'o')) {
    pos_ += 2;
  } else {
    while (is_digit(at()) || at() == '_') ++pos_;
    if (at() == '.') {
      kind = Kind::real;
      ++pos_;
      while (is_digit(at())) ++pos_;
    }
    if ((at() == 'e' || at() == 'E') && (is_digit(at(1)) || ((at(1) == '-' || at(1) == '+') && is_digit(at(2))))) {
      kind = Kind::real;
      pos_ += 2;
      while (is_digit(at())) ++pos_;
    }
  }
  while (in_name(at())) ++pos_;  // of hexadecimal; elsewhere what reads the digits refuses it
  add(kind, begin);
}

void Lexer::string(bool format) {
  const char quote = at();
  const size_t begin = ++pos_;
  std::string value;
  for (; at() != quote; ++pos_) {
    if (pos_ >= text_.size() || at() == '\n') fail("this string is not closed");
    if (at() != '\\') {
      value += at();
      continue;
    }
    ++pos_;
    constexpr std::string_view kLetters = "\\'\"nt", kMeaning = "\\'\"\n\t";
    const size_t known = pos_ < text_.size() ? kLetters.find(at()) : kLetters.npos;
    if (known == kLetters.npos) fail("an escape that is not understood: \\\\ \\' \\\" \\n and \\t are");
    value += kMeaning[known];
  }
  add(format ? Kind::format_string : Kind::string, begin);
  tokens_.back().value = std::move(value);
  ++pos_;
}

}  // namespace

std::vector<CodeToken> code_tokens(std::string_view text) { return Lexer(text).tokens(); }

}  // namespace glass::drill
