#include "drill/shell.h"

#include <charconv>
#include <optional>
#include <utility>

namespace glass::drill {

namespace {

bool blank(char c) { return c == ' ' || c == '\t'; }
bool name_char(char c) {
  return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// --- arithmetic, by precedence climbing

class Arithmetic {
 public:
  explicit Arithmetic(std::string_view text) : text_(text) {}
  std::expected<int64_t, std::string> run() {
    const int64_t v = binary(0);
    skip();
    if (bad_ || at_ != text_.size())
      return std::unexpected("arithmetic '" + std::string(text_) + "' is not understood");
    return v;
  }

 private:
  struct Operator {
    std::string_view text;
    int level;
  };
  static constexpr Operator kOperators[] = {{"|", 0}, {"&", 1}, {"<<", 2}, {">>", 2}, {"+", 3},
                                            {"-", 3}, {"*", 4}, {"/", 4},  {"%", 4}};

  void skip() {
    while (at_ < text_.size() && (blank(text_[at_]) || text_[at_] == '\n')) ++at_;
  }
  bool take(std::string_view token) {
    skip();
    if (!text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }
  int64_t unary() {
    if (take("-")) return -unary();
    if (take("(")) {
      const int64_t v = binary(0);
      if (!take(")")) bad_ = true;
      return v;
    }
    skip();
    const bool hex = text_.substr(at_).starts_with("0x");
    int64_t v = 0;
    const char* const begin = text_.data() + at_ + (hex ? 2 : 0);
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), v, hex ? 16 : 10);
    if (error != std::errc()) bad_ = true;
    at_ = static_cast<size_t>(end - text_.data());
    return v;
  }
  int64_t apply(std::string_view op, int64_t a, int64_t b) {
    if (op == "|") return a | b;
    if (op == "&") return a & b;
    if (op == "<<") return a << (b & 63);
    if (op == ">>") return a >> (b & 63);
    if (op == "+") return a + b;
    if (op == "-") return a - b;
    if (op == "*") return a * b;
    if (b == 0) {
      bad_ = true;
      return 0;
    }
    return op == "/" ? a / b : a % b;
  }
  int64_t binary(int level) {
    if (level > 4) return unary();
    int64_t left = binary(level + 1);
    for (bool more = true; more && !bad_;) {
      more = false;
      for (const Operator& o : kOperators)
        if (o.level == level && take(o.text)) {
          left = apply(o.text, left, binary(level + 1));
          more = true;
          break;
        }
    }
    return left;
  }

  std::string_view text_;
  size_t at_ = 0;
  bool bad_ = false;
};

// --- lines

class ShellParser {
 public:
  ShellParser(std::string_view text, const ShellVariables& v) : text_(text), variables_(v) {}

  std::expected<std::vector<ShellPipeline>, std::string> run() {
    while (at_ < text_.size() && error_.empty()) step();
    end_pipeline(ShellPipeline::Join::always);
    if (!error_.empty()) return std::unexpected(error_);
    return std::move(pipelines_);
  }

 private:
  void step() {
    const char c = text_[at_];
    if (blank(c)) {
      ++at_;
    } else if (take("\\\n")) {
    } else if (c == '#') {
      while (at_ < text_.size() && text_[at_] != '\n') ++at_;
    } else if (c == '\n' || c == ';') {
      ++at_;
      end_pipeline(ShellPipeline::Join::always);
    } else if (take("&&")) {
      end_pipeline(ShellPipeline::Join::if_success);
    } else if (take("||")) {
      end_pipeline(ShellPipeline::Join::if_failure);
    } else if (take("|")) {
      end_command();
    } else if (!redirection()) {
      if (std::optional<std::string> w = word()) command_.words.push_back(std::move(*w));
    }
  }

