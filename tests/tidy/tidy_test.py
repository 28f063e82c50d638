#!/usr/bin/env python3
"""Proves that each check of tidy.py finds what it should, and leaves alone what it should: a check that cannot fail
checks nothing."""
import os
import stat
import tempfile
import unittest
import unittest.mock

import tidy


def found(check, files, glass=None):
    """'path:line' of each finding of one check over a made-up tree."""
    return [f"{path}:{line}" for path, line, _ in tidy.CHECKS[check](tidy.Tree(files, glass))]


def block(lines):
    return "".join(f"  step({i});\n" for i in range(lines))


class Includes(unittest.TestCase):
    def check(self, path, include):
        return found("includes", {path: f"#pragma once\n#include {include}\n"})

    def test_towards_base_is_right(self):
        for path, include in [("src/tcp/input.cc", '"base/seq.h"'), ("src/tcp/input.cc", '"tcp/sock.h"'),
                              ("src/tcp/input.cc", '"ip/ip.h"'), ("src/udp/udp.cc", '"ip/ip.h"'),
                              ("src/wire/tcp.h", '"base/seq.h"'), ("src/cli/demo.cc", '"sim/world.h"'),
                              ("src/stack/stack.cc", '"tcp/tcp.h"'), ("src/ip/route.cc", "<vector>")]:
            self.assertEqual(self.check(path, include), [], (path, include))

    def test_away_from_base_is_found(self):
        for path, include in [("src/base/seq.h", '"trace/trace.h"'), ("src/ip/ip.cc", '"tcp/tcp.h"'),
                              ("src/ip/ip.cc", '"driver/tap.h"'), ("src/driver/tap.cc", '"ip/ip.h"'),
                              ("src/tcp/input.cc", '"udp/udp.h"'), ("src/udp/udp.cc", '"tcp/tcp.h"'),
                              ("src/sim/world.cc", '"runtime/loop.h"'), ("src/view/text.cc", '"cli/main.h"')]:
            self.assertEqual(self.check(path, include), [f"{path}:2"], (path, include))

    def test_insides_of_ip_are_found(self):
        self.assertEqual(self.check("src/tcp/output.cc", '"ip/route.h"'), ["src/tcp/output.cc:2"])
        self.assertEqual(self.check("src/udp/udp.cc", '"ip/neigh.h"'), ["src/udp/udp.cc:2"])

    def test_wire_sees_only_base(self):
        self.assertEqual(self.check("src/wire/tcp.h", '"trace/trace.h"'), ["src/wire/tcp.h:2"])

    def test_unknown_rooms_are_found(self):
        self.assertEqual(self.check("src/attic/old.cc", "<vector>"), ["src/attic/old.cc:1"])
        self.assertEqual(self.check("src/ip/ip.cc", '"attic/old.h"'), ["src/ip/ip.cc:2"])

    def test_tests_may_join_rooms_and_comments_do_not_count(self):
        self.assertEqual(self.check("src/ip/ip_test.cc", '"stack/stack.h"'), [])
        self.assertEqual(found("includes", {"src/ip/ip.cc": '// #include "tcp/tcp.h"\n'}), [])


class FunctionLength(unittest.TestCase):
    def lengths(self, text):
        code = tidy.code_only(text)
        all_functions, balanced = tidy.functions(code)
        self.assertTrue(balanced, text)
        return [f.last - f.first + 1 for f in all_functions]

    def test_limit(self):
        for extra, expected in [(0, []), (1, ["src/ip/ip.cc:3"])]:
            text = "namespace glass {\n\nint f(int a) {\n" + block(68 + extra) + "}\n}  // namespace glass\n"
            self.assertEqual(found("function-length", {"src/ip/ip.cc": text}), expected)

    def test_every_shape_of_function(self):
        for head in ["void f()", "auto C::f() const noexcept -> std::vector<int>", "C::C(int a) : a_{a}, b_(a)",
                     "template <class T>\nvoid f(T t)", "template <class T> requires (sizeof(T) > 1)\nvoid f(T t)",
                     "TEST(Room, Case)", "struct result* f(struct a* b)", "bool operator()(int a) const",
                     "[[nodiscard]] inline std::expected<int, Errno> f(int a = 3)", "C::~C() noexcept(false)",
                     "void f(std::function<void()> g = {})"]:
            self.assertEqual(self.lengths(f"{head} {{\n{block(3)}}}\n"), [5], head)

    def test_methods_in_classes_are_functions_and_classes_are_not(self):
        text = "class alignas(64) C final : public B {\n public:\n  void f() {\n" + block(4) + "  }\n" + "  int a;\n" * 80 + "};\n"
        self.assertEqual(self.lengths(text), [6])

    def test_tables_enums_and_initialisers_are_not_functions(self):
        text = "constexpr Row kRows[] = {\n" + "  {1, f(2)},\n" * 90 + "};\nenum class E : int {\n" + "  a,\n" * 90 + "};\n" \
               "std::vector<int> v{\n" + "  1,\n" * 90 + "};\nvoid g() {}\n"
        self.assertEqual(self.lengths(text), [1])

    def test_braces_in_strings_comments_and_macros_do_not_count(self):
        text = 'void f() {\n  a("}{{");  // }\n  b(\'{\'); /* {{ */\n  c(R"x(}}})x");\n  d(1\'000\'000);\n}\n#define X {{ \\\n {\nvoid g() {}\n'
        self.assertEqual(self.lengths(text), [6, 1])

    def test_unbalanced_is_said(self):
        self.assertEqual(found("function-length", {"src/ip/ip.cc": "void f() {\n"}), ["src/ip/ip.cc:1"])


