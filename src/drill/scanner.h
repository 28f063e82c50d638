// Reads a script's text piece by piece for the parser. Every reader skips white space and comments first; what is not
// as expected is thrown as a ParseError, which parse_script() turns into its result.
//
//   Scanner s(text);
//   if (s.accept("+")) time = s.seconds();
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "drill/script.h"

namespace glass::drill {

// Where a comment, a string, a `command` or a %{ snippet }% that begins at `pos` ends; `pos` if none begins there. One
// that is not closed ends with the text.
size_t end_of_opaque(std::string_view text, size_t pos);
bool begins_comment(std::string_view text, size_t pos);
bool is_word_character(char c);

// On one line, without comments.
std::string one_line(std::string_view text);

class Scanner {
 public:
  explicit Scanner(std::string text) : text_(std::move(text)) {}

  const std::string& text() const { return text_; }
  size_t position() const { return pos_; }  // behind what was read last
  size_t next_position() {                  // of what is read next
    skip();
    return pos_;
  }
  void go_back(size_t position) { pos_ = position; }
  std::string_view since(size_t position) const { return std::string_view(text_).substr(position, pos_ - position); }
  void replace_rest(std::string rest);  // behind position()

  bool at_end();
  char peek();  // 0 at the end
  bool peek(std::string_view mark);
  bool accept(std::string_view mark);  // signs, not words
  void expect(std::string_view mark, std::string_view after);

  std::string_view peek_word();  // letters, digits and _; empty if nothing like it follows
  std::string_view word(std::string_view what);
  bool accept_word(std::string_view word);

  int64_t integer(std::string_view what);  // decimal or 0x, with a sign
  uint32_t number(std::string_view what, uint32_t most);
  int64_t seconds();  // "1", ".25", "0.000001": in microseconds

  std::string string();  // "..." with its escapes resolved, and those that follow it
  std::string back_quoted();
  std::string code();                // between %{ and }%
  std::string option_value();        // up to white space, quotes kept
  std::string line_comment() const;  // the text of a // comment behind what was read last, on its line

  int line_of(size_t position) const;
  int next_line() { return line_of(next_position()); }
  [[noreturn]] void fail(const std::string& what);  // at what is read next
  [[noreturn]] void fail_at(size_t position, const std::string& what) const;
  std::string found();  // what is read next, for messages: "'foo'"

 private:
  void skip();
  void pass_gap();
  std::string_view rest() const { return std::string_view(text_).substr(pos_); }
  std::string_view digits();
  std::string enclosed(std::string_view open, std::string_view close, std::string_view what);

  std::string text_;
  size_t pos_ = 0;
  size_t gap_begin_ = 0, gap_end_ = 0;  // white space and comments skipped last
};

}  // namespace glass::drill