  bool take(std::string_view token) {
    if (!text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }
  void fail(std::string what) {
    if (error_.empty()) error_ = std::move(what);
  }

  bool redirection() {
    if (take("2>&1")) {
      command_.err_null = command_.out == "/dev/null";
      return true;
    }
    const bool both = take("&>");
    const bool err = !both && take("2>");
    const bool append = !both && !err && take(">>");
    if (!both && !err && !append && !take("1>") && !take(">")) {
      if (text_[at_] != '&' && text_[at_] != '<') return false;
      fail("background jobs and input redirection are not understood");
      at_ = text_.size();
      return true;
    }
    while (at_ < text_.size() && blank(text_[at_])) ++at_;
    const std::optional<std::string> target = at_ < text_.size() ? word() : std::nullopt;
    if (!target || target->empty()) {
      fail("a redirection lacks its file");
    } else if (err && *target != "/dev/null") {
      fail("standard error can only go to /dev/null");
    } else {
      if (!err) command_.out = *target;
      command_.append = append;
      command_.err_null |= err || both;
    }
    return true;
  }

  // One word, with its quotes taken off and its variables replaced.
  std::optional<std::string> word() {
    std::string out;
    for (; at_ < text_.size() && error_.empty();) {
      const char c = text_[at_];
      if (blank(c) || c == '\n' || c == ';' || c == '|' || c == '>' || c == '<' || (c == '&')) break;
      if (c == '\'') {
        const size_t end = text_.find('\'', at_ + 1);
        if (end == text_.npos) fail("a ' is not closed");
        out += text_.substr(at_ + 1, end - at_ - 1);
        at_ = end == text_.npos ? text_.size() : end + 1;
      } else if (c == '"') {
        ++at_;
        quoted(out);
      } else if (take("\\\n")) {
        break;
      } else if (c == '\\' && at_ + 1 < text_.size()) {
        out += text_[at_ + 1];
        at_ += 2;
      } else if (c == '$') {
        out += expansion();
      } else {
        out += c;
        ++at_;
      }
    }
    return out;
  }
  void quoted(std::string& out) {
    for (; at_ < text_.size() && text_[at_] != '"';) {
      if (take("\\\n")) continue;
      if (text_[at_] == '\\' && at_ + 1 < text_.size() && std::string_view("\"\\$`").contains(text_[at_ + 1])) {
        out += text_[at_ + 1];
        at_ += 2;
      } else if (text_[at_] == '$') {
        out += expansion();
      } else {
        out += text_[at_++];
      }
    }
    if (at_ == text_.size()) fail("a \" is not closed");
    ++at_;
  }
  std::string expansion() {
    if (take("$((")) {
      const size_t end = text_.find("))", at_);
      const std::string_view inside = text_.substr(at_, end - at_);
      at_ = end == text_.npos ? text_.size() : end + 2;
      const auto value = shell_arithmetic(inside);
      if (!value) fail(value.error());
      return value ? std::to_string(*value) : "";
    }
    if (take("$(")) {
      fail("$( ) is not understood");
      return {};
    }
    const bool braces = take("${");
    if (!braces) ++at_;
    const size_t begin = at_;
    while (at_ < text_.size() && name_char(text_[at_])) ++at_;
    const std::string name(text_.substr(begin, at_ - begin));
    if (braces && !take("}")) fail("${" + name + " is not closed");
    const auto v = variables_.find(name);
    if (v == variables_.end()) fail("the variable $" + name + " is not known");
    return v == variables_.end() ? "" : v->second;
  }

  void end_command() {
    if (command_.words.empty() && command_.out.empty())
      fail("a command is missing beside |");
    else
      pipeline_.commands.push_back(std::exchange(command_, {}));
  }
  void end_pipeline(ShellPipeline::Join next) {
    const bool nothing = command_.words.empty() && command_.out.empty() && pipeline_.commands.empty();
    if (nothing) {
      // An empty line may follow && and ||, but only that.
      if (next != ShellPipeline::Join::always) fail("a command is missing before && or ||");
      return;
    }
    end_command();
    pipelines_.push_back(std::exchange(pipeline_, {}));
    pipeline_.join = next;
  }

  std::string_view text_;
  const ShellVariables& variables_;
  size_t at_ = 0;
  std::string error_;
  ShellCommand command_;
  ShellPipeline pipeline_;
  std::vector<ShellPipeline> pipelines_;
};

}  // namespace

std::expected<int64_t, std::string> shell_arithmetic(std::string_view text) { return Arithmetic(text).run(); }

std::expected<std::vector<ShellPipeline>, std::string> parse_shell(std::string_view text,
                                                                   const ShellVariables& variables) {
  return ShellParser(text, variables).run();
}

}  // namespace glass::drill
