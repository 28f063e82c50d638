#include "drill/code.h"

#include <gtest/gtest.h>

namespace glass::drill {
namespace {

CodeVariables some_variables() {
  return {{"tcpi_snd_cwnd", 9},
          {"tcpi_unacked", 10u},
          {"tcpi_options", 0x25},
          {"tcpi_state", 1},
          {"tcpi_pacing_rate", UINT64_MAX},
          {"name", "cubic"}};
}

std::string printed(std::string_view text) {
  CodeVariables variables = some_variables();
  auto out = run_code(text, variables);
  return out ? *out : std::to_string(out.error().line) + ": " + out.error().text;
}

TEST(Code, ValuesAsPythonPrintsThem) {
  for (const auto& [text, expected] : std::initializer_list<std::pair<const char*, const char*>>{
           {"1 + 2 * 3 - 4", "3"},
           {"(1 + 2) * 3", "9"},
           {"7 // 2, -7 // 2, 7 % 3, -7 % 3, 7 % -3", "(3, -4, 1, 2, -2)"},
           {"7 / 2, 8 / 2, 1 / 10", "(3.5, 4.0, 0.1)"},
           {"7.5 // 2, -7.5 % 2", "(3.0, 0.5)"},
           {"2 ** 10, 2 ** -1, -2 ** 2, (-1) ** 3", "(1024, 0.5, -4, -1)"},
           {"0x10 | 3, 6 & 3, 6 ^ 3, ~5, 1 << 40, 5 >> 1", "(19, 2, 5, -6, 1099511627776, 2)"},
           {"9223372036854775807 + 1", "9223372036854775808"},
           {"tcpi_pacing_rate", "18446744073709551615"},
           {"tcpi_pacing_rate == 18446744073709551615, tcpi_pacing_rate == -1", "(True, False)"},
           {"1 < 2 < 3, 1 < 3 < 2, 1 == 1.0, 'a' < 'b', 1 != '1'", "(True, False, True, True, True)"},
           {"not 0, not 'x', 0 or 5, 3 and 0, None", "(True, False, 5, 0, None)"},
           {"2 in (1, 2), 3 in [1, 2], 3 not in (1, 2), 'ub' in name", "(True, False, True, True)"},
           {"1 is 1, None is not None", "(True, False)"},
           {"5 if tcpi_state == TCP_ESTABLISHED else 6", "5"},
           {"(tcpi_options & TCPI_OPT_SYN_DATA) != 0", "True"},
           {"abs(-3), min(3, 1, 2), max((3, 1)), len('ab'), int(2.9), float(1), round(2.5), round(1.25, 1), str(7)",
            "(3, 1, 3, 2, 2, 1.0, 2, 1.2, '7')"},
           {"(1, 2, 3)[-1], [4, 5][0]", "(3, 4)"},
           {"(1,), ()", "((1,), ())"},
           {"'%d%% of %s, %5.2f|%-4d|%04d|%+d|%x|%#X' % (50, name, 1.005, 3, -4, 5, 255, 255)",
            "50% of cubic,  1.00|3   |-004|+5|ff|0XFF"},
           {"'cwnd=%d' % tcpi_snd_cwnd", "cwnd=9"},
           {"'%s %r' % ('a', 'a')", "a 'a'"},
           {"f'{tcpi_snd_cwnd} of {tcpi_unacked + 1}, {{}}' ' and' \" more\"", "9 of 11, {} and more"},
           {"'a\\n\\'b'", "a\n'b"},
           {"1e3, .5, 2., 1_000", "(1000.0, 0.5, 2.0, 1000)"},
           {"TCP_INFINITE_SSTHRESH", "2147483647"},
           {"True + True, -True", "(2, -1)"},
       }) {
    EXPECT_EQ(printed("print((" + std::string(text) + "))"), std::string(expected) + "\n") << text;
  }
}

TEST(Code, PrintTakesSeveralValues) { EXPECT_EQ(printed("print('a', 1); print()"), "a 1\n\n"); }

TEST(Code, AssertionsThatHoldSayNothing) {
  EXPECT_EQ(printed("assert tcpi_snd_cwnd == 9, tcpi_snd_cwnd; assert 8 <= tcpi_snd_cwnd <= 10"), "");
}

TEST(Code, WhatAFailedAssertionSays) {
  EXPECT_EQ(printed("\nassert tcpi_snd_cwnd == 10, tcpi_snd_cwnd"),
            "2: tcpi_snd_cwnd == 10 is false (tcpi_snd_cwnd is 9)");
  EXPECT_EQ(printed("assert tcpi_state == TCP_CLOSE"),
            "1: tcpi_state == TCP_CLOSE is false (tcpi_state is 1, TCP_CLOSE is 7)");
  EXPECT_EQ(printed("assert 1 > 2, 'cwnd=%d' % tcpi_snd_cwnd"), "1: 1 > 2 is false: cwnd=9");
  EXPECT_EQ(printed("assert 'x' == name"), "1: 'x' == name is false (name is 'cubic')");
  EXPECT_EQ(printed("assert 0 and nothing"), "1: 0 and nothing is false");
}

TEST(Code, LinesThatAreJoined) {
  EXPECT_EQ(printed(" \\\n assert tcpi_snd_cwnd == 9, \\\n   tcpi_snd_cwnd; \\\n print(1)\n"), "1\n");
  EXPECT_EQ(printed("print(1,\n\n   2) # here\n# only this\nprint(3)"), "1 2\n3\n");
  EXPECT_EQ(printed("\n\n   print(1)\n\n   print(2)\n "), "1\n2\n") << "indented as a whole";
}

TEST(Code, Blocks) {
  const std::string text =
      "if x == 1:\n  print('one')\n  if name:\n    print('in')\nelif x == 2: print('two'); print('2')\n"
      "else:\n  pass\n  print('many')\nprint('end')\n";
  EXPECT_EQ(printed("x = 1\n" + text), "one\nin\nend\n");
  EXPECT_EQ(printed("x = 2\n" + text), "two\n2\nend\n");
  EXPECT_EQ(printed("x = 3\n" + text), "many\nend\n");
}

TEST(Code, VariablesStayForTheNextSnippet) {
  CodeVariables variables;
  EXPECT_TRUE(run_code("cwnd = 10; cwnd += 5; cwnd *= 2; l = 1, 2", variables));
  EXPECT_EQ(variables.at("cwnd"), CodeValue(30));
  EXPECT_TRUE(run_code("assert cwnd == 30 and l == (1, 2)", variables));
}

TEST(Code, WhatIsNotUnderstoodIsAnError) {
  for (const auto& [text, expected] : std::initializer_list<std::pair<const char*, const char*>>{
           {"asert 1", "expected the end of the statement, found '1'"},
           {"nothing", "'nothing' is not defined"},
           {"nothing += 1", "'nothing' is not defined"},
           {"import os", "'import' cannot stand here"},
           {"for i in x: pass", "'for' cannot stand here"},
           {"open('x')", "there is no function open()"},
           {"(1)(2)", "only a function can be called"},
           {"a.b", "expected the end of the statement, found '.'"},
           {"1 = 2", "expected the end of the statement, found '='"},
           {"True = 2", "only a name can be given a value"},
           {"assert", "expected a value, found the end of the line"},
           {"print(1", "expected ',', found the end of the line"},
           {"1 +", "expected a value, found the end of the line"},
           {"1 if 2", "expected 'else', found the end of the line"},
           {"if 1", "expected ':', found the end of the line"},
           {"if 1:\npass", "expected an indented block, found 'pass'"},
           {"if 1: if 2: pass", "another `if` has to stand on a line of its own"},
           {"pass\n  pass", "expected a statement, found a line that is indented further"},
           {"if 1:\n    pass\n  pass", "indented as none before it"},
           {"'a", "this string is not closed"},
           {"'\\q'", "escape"},
           {"$", "'$' has no meaning here"},
           {"1.2.3", "expected the end of the statement"},
           {"12x", "'12x' is no number"},
           {"99999999999999999999", "no number, or too large"},
           {"1 // 0", "division by zero"},
           {"1 / 0", "division by zero"},
           {"1.5 % 0", "division by zero"},
           {"1 << 200", "a shift by that much"},
           {"9 ** 99", "the result is too large"},
           {"(1 << 120) * (1 << 120)", "the result is too large"},
           {"'a' + 1", "+ cannot stand between values of types str and int"},
           {"-'a'", "- cannot stand before a value of type str"},
           {"1.5 & 1", "& cannot stand between values of types float and int"},
           {"1 < 'a'", "< cannot compare values of types int and str"},
           {"1 in 1", "nothing is `in` a value of type int"},
           {"'%d' % 'a'", "%d needs a number"},
           {"'%d %d' % 1", "fewer values than the format wants"},
           {"'%d' % (1, 2)", "more values than the format wants"},
           {"'%' % 1", "a % at the end of a format"},
           {"'%q' % 1", "the conversion %q is not understood"},
           {"'%999d' % 1", "wider than 200"},
           {"f'{'", "stands alone in an f-string"},
           {"f'{}'", "in an f-string: expected a value"},
           {"f'{1:5}'", "in an f-string: found ':'"},
           {"(1, 2)[2]", "there are only 2 items"},
           {"1[0]", "only tuples and lists can be indexed"},
           {"abs('a')", "abs() needs a number"},
           {"abs(1, 2)", "abs() takes one value"},
           {"min()", "min() of nothing"},
       }) {
    const std::string got = printed(text);
    EXPECT_NE(got.find(expected), std::string::npos) << text << "\n" << got;
  }
}

TEST(Code, NothingGrowsWithoutBound) {
  std::string deep = "print(", longer = "print(1", doubling = "a = (1, 1)\n", text = "b = 'xxxx'\n";
  for (int i = 0; i < 1000; ++i) {
    deep += "(";
    longer += "+1";
    doubling += "a = (a, a)\n";
    text += "b += b\n";
  }
  EXPECT_NE(printed(deep).find("nested too deeply"), std::string::npos);
  EXPECT_NE(printed(longer + ")").find("too long"), std::string::npos);
  EXPECT_NE(printed(doubling).find("hold too much"), std::string::npos);
  EXPECT_NE(printed(text).find("too long"), std::string::npos);
}

}  // namespace
}  // namespace glass::drill
