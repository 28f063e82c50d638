#!/usr/bin/env python3
"""One flow over a 100 Mbit/s link with a round trip of 40 ms and a queue of one bandwidth-delay product.

  bench/congestion.py goodput          Glasstack's CUBIC in virtual time against the kernel's in real time, a table
  bench/congestion.py goodput --no-kernel --runs 20 --only jitter --each
  bench/congestion.py plot             the window over time of Reno, CUBIC, BBR and DCTCP, into docs/congestion.svg

The kernel sends to itself between two network namespaces; in between, `congestion relay` carries the packets through
the very qdiscs of the simulation. That needs root or user namespaces (the script asks scripts/in_netns for one). The
same seed loses the same packets on both sides. The table's rows are means and ranges; spurious is what was
retransmitted beyond what the network had dropped.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
from kernel_flow import kernel_flow  # noqa: E402
from svg_plot import Line, Panel, render  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
# What it is called, netem's words for it, how many runs of the kernel and of Glasstack: with reordering no two are
# alike, even of the same seed, and the mean of a few says little.
PATHS = (
    ("no loss", "delay 20ms", 2, 2),
    ("0.01 % loss", "delay 20ms loss 0.01%", 3, 3),
    ("0.1 % loss", "delay 20ms loss 0.1%", 3, 3),
    ("1 % loss", "delay 20ms loss 1%", 3, 3),
    ("5 ms jitter", "delay 20ms 5ms", 12, 60),
)
LINK = "link rate 100mbit limit 333"
MARKING = LINK + " ecn 65"


def enter_namespace():
    if os.environ.get("GLASS_IN_NETNS") != "1":
        os.execv(ROOT / "scripts/in_netns", [str(ROOT / "scripts/in_netns"), sys.executable, __file__, *sys.argv[1:]])


def glass(program, command, *words):
    return subprocess.run([program, command, *map(str, words)], check=True, capture_output=True, text=True).stdout


def glass_flow(program, path, seconds, seed):
    return json.loads(glass(program, "flow", "--link", LINK, "--path", path, "--seconds", seconds, "--seed", seed))


# --- goodput

def spurious(run):
    return 100 * max(0, run["retrans"] - run["dropped"]) / run["data_segs_out"]


def shown(values, digits):
    values = sorted(values)
    return f"{statistics.mean(values):.{digits}f} ({values[0]:.{digits}f} to {values[-1]:.{digits}f})"


def row_of(path, who, runs, ratio=""):
    retransmitted = shown([100 * r["retrans"] / r["data_segs_out"] for r in runs], 2)
    needless = shown([spurious(r) for r in runs], 2)
    goodput = shown([r["goodput_mbits"] for r in runs], 1)
    return f"{path:12} {who:9} {len(runs):4} {goodput:>22} {ratio:>6} {retransmitted:>22} {needless:>22}"


def print_rows(row, each):
    if each:
        for who, name in (("kernel", "kernel"), ("glass", "Glasstack")):
            for seed, r in enumerate(row.get(who, ()), 1):
                print(row_of(f"  seed {seed}", name, [r]))
    ratio = ""
    if "kernel" in row:
        print(row_of(row["path"], "kernel", row["kernel"]))
        ours, theirs = (statistics.mean(r["goodput_mbits"] for r in row[who]) for who in ("glass", "kernel"))
        ratio = f"{ours / theirs:.3f}"
    print(row_of(row["path"], "Glasstack", row["glass"], ratio), flush=True)


def goodput(args):
    if args.kernel:
        enter_namespace()
    results = []
    print(f"{'path':12} {'stack':9} {'runs':>4} {'goodput, Mbit/s':>22} {'ratio':>6} {'retransmitted, %':>22} "
          f"{'spurious, %':>22}")
    for name, path, kernel_runs, glass_runs in PATHS:
        if args.only not in name:
            continue
        row = {"path": name, "netem": path, "link": LINK}
        row["glass"] = [glass_flow(args.program, path, args.seconds, seed)
                        for seed in range(1, (args.runs or glass_runs) + 1)]
        if args.kernel:
            row["kernel"] = [kernel_flow(args.program, LINK, path, args.seconds, seed)[0]
                             for seed in range(1, (args.runs or kernel_runs) + 1)]
        results.append(row)
        print_rows(row, args.each)
    if args.out:
        measured = {"kernel": os.uname().release, "seconds": args.seconds, "rows": results}
        Path(args.out).write_text(json.dumps(measured, indent=1))


# --- plot

class Traces:
    """What tcp_info said over time, of each algorithm and of the kernel's where it has it."""

    def __init__(self, args):
        self.glass, self.kernel = {}, {}
        for algorithm in ("reno", "cubic", "bbr", "dctcp"):
            ecn = ["--ecn", "--link", MARKING] if algorithm == "dctcp" else ["--link", LINK]
            header, *rows = glass(args.program, "trace", "--algorithm", algorithm, "--seconds", args.seconds,
                                  *ecn).split()
            self.glass[algorithm] = [dict(zip(header.split(","), map(float, r.split(",")))) for r in rows]
            available = Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().split()
            if args.kernel and algorithm in available and algorithm != "dctcp":
                self.kernel[algorithm] = kernel_flow(args.program, LINK, "delay 20ms", args.seconds, 1, algorithm)[1]

    def lines(self, algorithm, field, ssthresh=False):
        def points(trace, name):
            return [(r["seconds"], r[name]) for r in trace if name != "ssthresh" or r[name]]

        lines = [Line("Glasstack", points(self.glass[algorithm], field))]
        if algorithm in self.kernel:
            name = "Linux " + os.uname().release.split("-")[0]
            lines.append(Line(name, points(self.kernel[algorithm], field), "4 3"))
        if ssthresh:
            lines.append(Line("ssthresh", points(self.glass[algorithm], "ssthresh"), "1 2"))
        return lines