class FileLength(unittest.TestCase):
    def test_limit(self):
        self.assertEqual(found("file-length", {"src/ip/ip.cc": "\n" * 900}), [])
        self.assertEqual(found("file-length", {"src/ip/ip.cc": "\n" * 901}), ["src/ip/ip.cc:901"])


class System(unittest.TestCase):
    def test_reads_and_calls_are_found(self):
        for line in ["auto t = std::chrono::steady_clock::now();", "using C = std::chrono::system_clock;", "std::random_device d;",
                     "clock_gettime(CLOCK_REALTIME, &ts);", "x = time(nullptr);", "x = ::time(0);", "x = std::time(NULL);",
                     "return rand();", "x = std::rand() % 5;", "getrandom(p, 4, 0);", "#include <sys/socket.h>",
                     "#include <unistd.h>", "#  include <sys/epoll.h>", "#include <thread>", "if (y) sleep(1);", "int fd = ::socket(AF_INET, 1, 0);", "  ::close(fd);",
                     "return ::recv(fd, p, n, 0);"]:
            self.assertEqual(found("system", {"src/tcp/x.cc": f"\n{line}\n"}), ["src/tcp/x.cc:2"], line)

    def test_look_alikes_are_left_alone(self):
        for line in ["Instant time() const;", "x = skb.time();", "y = p->rand();", "z = Rng::random(3);", "int clock(int a);",
                     "// clock_gettime()", 'f("time(");', "uint32_t& rand();", "auto d = std::chrono::milliseconds(3);",
                     "last_time(3);", "n = stack.recv(3);", "int Socket::recv(int n);", "x = glass::socket(3);", "#include <chrono>"]:
            self.assertEqual(found("system", {"src/tcp/x.cc": f"\n{line}\n"}), [], line)

    def test_rooms_made_for_it_may(self):
        for room in ["driver", "runtime", "cli"]:
            self.assertEqual(found("system", {f"src/{room}/x.cc": "#include <unistd.h>\nx = time(nullptr);\n"}), [])


class Reasons(unittest.TestCase):
    ROW = 'REASON({}, "", "What.", "RFC 1", "cause, (or other)",\n       "do it")\n'

    def check(self, rows, code, path="src/tcp/x.cc"):
        return found("reasons", {tidy.REASONS: "// REASON(NAME, ...)\n" + "".join(self.ROW.format(r) for r in rows),
                                 path: code})

    def test_a_row_needs_a_place_and_a_place_a_row(self):
        self.assertEqual(self.check(["A_ONE"], "f(DROP(A_ONE));\n"), [])
        self.assertEqual(self.check(["A_ONE", "B_TWO"], "f(DROP(A_ONE));\n"), [f"{tidy.REASONS}:4"])
        self.assertEqual(self.check(["A_ONE"], "f(DROP(A_ONE));\nf(DROP(B_TWO));\n"), ["src/tcp/x.cc:2"])

    def test_comments_and_tests_are_no_places(self):
        self.assertEqual(self.check(["A_ONE"], "// DROP(A_ONE)\n"), [f"{tidy.REASONS}:2"])
        self.assertEqual(self.check(["A_ONE"], "f(DROP(A_ONE));\n", "src/tcp/x_test.cc"), [f"{tidy.REASONS}:2"])

    def test_twice_is_found(self):
        self.assertEqual(self.check(["A_ONE", "A_ONE"], "f(DROP(A_ONE));\n"), [f"{tidy.REASONS}:4"])

    def test_the_allow_list_does_not_outlive_its_need(self):
        with unittest.mock.patch.dict(tidy.REASONS_WITHOUT_PLACE, {"A_ONE": "for this test"}):
            self.assertEqual(self.check(["A_ONE"], ""), [])
            self.assertEqual(self.check(["A_ONE"], "f(DROP(A_ONE));\n"), [f"{tidy.REASONS}:2"])


