// The shell's grammar as far as the command lines of scripts use it: words, quotes, $VAR, ${VAR}, $(( )), comments,
// continued lines, redirections, and ; && || | between simple commands. Nothing is run here.
//
//   auto lines = parse_shell("sysctl -q a=1 > /dev/null || true", {{"PPID", "7"}});
#pragma once
#include <expected>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace glass::drill {

struct ShellCommand {
  std::vector<std::string> words;
  std::string out;        // `> FILE`; empty: not redirected
  bool append = false;    // `>> FILE`
  bool err_null = false;  // standard error goes nowhere
};

struct ShellPipeline {
  enum class Join : unsigned char { always, if_success, if_failure };  // how it hangs on the one before
  Join join = Join::always;
  std::vector<ShellCommand> commands;  // each one's output is the next one's input
};

using ShellVariables = std::map<std::string, std::string>;

// The error is one sentence about what is not understood.
std::expected<std::vector<ShellPipeline>, std::string> parse_shell(std::string_view text, const ShellVariables&);

// What stands in $(( )): integers, + - * / % << >> & | ( ) and unary minus.
std::expected<int64_t, std::string> shell_arithmetic(std::string_view text);

}  // namespace glass::drill
