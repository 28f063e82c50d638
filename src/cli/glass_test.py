#!/usr/bin/env python3
"""The built command against the kernel: glass serve, get and ping over a TAP device, and the commands that look into a running
glass. Runs inside a network namespace of its own (scripts/in_netns), where nothing of the machine is touched.

  scripts/in_netns python3 src/cli/glass_test.py build/release/glass
"""
import hashlib
import http.client
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

GLASS = os.path.abspath(sys.argv.pop(1))
LINK = ["--tap", "tap0", "--addr", "10.0.0.2/24", "--host-addr", "10.0.0.1/24"]
ADDRESS = "10.0.0.2"
LARGE = os.urandom(1 << 20) * 24
LIMIT = 60   # seconds; far more than anything here takes


def glass(*arguments, **options):
    return subprocess.run([GLASS, *arguments], capture_output=True, timeout=LIMIT, **{"text": True, **options})


class Site:
    """A directory with files to serve."""

    def __enter__(self):
        self.directory = tempfile.TemporaryDirectory()
        self.path = self.directory.name
        os.mkdir(os.path.join(self.path, "sub"))
        for name, content in [("small.txt", b"hello\n"), ("large.bin", LARGE), ("sub/x", b"x")]:
            with open(os.path.join(self.path, name), "wb") as file:
                file.write(content)
        return self

    def __exit__(self, *_):
        self.directory.cleanup()