class Counters(unittest.TestCase):
    def test_twice_is_found(self):
        self.assertEqual(found("counters", {tidy.COUNTERS: "COUNTER(Ip, A)\nCOUNTER(Tcp, A)\n"}), [])
        self.assertEqual(found("counters", {tidy.COUNTERS: "COUNTER(Ip, A)\nCOUNTER(Ip, B)\nCOUNTER(Ip, A)\n"}),
                         [f"{tidy.COUNTERS}:3"])

    def test_a_reason_names_existing_counters(self):
        files = {tidy.COUNTERS: "COUNTER(Ip, A)\n", tidy.REASONS: 'REASON(X, "IpA, IpB", "What.", "", "", "")\n'}
        self.assertEqual(found("counters", files), [f"{tidy.REASONS}:1"])


class Text(unittest.TestCase):
    def test_marks_and_places_are_found(self):
        for text in ["// TO" "DO: later", "# FIX" "ME", "XX" "X", "see /work" "/x", "cd /root" "/", "`/farm" "/a`"]:
            self.assertEqual(found("text", {"docs/a.md": f"\n{text}\n"}), ["docs/a.md:2"], text)

    def test_look_alikes_are_left_alone(self):
        for text in ["mktemp /tmp/aXX" "XX" "XX", "src/work" "/x", "https://a.org/root" "/x".replace("/root", "x/root"), "todo list"]:
            self.assertEqual(found("text", {"docs/a.md": f"\n{text}\n"}), [], text)


class DocNames(unittest.TestCase):
    TREE = {tidy.COUNTERS: "COUNTER(Tcp, OutRsts)\nCOUNTER(TcpExt, TCPLossProbes)\n",
            tidy.SYSCTLS: 'SYSCTL(tcp_sack, "net.ipv4.tcp_sack", 1)\nSYSCTL3(tcp_rmem, "net.ipv4.tcp_rmem", 1, 2, 3)\n',
            "src/tcp/tcp_tlp.cc": "void tcp_send_loss_probe(tcp_sock* tp) {\n}\n",
            "src/tcp/cong/cubic_test.cc": "TEST(CubicTest, LossLeavesSevenTenths) {\n}\n",
            "tests/drops/drops_test.cc": "TEST_F(DropsTest, BadTcpChecksum) {\n}\n",
            "tests/drill/recovery-prr.pkt": "", "tests/recorded/receive/paws/001-a.pkt": ""}

    def check(self, text):
        return found("doc-names", {**self.TREE, "docs/tcp.md": f"# TCP\n{text}\n"})

    def test_what_exists_may_be_named(self):
        for text in ["`src/tcp/tcp_tlp.cc`", "src/tcp/, src/tcp.", "`tcp_tlp.cc`", "`cong/cubic_test.cc`", "tests/recorded/receive/paws",
                     "`tests/recorded/receive/paws/*`", "`recovery-*.pkt`", "`recovery-prr.pkt`", "net.ipv4.tcp_rmem.",
                     "`net.ipv4.tcp_sack`", "`TcpExtTCPLossProbes`, `TcpOutRsts`", "`CubicTest.LossLeavesSevenTenths`",
                     "`DropsTest.BadTcpChecksum`", "`tcp_send_loss_probe()`", "`tcp_sack`", "`any words at all`", "`tcp_sack=0`"]:
            self.assertEqual(self.check(text), [], text)

    def test_wrong_names_are_found(self):
        for text in ["`src/tcp/tcp_tail.cc`", "src/udp/", "`tcp_tail.cc`", "tests/recorded/receive/pows", "`src/ip/*`", "`frto-*.pkt`",
                     "`recovery-prr2.pkt`", "net.ipv4.tcp_sacks", "`net.ipv4.tcp_rmem.low`", "`TcpExtTCPLossProbe`", "`TcpOutRst`",
                     "`CubicTest.LossLeavesHalf`", "`tcp_send_probe()`", "`tcp_sacks`"]:
            self.assertEqual(self.check(text), ["docs/tcp.md:2"], text)

    def test_other_documents_are_left_alone(self):
        self.assertEqual(found("doc-names", {**self.TREE, "README.md": "`src/tcp/NAME.cc`"}), [])