def panels(t, seconds):
    cwnd, whole = "cwnd (segments)", (0, seconds)
    full = [(331, "path", 12), (664, "path and queue", -4)]
    return [
        Panel("Reno", whole, (0, 1400), cwnd, t.lines("reno", "cwnd", True), full),
        Panel("Reno, slow start", (0, 1.5), (0, 1400), cwnd, t.lines("reno", "cwnd"), full),
        Panel("CUBIC", whole, (0, 900), cwnd, t.lines("cubic", "cwnd", True), full),
        Panel("CUBIC, HyStart", (0, 1.5), (0, 1400), cwnd, t.lines("cubic", "cwnd"), full),
        Panel("BBR", whole, (0, 1200), cwnd, t.lines("bbr", "cwnd"), full[:1]),
        Panel("BBR, its rate", (0, 3), (0, 300), "pacing (Mbit/s)", t.lines("bbr", "pacing_mbits")),
        Panel("DCTCP", whole, (0, 600), cwnd, t.lines("dctcp", "cwnd"), [full[0], (396, "path and 65 packets", -8)]),
        Panel("DCTCP, its last seconds", (seconds - 3, seconds), (390, 405), cwnd, t.lines("dctcp", "cwnd"),
              [(396, "path and 65 packets", 12)]),
    ]


def plot(args):
    if args.kernel:
        enter_namespace()
    title = "One flow over 100 Mbit/s, 40 ms, a queue of 333 packets (DCTCP: marked behind 65)"
    Path(args.out).write_text(render(title, panels(Traces(args), args.seconds)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "build/release/bench/congestion"))
    subs = parser.add_subparsers(required=True)
    g = subs.add_parser("goodput")
    g.add_argument("--seconds", type=float, default=20)
    g.add_argument("--runs", type=int, help="of each, with seeds from 1 on")
    g.add_argument("--only", default="", help="only paths with this in their name")
    g.add_argument("--each", action="store_true", help="a row for each run as well")
    g.add_argument("--no-kernel", dest="kernel", action="store_false")
    g.add_argument("--out", help="everything measured, as JSON")
    g.set_defaults(run=goodput)
    p = subs.add_parser("plot")
    p.add_argument("--seconds", type=float, default=25)
    p.add_argument("--no-kernel", dest="kernel", action="store_false", help="without the kernel's window beside it")
    p.add_argument("--out", default=str(ROOT / "docs/congestion.svg"))
    p.set_defaults(run=plot)
    args = parser.parse_args()
    return args.run(args)


if __name__ == "__main__":
    sys.exit(main())