class Serving(unittest.TestCase):
    """Everything that talks to one `glass serve`."""

    @classmethod
    def setUpClass(cls):
        cls.site = Site().__enter__()
        cls.control = os.path.join(cls.site.path, ".control")
        cls.process = subprocess.Popen(
            [GLASS, "serve", *LINK, "--http", f"80={cls.site.path}", "--echo", "7", "--discard", "9", "--hello", "3490",
             "--control", cls.control], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(5):
            cls.process.stdout.readline()   # the announcement: everything listens

    @classmethod
    def tearDownClass(cls):
        if cls.process.poll() is None:
            cls.process.kill()
        cls.process.stdout.close()
        cls.process.wait()
        cls.site.__exit__()

    def ask(self, *arguments):
        result = glass(*arguments, "--control", self.control)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def connect(self, port):
        return socket.create_connection((ADDRESS, port), timeout=LIMIT)

    def get(self, path, method="GET", **headers):
        connection = http.client.HTTPConnection(ADDRESS, timeout=LIMIT)
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer, body

    def test_http(self):
        answer, body = self.get("/large.bin")
        self.assertEqual((answer.status, hashlib.sha256(body).digest()), (200, hashlib.sha256(LARGE).digest()))
        answer, body = self.get("/large.bin", Range="bytes=1000000-1999999")
        self.assertEqual((answer.status, body), (206, LARGE[1000000:2000000]))
        answer, body = self.get("/small.txt", method="HEAD")
        self.assertEqual((answer.status, answer.getheader("Content-Length"), body), (200, "6", b""))
        for path, status in [("/missing", 404), ("/../etc/passwd", 403), ("/sub", 301), ("/sub/", 200), ("/", 200)]:
            self.assertEqual(self.get(path)[0].status, status, path)
        self.assertEqual(self.get("/small.txt", method="PUT")[0].status, 405)

    def test_keep_alive_uses_one_connection(self):
        connection = http.client.HTTPConnection(ADDRESS, timeout=LIMIT)
        ports = set()
        for _ in range(3):
            connection.request("GET", "/small.txt")
            self.assertEqual(connection.getresponse().read(), b"hello\n")
            ports.add(connection.sock.getsockname()[1])
        connection.close()
        self.assertEqual(len(ports), 1)

    def test_many_at_once(self):
        results = []
        threads = [threading.Thread(target=lambda: results.append(self.get("/large.bin")[1] == LARGE)) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(results, [True] * 8)

    def test_small_services(self):
        with self.connect(3490) as s:
            self.assertEqual(s.makefile("rb").read(), b"Hello, world!\n")
        with self.connect(7) as s:
            s.sendall(b"abc" * 1000)
            self.assertEqual(s.makefile("rb").read(3000), b"abc" * 1000)
        with self.connect(9) as s:
            s.sendall(b"x" * 5_000_000)

    def test_kernel_pings_glass(self):
        self.assertEqual(subprocess.run(["ping", "-c", "2", "-i", "0.2", "-W", "5", ADDRESS], capture_output=True).returncode, 0)

    def test_stat(self):
        self.get("/small.txt")
        counters = json.loads(self.ask("stat", "--json"))
        self.assertGreater(counters["TcpPassiveOpens"], 0)
        self.assertIn("TcpPassiveOpens", self.ask("stat"))
        with self.connect(7) as s:
            s.sendall(b"x")
            s.recv(1)
            sockets = json.loads(self.ask("stat", "--sockets", "--json"))
            self.assertIn(("ESTAB", f"{ADDRESS}:7"), [(r["state"], r["local"]) for r in sockets])
            self.assertIn("cwnd:", self.ask("stat", "--sockets"))
        self.assertIn("LISTEN", self.ask("stat", "--sockets", "-a"))
        self.assertIn("eth0", self.ask("stat", "--softnet"))

    def refuse_me(self):
        with self.assertRaises(ConnectionRefusedError):
            self.connect(81)

    def test_drops(self):
        self.refuse_me()
        drops = json.loads(self.ask("drops", "--json"))
        mine = [d for d in drops if d["reason"] == "NO_SOCKET"]
        self.assertTrue(mine and mine[0]["count"] > 0 and mine[0]["file"].startswith("src/tcp/"), drops)
        self.assertIn("NO_SOCKET", self.ask("drops"))

    def with_refusals(self, *arguments):
        """The output of a command beside which connections are refused all the time."""
        with tempfile.TemporaryFile("w+") as out:   # no pipe: nobody reads while the refusing goes on
            command = subprocess.Popen([GLASS, *arguments, "--control", self.control], stdout=out)
            while command.poll() is None:
                self.refuse_me()
                time.sleep(0.05)
            out.seek(0)
            return out.read()

    def test_live_drops_stacks_and_trace(self):
        self.assertIn("NO_SOCKET at ", self.with_refusals("drops", "--live", "--seconds", "1"))
        self.assertIn("tcp_v4_rcv (src/tcp/", self.with_refusals("drops", "--stacks", "--seconds", "1"))
        self.assertIn("softirq receive", self.with_refusals("trace", "-n", "50"))
        events = [json.loads(line) for line in self.with_refusals("trace", "--seconds", "1", "--json").splitlines()]
        self.assertIn("tcp_v4_rcv", [e.get("function") for e in events])
        self.assertNotEqual(glass("drops", "--stacks", "--control", self.control).returncode, 0, "tracing is off again")

    def test_wrong_starts_are_one_line(self):
        for arguments in [["serve", *LINK, "--http", "80=."], ["serve", *LINK, "--tap", "tap7", "--addr", "10.0.0.1/24", "--echo", "7"],
                          ["serve", *LINK, "--tap", "tap7", "--http", "80=/missing"], ["serve", *LINK, "--tap", "tap7", "--echo", "7", "--hello", "7"],
                          ["serve", *LINK], ["serve", "--echo", "7"], ["ping", ADDRESS], ["get", "http://name/", *LINK],
                          ["ping", "10.0.0.1", *LINK, "--netem", "delay fast"], ["stat", "--control", "/missing"], ["stat", "--pid", "1"]]:
            result = glass(*arguments)
            self.assertNotEqual(result.returncode, 0, arguments)
            self.assertEqual(result.stderr.count("\n"), 1, (arguments, result.stderr))
            self.assertTrue(result.stderr.startswith("glass: "), result.stderr)

    def test_z_stops_with_a_summary(self):
        self.process.send_signal(signal.SIGINT)
        summary = self.process.stdout.read()
        self.assertEqual(self.process.wait(LIMIT), 0)
        self.assertIn("served for ", summary)
        self.assertIn("http ", summary)
        self.assertFalse(os.path.exists(self.control))


class Chunked(http.server.SimpleHTTPRequestHandler):
    """Files as they are; /chunked in chunks; /cut breaks off."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path not in ("/chunked", "/cut"):
            return super().do_GET()
        self.send_response(200)
        self.send_header(*(("Transfer-Encoding", "chunked") if self.path == "/chunked" else ("Content-Length", "100")))
        self.end_headers()
        self.wfile.write(b"5\r\nhello\r\n0\r\n\r\n")
        self.close_connection = self.path == "/cut"

    def log_message(self, *_):
        pass


class Getting(unittest.TestCase):
    """glass get and ping, with the kernel as the other side."""

    @classmethod
    def setUpClass(cls):
        subprocess.run("ip tuntap add dev tap0 mode tap && ip addr add 10.0.0.1/24 dev tap0 && ip link set tap0 up", shell=True, check=True)
        cls.site = Site().__enter__()
        handler = lambda *a: Chunked(*a, directory=cls.site.path)
        cls.server = http.server.ThreadingHTTPServer(("10.0.0.1", 8000), handler)
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()

    @classmethod
    def tearDownClass(cls):
        cls.server.shutdown()
        cls.server.server_close()
        cls.site.__exit__()
        subprocess.run(["ip", "link", "del", "tap0"], check=True)

    def get(self, path, *arguments, port=8000, host="10.0.0.1"):
        return glass("get", f"http://{host}:{port}{path}", *LINK, *arguments, text=False)

    def test_get(self):
        result = self.get("/large.bin")
        self.assertEqual((result.returncode, result.stdout == LARGE), (0, True), result.stderr)
        self.assertEqual(self.get("/chunked").stdout, b"hello")
        file = os.path.join(self.site.path, "out")
        report = json.loads(self.get("/small.txt", "-o", file, "--json").stdout)
        self.assertEqual((report["status"], report["bytes"]), (200, 6))
        with open(file, "rb") as f:
            self.assertEqual(f.read(), b"hello\n")

    def test_get_over_a_bad_link(self):
        result = self.get("/small.txt", "--netem", "delay 5ms loss 10%", "--seed", "5")
        self.assertEqual((result.returncode, result.stdout), (0, b"hello\n"), result.stderr)

    def test_get_failures(self):
        for path, options, code in [("/missing", {}, 22), ("/sub", {}, 22), ("/cut", {}, 56), ("/", {"port": 81}, 7),
                                    ("/", {"host": "10.9.9.9"}, 7)]:
            result = self.get(path, **options)
            self.assertEqual(result.returncode, code, (path, result.stderr))
            self.assertEqual(result.stderr.count(b"\n"), 1, result.stderr)
        self.assertEqual(self.get("/small.txt", "-o", "/missing/x").returncode, 23)

    def test_ping(self):
        result = glass("ping", "10.0.0.1", "-c", "2", "-i", "0.1", *LINK)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("64 bytes from 10.0.0.1: icmp_seq=2 ttl=64 time=", result.stdout)
        self.assertIn("2 packets transmitted, 2 received, 0% packet loss", result.stdout)
        self.assertEqual(glass(*LINK, "ping", "10.0.0.9", "-c", "1", "-W", "0.2").returncode, 1)
        self.assertEqual(json.loads(glass("ping", "10.0.0.1", "-c", "1", "-s", "4000", "--json", *LINK).stdout)["received"], 1)

    def test_device_that_goes_away(self):
        command = subprocess.Popen([GLASS, "ping", "10.0.9.1", "--tap", "tap9", "--addr", "10.0.9.2/24", "--host-addr", "10.0.9.1/24"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        command.stdout.readline()
        subprocess.run(["ip", "link", "del", "tap9"], check=True)
        _, errors = command.communicate(timeout=LIMIT)
        self.assertEqual((command.returncode, errors.count("\n")), (1, 1), errors)


class WithoutANetwork(unittest.TestCase):
    def test_demo(self):
        with tempfile.TemporaryDirectory() as directory:
            first, second = (glass("demo", "--seed", "7", cwd=directory) for _ in range(2))
            self.assertEqual(first.returncode, 0, first.stderr)
            self.assertEqual(first.stdout, second.stdout, "the same seed gives the same run")
            for part in ["S seq 0", "Hello, world!", "__sys_sendto", "softirq receive", "QDISC_DROP", "(src/dev/netem.cc:", "TcpOutSegs", "as sent"]:
                self.assertIn(part, first.stdout)
            self.assertGreater(os.path.getsize(os.path.join(directory, "glass-demo.pcapng")), 10_000_000)
            clean = json.loads(glass("demo", "--json", "--netem", "delay 1ms", cwd=directory).stdout)
            self.assertEqual((clean["transfer"]["bytes"], clean["transfer"]["as_sent"]), (10_000_000, True))

    def test_catalogue(self):
        places = json.loads(glass("drops", "--list", "--json").stdout)
        self.assertGreater(len(places), 50)
        for place in places:
            self.assertEqual(sorted(place), ["file", "function", "line", "reason"])
        self.assertIn("RFC 7323", glass("explain", "TCP_RFC7323_PAWS").stdout)
        self.assertEqual(glass("explain", "TCP_NONSENSE").returncode, 2)

    def test_wrong_usage_is_one_line(self):
        for arguments in [[], ["nonsense"], ["--tap", "x", "explain"], ["demo", "--netem", "nonsense"], ["demo", "-o", "/missing/x"],
                          ["drops", "--list", "--live"], ["ping"], ["get"], ["trace", "-n", "x"], ["demo", "--seed", "x"]]:
            result = glass(*arguments)
            self.assertNotEqual(result.returncode, 0, arguments)
            self.assertEqual(result.stderr.count("\n"), 1, (arguments, result.stderr))


if __name__ == "__main__":
    unittest.main()