class Indexes(unittest.TestCase):
    def check(self, comment):
        return found("indexes", {"src/tcp/tcp_internal.h": comment + "#pragma once\n// tcp_b.cc\n", "src/tcp/cong/bbr.cc": "",
                                 **{f"src/tcp/{name}": "" for name in ("tcp_a.cc", "tcp_a.h", "tcp_a_test.cc")}})

    def test_every_file_is_named_and_every_name_is_a_file(self):
        self.assertEqual(self.check("// Index.\n//   tcp_a.cc   what it does; tcp_a.h\n"), [])
        self.assertEqual(self.check("// Index.\n"), ["src/tcp/tcp_internal.h:1"])
        self.assertEqual(self.check("// tcp_a.cc tcp_c.cc\n"), ["src/tcp/tcp_internal.h:1"])


class SilentReturn(unittest.TestCase):
    def check(self, body, head="void ip_rcv(net& n, Skb skb)", room="ip"):
        return found("silent-return", {f"src/{room}/x.cc": f"{head} {{\n{body}\n}}\n"})

    def test_a_bare_return_is_found(self):
        self.assertEqual(self.check("  if (bad) return;\n  next(std::move(skb));"), ["src/ip/x.cc:2"])
        self.assertEqual(self.check("  kfree_skb(a);\n\n\n\n\n  return;"), ["src/ip/x.cc:7"])
        self.assertEqual(self.check("  return;", "void f(Skb)", "tcp"), ["src/tcp/x.cc:2"])

    def test_a_return_after_an_end_is_right(self):
        for body in ["  if (bad) return kfree_skb_reason(std::move(skb), DROP(A));", "  q.push(std::move(skb));\n  return;",
                     "  consume_skb(std::move(skb)); return;", "  if (!skb) return;", "  return;  // keeps: parked on the queue",
                     "  // return;"]:
            self.assertEqual(self.check(body), [], body)

    def test_only_owners_are_asked(self):
        for head in ["void f(Skb& skb)", "void f(const Skb& skb)", "void f(int a)", "void f(sk_buff* skb)"]:
            self.assertEqual(self.check("  return;", head), [], head)
        self.assertEqual(self.check("  return;", room="view"), [])


class Subcommands(unittest.TestCase):
    HELP = """Glasstack
Usage: glass [OPTIONS] SUBCOMMAND

Options:
  -h,--help                   Print this help message and exit

Subcommands:
  demo                        shows it
  get                         a client whose description goes on
                              and on
"""

    def check(self, script):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "glass")
            with open(path, "w", encoding="utf-8") as file:
                file.write("#!/bin/sh\n" + script)
            os.chmod(path, stat.S_IRWXU)
            return found("subcommands", {}, path)

    def test_names_are_read_from_the_help(self):
        self.assertEqual(tidy.subcommands(self.HELP), ["demo", "get"])

    def test_each_needs_an_example_and_a_good_end(self):
        show = f"if [ $# = 1 ]; then cat <<'X'\n{self.HELP}X\nexit 0; fi\n"
        self.assertEqual(self.check(show + "echo Example: glass $1"), [])
        self.assertEqual(self.check(show + "echo use it"), ["src/cli:1", "src/cli:1"])
        self.assertEqual(self.check(show + "echo Example: glass $1; exit 3"), ["src/cli:1", "src/cli:1"])
        self.assertEqual(self.check("echo nothing"), ["src/cli:1"])
        self.assertEqual(self.check("exit 1"), ["src/cli:1"])

    def test_without_a_command_it_says_so(self):
        tree = tidy.Tree({})
        self.assertEqual(list(tidy.check_subcommands(tree)), [])
        self.assertEqual(len(tree.notes), 1)


class Excused(unittest.TestCase):
    LONG = {"src/ip/ip.cc": "\n" * 901}

    def test_excuses_count_only_while_needed(self):
        names = lambda files, excused: [f[0] for f in tidy.findings(tidy.Tree(files), excused)]
        self.assertEqual(names(self.LONG, {}), ["file-length"])
        self.assertEqual(names(self.LONG, {("file-length", "src/ip/ip.cc"): "because"}), [])
        self.assertEqual(names({}, {("file-length", "src/ip/ip.cc"): "because"}), ["excused"])


if __name__ == "__main__":
    unittest.main()
