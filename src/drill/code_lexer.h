// The words of a snippet, with Python's lines and indentation as words of their own.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "drill/code.h"

namespace glass::drill {

struct CodeToken {
  enum class Kind : uint8_t { name, integer, real, string, format_string, sign, newline, indent, dedent, end };
  Kind kind = Kind::end;
  std::string_view text{};  // as written; of a string what stands between the quotes
  std::string value{};      // of a string, escapes resolved
  int line = 0;
};

// The last token is `end`. Throws CodeError.
std::vector<CodeToken> code_tokens(std::string_view text);

}  // namespace glass::drill
