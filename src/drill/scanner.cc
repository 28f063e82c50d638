#include "drill/scanner.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace glass::drill {

namespace {

constexpr std::string_view kSpace = " \t\r\n\f\v";
constexpr uint64_t kMostSeconds = 1'000'000'000;

bool is_space(char c) { return kSpace.find(c) != kSpace.npos; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

constexpr size_t kOpen = std::string_view::npos;

size_t behind(std::string_view text, std::string_view close, size_t from) {
  const size_t found = text.find(close, from);
  return found == text.npos ? kOpen : found + close.size();
}

size_t behind_quoted(std::string_view text, size_t pos) {
  const char quote = text[pos];
  for (size_t i = pos + 1; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == quote) {
      return i + 1;
    }
  }
  return kOpen;
}

// As end_of_opaque(), but kOpen for what is not closed.
size_t closed_end(std::string_view text, size_t pos) {
  const std::string_view two = text.substr(pos, 2);
  if (two == "//") return std::min(text.find('\n', pos), text.size());
  if (two == "/*") return behind(text, "*/", pos + 2);
  if (two == "%{") return behind(text, "}%", pos + 2);
  if (text[pos] == '"' || text[pos] == '`') return behind_quoted(text, pos);
  return pos;
}

// The character that the escape at raw[i] stands for; i moves to its last character.
std::optional<char> unescape(std::string_view raw, size_t& i) {
  if (++i == raw.size()) return std::nullopt;
  if (raw[i] == 'x') {
    if (i + 2 >= raw.size() || hex_value(raw[i + 1]) < 0 || hex_value(raw[i + 2]) < 0) return std::nullopt;
    i += 2;
    return static_cast<char>(hex_value(raw[i - 1]) * 16 + hex_value(raw[i]));
  }
  constexpr std::string_view kLetters = "\\\"fnrtv0", kMeaning("\\\"\f\n\r\t\v\0", 8);
  const size_t at = kLetters.find(raw[i]);
  if (at == kLetters.npos) return std::nullopt;
  return kMeaning[at];
}

}  // namespace

