#include "drill/shell.h"

#include <gtest/gtest.h>

namespace glass::drill {
namespace {

// The commands with their words in brackets, joins and redirections as they were understood.
std::string parsed(std::string_view text) {
  const auto pipelines = parse_shell(text, {{"PPID", "7"}});
  if (!pipelines) return "error: " + pipelines.error();
  std::string out;
  for (const ShellPipeline& p : *pipelines) {
    using Join = ShellPipeline::Join;
    if (!out.empty()) out += p.join == Join::always ? " ; " : p.join == Join::if_success ? " && " : " || ";
    for (size_t i = 0; i < p.commands.size(); ++i) {
      const ShellCommand& c = p.commands[i];
      if (i) out += " | ";
      for (const std::string& w : c.words) out += "[" + w + "]";
      if (!c.out.empty()) out += (c.append ? ">>" : ">") + c.out;
      if (c.err_null) out += " quiet";
    }
  }
  return out;
}

TEST(Shell, SplitsWordsAndCommands) {
  EXPECT_EQ(parsed(""), "");
  EXPECT_EQ(parsed(" \n # nothing \n"), "");
  EXPECT_EQ(parsed("a b  c"), "[a][b][c]");
  EXPECT_EQ(parsed("a\nb ; c\n"), "[a] ; [b] ; [c]");
  EXPECT_EQ(parsed("a && b || c"), "[a] && [b] || [c]");
  EXPECT_EQ(parsed("a || \\\n b"), "[a] || [b]");
  EXPECT_EQ(parsed("nstat | grep X > /dev/null"), "[nstat] | [grep][X]>/dev/null");
}

TEST(Shell, ContinuesLinesBetweenAndInsideWords) {
  EXPECT_EQ(parsed("sysctl -q \\\n  a=1 \\\n  b=2"), "[sysctl][-q][a=1][b=2]");
  EXPECT_EQ(parsed("set a=0\\\n  b=5"), "[set][a=0][b=5]");
}

TEST(Shell, TakesQuotesOff) {
  EXPECT_EQ(parsed("sysctl net.a=\"1 2 $((3*4))\" 'x y'"), "[sysctl][net.a=1 2 12][x y]");
  EXPECT_EQ(parsed("grep \" 0A \" f"), "[grep][ 0A ][f]");
  EXPECT_EQ(parsed("a \"\" ''"), "[a][][]");
  EXPECT_EQ(parsed("a \"b"), "error: a \" is not closed");
}

TEST(Shell, ReplacesVariables) {
  EXPECT_EQ(parsed("/tmp/r_${PPID}.sh $PPID"), "[/tmp/r_7.sh][7]");
  EXPECT_EQ(parsed("$HOME"), "error: the variable $HOME is not known");
  EXPECT_EQ(parsed("$(id)"), "error: $( ) is not understood");
}

TEST(Shell, Redirects) {
  EXPECT_EQ(parsed("a > /dev/null 2>&1"), "[a]>/dev/null quiet");
  EXPECT_EQ(parsed("a &> /dev/null"), "[a]>/dev/null quiet");
  EXPECT_EQ(parsed("a 2>/dev/null ; b >> f"), "[a] quiet ; [b]>>f");
  EXPECT_EQ(parsed("a &"), "error: background jobs and input redirection are not understood");
  EXPECT_EQ(parsed("a 2> f"), "error: standard error can only go to /dev/null");
}

TEST(Shell, ComplainsAboutMissingCommands) {
  EXPECT_TRUE(parsed("&& a").starts_with("error"));
  EXPECT_TRUE(parsed("a | | b").starts_with("error"));
}

TEST(Shell, Calculates) {
  EXPECT_EQ(shell_arithmetic("15*1024*1024"), 15728640);
  EXPECT_EQ(shell_arithmetic(" 1 + 2 * (3 - 1) "), 5);
  EXPECT_EQ(shell_arithmetic("1 << 4 | 3"), 19);
  EXPECT_EQ(shell_arithmetic("-7 % 4"), -3);
  EXPECT_EQ(shell_arithmetic("10 - 4 - 3"), 3);
  EXPECT_EQ(shell_arithmetic("0x10 / 2"), 8);
  EXPECT_FALSE(shell_arithmetic("1 / 0"));
  EXPECT_FALSE(shell_arithmetic("2 +"));
  EXPECT_FALSE(shell_arithmetic("x"));
}

}  // namespace
}  // namespace glass::drill
