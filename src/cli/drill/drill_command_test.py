#!/usr/bin/env python3
"""The command `glass drill` as a program: arguments, exit codes, what it prints and writes.

  src/cli/drill/drill_command_test.py build/release/glass
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ET

GLASS = os.path.abspath(sys.argv.pop(1))
LIMIT = 60   # seconds; far more than anything here takes

GOOD = """// A connection and one byte.
--tolerance_usecs=5000
`sysctl -q net.ipv4.tcp_timestamps=1`

0     socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0    bind(3, ..., ...) = 0
+0    listen(3, 1) = 0
+0.01 < S 0:0(0) win 65535 <mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7>  // ok
+0    > S. 0:0(0) ack 1 <mss 1460,sackOK,TS val 50 ecr 1,nop,wscale 10>
+0.01 < . 1:1(0) ack 1 win LAST <nop,nop,TS val 2 ecr 50>                 // ok
+0    accept(3, ..., ...) = 4
+0    write(4, ..., 1) = 1
+0    > P. 1:2(1) ack 1 <nop,nop,TS val 60 ecr 2>
"""


def drill(*arguments):
    return subprocess.run([GLASS, "drill", *arguments], capture_output=True, timeout=LIMIT, text=True)


class Drill(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)

    def script(self, name, text):
        path = os.path.join(self.directory.name, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def good(self, name="good.pkt", **changes):
        text = GOOD.replace("LAST", "512")
        for old, new in changes.get("instead", {}).items():
            assert old in text
            text = text.replace(old, new)
        return self.script(name, text)

    def test_passes_and_says_so(self):
        run = drill("--reasons", self.good())
        self.assertEqual((run.returncode, run.stdout, run.stderr), (0, "1 passed, 0 failed, 0 skipped\n", ""))

    def test_a_failure_shows_line_packets_socket_and_trace(self):
        path = self.good(instead={"P. 1:2(1) ack 1 ": "P. 1:2(1) ack 3 "})
        run = drill(path)
        self.assertEqual(run.returncode, 1)
        lines = run.stdout.splitlines()
        self.assertEqual(lines[0], f"{path}:13: ack is 1 instead of 3")
        self.assertIn("  expected  > P. 1:2(1) ack 3 <nop,nop,TS val 60 ecr 2>", lines)
        self.assertIn("ESTAB", run.stdout)
        self.assertIn("__tcp_transmit_skb", run.stdout)
        self.assertEqual(lines[-1], "0 passed, 1 failed, 0 skipped")

    def test_strict_unless_lax(self):
        path = self.good(instead={"TS val 60 ecr 2": "TS val 60 ecr 1"})
        self.assertIn("TS ecr is 2 instead of 1", drill(path).stdout)
        self.assertEqual(drill("--lax", path).returncode, 0)
        self.assertEqual(drill("--lax", "--strict", path).returncode, 2)

    def test_time_stamps_count_with_a_tick(self):
        self.assertEqual(drill("--tcp_ts_tick_usecs", "1000", self.good()).returncode, 0)
        late = self.good(instead={"TS val 60": "TS val 90"})
        self.assertEqual(drill(late).returncode, 0)
        self.assertIn("TS val is 60 instead of 90", drill("--tcp_ts_tick_usecs", "1000", late).stdout)

    def test_notes_count_with_reasons(self):
        path = self.good(instead={"// ok\n+0    accept": "// drop: TCP_OLD_ACK @ tcp_ack\n+0    accept"})
        self.assertEqual(drill(path).returncode, 0)
        run = drill("--reasons", path)
        self.assertEqual(run.returncode, 1)
        self.assertIn("  expected  drop: TCP_OLD_ACK @ tcp_ack\n  got       ok\n", run.stdout)

    def test_defines(self):
        path = self.script("define.pkt", GOOD)
        self.assertEqual(drill(path).returncode, 1)
        self.assertEqual(drill("-D", "LAST=512", path).returncode, 0)
        self.assertEqual(drill("-D", "LAST", path).returncode, 2)

    def test_directories_json_and_jobs(self):
        for i in range(6):
            self.good(f"{i}.pkt", instead={"= 4": "= -1 EBADF"} if i == 4 else {})
        self.script("6.pkt", "--ip_version=ipv6\n0 `true`\n")
        run = drill("--json", "--jobs", "3", self.directory.name)
        rows = [json.loads(line) for line in run.stdout.splitlines()]
        self.assertEqual([os.path.basename(row["script"]) for row in rows[:-1]], [f"{i}.pkt" for i in range(7)])
        self.assertEqual([row["verdict"] for row in rows[:-1]], ["passed"] * 4 + ["failed", "passed", "skipped"])
        self.assertEqual(rows[4]["line"], 11)
        self.assertEqual(rows[-1], {"passed": 5, "failed": 1, "skipped": 1})

    def test_junit(self):
        report = os.path.join(self.directory.name, "report.xml")
        run = drill("--junit", report, self.good(), self.good("bad.pkt", instead={"= 4": "= -1 EBADF"}))
        self.assertEqual(run.returncode, 1)
        suite = ET.parse(report).getroot()
        self.assertEqual((suite.get("tests"), suite.get("failures")), ("2", "1"))
        self.assertIsNotNone(suite.find("testcase/failure"))

    def test_record_gives_a_script_that_passes(self):
        wrong = self.good(instead={"> P. 1:2(1) ack 1": "> P. 5:9(4) ack 7", "= 4": "= 9", "write(4": "write(9"})
        self.assertEqual(drill(wrong).returncode, 1)
        run = drill("--record", "--reasons", wrong)
        self.assertEqual(run.returncode, 0)
        recorded = self.script("recorded.pkt", run.stdout)
        self.assertTrue(run.stdout.startswith("// A connection and one byte.\n--tolerance_usecs=5000\n`sysctl -q"))
        self.assertIn("> P. 1:2(1) ack 1 win", run.stdout)
        self.assertEqual(drill("--reasons", "--tolerance_usecs", "0", "--tolerance_percent", "0", recorded).stdout,
                         "1 passed, 0 failed, 0 skipped\n")

    def test_wrong_usage(self):
        empty = os.path.join(self.directory.name, "empty")
        os.mkdir(empty)
        for arguments in ([], ["none.pkt"], [empty], ["--mode", "ipv6", self.good()],
                          ["--mode", "mapped", self.good()], ["--mode", "ipx", self.good()]):
            run = drill(*arguments)
            self.assertEqual(run.returncode, 2, arguments)
            self.assertTrue(run.stderr.startswith("glass: "), run.stderr)
            self.assertEqual(run.stdout, "")

    def test_a_script_that_cannot_be_read_fails_with_its_line(self):
        path = self.script("bad.pkt", "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 > Q 0:0(0)\n")
        run = drill(path)
        self.assertEqual(run.returncode, 1)
        self.assertTrue(run.stdout.startswith(f"{path}:2: "), run.stdout)


if __name__ == "__main__":
    unittest.main()