bool is_word_character(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

bool begins_comment(std::string_view text, size_t pos) {
  return text.substr(pos, 2) == "//" || text.substr(pos, 2) == "/*";
}

size_t end_of_opaque(std::string_view text, size_t pos) { return std::min(closed_end(text, pos), text.size()); }

std::string one_line(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const size_t end = end_of_opaque(text, i);
    if (end != i && !begins_comment(text, i)) {
      for (char c : text.substr(i, end - i)) out += c == '\n' ? ' ' : c;
      i = end;
    } else if (end != i || is_space(text[i])) {
      if (!out.empty() && out.back() != ' ') out += ' ';
      i = std::max(end, i + 1);
    } else {
      out += text[i++];
    }
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

void Scanner::replace_rest(std::string rest) {
  text_.resize(pos_);
  text_ += rest;
}

void Scanner::skip() {
  const size_t begin = pos_;
  pass_gap();
  if (pos_ == begin) return;
  gap_begin_ = begin;
  gap_end_ = pos_;
}

void Scanner::pass_gap() {
  while (pos_ < text_.size()) {
    if (is_space(text_[pos_])) {
      ++pos_;
    } else if (begins_comment(text_, pos_)) {
      const size_t end = closed_end(text_, pos_);
      if (end == kOpen) fail_at(pos_, "this comment is not closed: */ is missing");
      pos_ = end;
    } else {
      return;
    }
  }
}

bool Scanner::at_end() { return next_position() == text_.size(); }

char Scanner::peek() { return at_end() ? '\0' : text_[pos_]; }

bool Scanner::peek(std::string_view mark) {
  skip();
  return rest().starts_with(mark);
}

bool Scanner::accept(std::string_view mark) {
  if (!peek(mark)) return false;
  pos_ += mark.size();
  return true;
}

void Scanner::expect(std::string_view mark, std::string_view after) {
  if (!accept(mark)) fail(fmt::format("expected '{}' after {}, found {}", mark, after, found()));
}

std::string_view Scanner::peek_word() {
  skip();
  size_t end = pos_;
  while (end < text_.size() && is_word_character(text_[end])) ++end;
  return std::string_view(text_).substr(pos_, end - pos_);
}

std::string_view Scanner::word(std::string_view what) {
  const std::string_view found_word = peek_word();
  if (found_word.empty()) fail(fmt::format("expected {}, found {}", what, found()));
  pos_ += found_word.size();
  return found_word;
}

bool Scanner::accept_word(std::string_view wanted) {
  if (peek_word() != wanted) return false;
  pos_ += wanted.size();
  return true;
}

std::string_view Scanner::digits() {
  const size_t begin = pos_;
  while (pos_ < text_.size() && is_digit(text_[pos_])) ++pos_;
  return since(begin);
}

int64_t Scanner::integer(std::string_view what) {
  const size_t begin = next_position();
  const bool negative = accept("-");
  const bool hex = rest().size() > 2 && rest()[0] == '0' && rest()[1] == 'x' && hex_value(rest()[2]) >= 0;
  if (hex) pos_ += 2;
  uint64_t value = 0;
  const size_t first = pos_;
  for (; pos_ < text_.size(); ++pos_) {
    const int digit = hex ? hex_value(text_[pos_]) : is_digit(text_[pos_]) ? text_[pos_] - '0' : -1;
    if (digit < 0) break;
    const uint64_t base = hex ? 16 : 10;
    if (value > (uint64_t{INT64_MAX} - static_cast<uint64_t>(digit)) / base) fail_at(begin, "this number is too large");
    value = value * base + static_cast<uint64_t>(digit);
  }
  const bool ends = pos_ == text_.size() || !is_word_character(text_[pos_]);
  if (pos_ == first || !ends) {
    go_back(begin);
    fail(fmt::format("expected {}, found {}", what, found()));
  }
  return negative ? -static_cast<int64_t>(value) : static_cast<int64_t>(value);
}

uint32_t Scanner::number(std::string_view what, uint32_t most) {
  const size_t begin = next_position();
  const int64_t value = integer(what);
  if (value < 0 || value > int64_t{most})
    fail_at(begin, fmt::format("{} has to be 0 to {}, not {}", what, most, value));
  return static_cast<uint32_t>(value);
}

int64_t Scanner::seconds() {
  const size_t begin = next_position();
  if (peek("-")) fail("a time cannot be negative");
  const std::string_view whole = digits();
  std::string_view fraction;
  if (rest().size() > 1 && rest()[0] == '.' && is_digit(rest()[1])) {
    ++pos_;
    fraction = digits();
  }
  if (whole.empty() && fraction.empty()) fail(fmt::format("expected a time in seconds, found {}", found()));
  uint64_t us = 0;
  for (char c : whole) {
    us = us * 10 + static_cast<uint64_t>(c - '0');
    if (us > kMostSeconds) fail_at(begin, fmt::format("a time of more than {} seconds", kMostSeconds));
  }
  for (size_t i = 0; i < 6; ++i) us = us * 10 + static_cast<uint64_t>(i < fraction.size() ? fraction[i] - '0' : 0);
  return static_cast<int64_t>(us);
}

std::string Scanner::enclosed(std::string_view open, std::string_view close, std::string_view what) {
  const size_t begin = next_position();
  if (!peek(open)) fail(fmt::format("expected {}, found {}", what, found()));
  const size_t end = closed_end(text_, begin);
  if (end == kOpen) fail_at(begin, fmt::format("{} is not closed: {} is missing", what, close));
  pos_ = end;
  const size_t inner = begin + open.size();
  return text_.substr(inner, end - close.size() - inner);
}

std::string Scanner::back_quoted() { return enclosed("`", "`", "a `command`"); }

std::string Scanner::code() { return enclosed("%{", "}%", "a snippet"); }

std::string Scanner::string() {
  std::string value;
  do {
    const size_t begin = next_position();
    const std::string raw = enclosed("\"", "\"", "a \"string\"");
    for (size_t i = 0; i < raw.size(); ++i) {
      if (raw[i] != '\\') {
        value += raw[i];
        continue;
      }
      const std::optional<char> c = unescape(raw, i);
      if (!c)
        fail_at(begin, "an escape this language does not have: \\\\ \\\" \\f \\n \\r \\t \\v \\0 and \\xHH it has");
      value += *c;
    }
  } while (peek("\""));
  return value;
}

std::string Scanner::option_value() {
  const size_t begin = pos_;
  while (pos_ < text_.size() && !is_space(text_[pos_])) {
    const bool quoted = text_[pos_] == '"' || text_[pos_] == '`';
    pos_ = quoted ? end_of_opaque(text_, pos_) : pos_ + 1;
  }
  return std::string(since(begin));
}

std::string Scanner::line_comment() const {
  const size_t read_to = pos_ == gap_end_ ? gap_begin_ : pos_;  // the gap behind it may be passed already
  const size_t begin = text_.find_first_not_of(" \t", read_to);
  if (begin == text_.npos || text_.compare(begin, 2, "//") != 0) return {};
  return text_.substr(begin + 2, end_of_opaque(text_, begin) - begin - 2);
}

int Scanner::line_of(size_t position) const {
  return 1 + static_cast<int>(std::count(text_.begin(), text_.begin() + static_cast<ptrdiff_t>(position), '\n'));
}

void Scanner::fail(const std::string& what) { fail_at(next_position(), what); }

void Scanner::fail_at(size_t position, const std::string& what) const {
  const size_t newline = position == 0 ? text_.npos : text_.rfind('\n', position - 1);
  const size_t line_begin = newline == text_.npos ? 0 : newline + 1;
  throw ParseError{.line = line_of(position), .column = static_cast<int>(position - line_begin) + 1, .text = what};
}

std::string Scanner::found() {
  if (at_end()) return "the end of the script";
  std::string_view shown = peek_word();
  if (shown.empty()) shown = rest().substr(0, rest().starts_with("...") ? 3 : 1);
  return fmt::format("'{}'", shown.substr(0, 40));
}

}  // namespace glass::drill
