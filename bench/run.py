#!/usr/bin/env python3
"""Runs Glasstack's benchmarks and lwIP's side by side and prints a table; everything measured goes to a JSON file.

  make bench                                    5 launches, into build/bench.json
  bench/run.py --launches 9 --only ping_pong    more launches of fewer benchmarks
  bench/run.py --quick                          one short launch: does everything run, are the numbers numbers?

The same binary differs by tens of per cent from launch to launch, so each benchmark of each peer is launched several
times, Glasstack and lwIP in turn; the table gives medians and ranges, and the ratio is the median of the launches'
ratios. "Per core" and all times are CPU time of the one thread that drives both ends; TAP alone goes by the wall clock.
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PEERS = ("glass", "lwip")


@dataclass
class Row:
    what: str
    benchmark: str
    counter: str
    unit: str
    more_is_better: bool = True
    lwip: str = ""          # lwIP's benchmark to compare with, if not the same; "-": none
    digits: int = 1

    def peer_benchmark(self, peer):
        return self.lwip if peer == "lwip" and self.lwip else self.benchmark


NARROW = "bulk_mss1460_window64k"
ROWS = [
    Row("bulk, MSS 1460, window 64 KiB", NARROW, "gbit_per_s", "Gbit/s per core"),
    Row("  the same, a segment", NARROW, "ns_per_segment", "ns", False, digits=0),
    Row("bulk, MSS 1460, window 256 KiB", "bulk_mss1460_window256k", "gbit_per_s", "Gbit/s per core", lwip=NARROW),
    Row("bulk, 64 KiB segments", "bulk_64k_segments", "gbit_per_s", "Gbit/s per core", lwip=NARROW),
    Row("1-byte ping-pong", "ping_pong_1", "ns_per_round_trip", "ns a round trip", False, digits=0),
    Row("  10,000 connections, all active", "ping_pong_10000", "ns_per_round_trip", "ns a round trip", False, digits=0),
    Row("connect + close", "connect_close", "per_s", "per CPU-second", digits=0),
    Row("an idle endpoint", "idle_memory", "bytes_per_endpoint", "bytes", False, digits=0),
    Row("TAP, to the kernel", "tap_up", "gbit_per_s", "Gbit/s", lwip="-"),
    Row("  the same, Glasstack's thread", "tap_up", "gbit_per_core", "Gbit/s per core", lwip="-"),
    Row("TAP, from the kernel", "tap_down", "gbit_per_s", "Gbit/s", lwip="-"),
    Row("  the same, Glasstack's thread", "tap_down", "gbit_per_core", "Gbit/s per core", lwip="-"),
]

NOTES = """\
bulk: checksums are on with MSS 1460; 64 KiB segments cross with checksums left to the "device". This lwIP's window is
  64 KiB and it cannot send large segments, so the three bulk rows all stand against its one.
connect + close: opened, accepted, closed by both; after every 64 the time of TIME_WAIT passes, and its end is counted.
idle endpoint: heap after a byte each way on 10,000 connections and ten seconds' rest, descriptors and hash tables included.
TAP: the kernel's socket is a thread on the second core; lwIP has no offload and is not measured."""

# What the first release wants to reach: (sentence, value of the medians -> bool).
AIMS = [
    ("at least lwIP's goodput", lambda m: m(NARROW, "gbit_per_s") >= m(NARROW, "gbit_per_s", "lwip")),
    ("ping-pong no slower than lwIP's",
     lambda m: m("ping_pong_1", "ns_per_round_trip") <= m("ping_pong_1", "ns_per_round_trip", "lwip")),
    ("a round trip among 10,000 active connections within 2x of one alone",
     lambda m: m("ping_pong_10000", "ns_per_round_trip") <= 2 * m("ping_pong_1", "ns_per_round_trip")),
    ("at most 1 KiB per idle endpoint", lambda m: m("idle_memory", "bytes_per_endpoint") <= 1024),
    ("at least 30 Gbit/s over TAP to the kernel", lambda m: m("tap_up", "gbit_per_s") >= 30),
    ("at least 30 Gbit/s over TAP from the kernel", lambda m: m("tap_down", "gbit_per_s") >= 30),
]


class Failed(Exception):
    pass


class Measurements:
    """samples[(peer, benchmark, counter)]: one number a launch. skipped[benchmark]: why there is none."""

    def __init__(self):
        self.samples = {}
        self.skipped = {}
        self.context = {}

    def add(self, peer, report):
        self.context[peer] = report["context"]
        for entry in report["benchmarks"]:
            name = entry["name"].split("/")[0]
            if entry.get("error_occurred"):
                if not name.startswith("tap_"):
                    raise Failed(f"{peer}: {name}: {entry['error_message']}")
                self.skipped[name] = entry["error_message"]
                continue
            for counter in {row.counter for row in ROWS} & entry.keys():
                value = entry[counter]
                if not value > 0:
                    raise Failed(f"{peer}: {name}: {counter} is {value}")
                self.samples.setdefault((peer, name, counter), []).append(value)

    def of(self, row, peer):
        return self.samples.get((peer, row.peer_benchmark(peer), row.counter), [])

    def median(self, benchmark, counter, peer="glass"):
        return statistics.median(self.samples[(peer, benchmark, counter)])


def launch(programs, peer, benchmark, seconds):
    command = [programs / f"bench_{peer}", f"--benchmark_filter=^{benchmark}(/|$)", "--benchmark_format=json",
               f"--benchmark_min_time={seconds}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise Failed(f"{peer}: {benchmark} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout)


def measure(args, plan):
    found = Measurements()
    done, total = 0, args.launches * len(plan)
    for number in range(args.launches):
        for benchmark, peers in plan:
            if sys.stderr.isatty():
                print(f"\r{done * 100 // total:3} %  launch {number + 1}: {benchmark:30}", end="", file=sys.stderr)
            for peer in peers if number % 2 == 0 else reversed(peers):
                if benchmark not in found.skipped:
                    found.add(peer, launch(args.programs, peer, benchmark, args.seconds))
            done += 1
    if sys.stderr.isatty():
        print("\r" + " " * 60 + "\r", end="", file=sys.stderr)
    return found


def make_plan(args):
    """Each benchmark once, with the peers that have it."""
    plan = {}
    for row in ROWS:
        if args.only and args.only not in row.benchmark:
            continue
        for peer in PEERS:
            name = row.peer_benchmark(peer)
            # lwIP's round trip among 10,000 takes seconds to set up.
            if name == "-" or (args.quick and peer == "lwip" and name == "ping_pong_10000"):
                continue
            peers = plan.setdefault(name, [])
            if peer not in peers:
                peers.append(peer)
    return list(plan.items())


def summary(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "samples": values}


def ratio(row, glass, lwip):
    """How many times better Glasstack is, launch by launch."""
    pairs = [g / l if row.more_is_better else l / g for g, l in zip(glass, lwip)]
    return statistics.median(pairs) if pairs else None


def text(values, digits):
    if not values:
        return "-"
    one = lambda v: f"{v:,.{digits}f}"
    middle = one(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} ({one(min(values))}..{one(max(values))})"


def table(found):
    lines = [("", "Glasstack", "lwIP", "times better", "unit")]
    for row in ROWS:
        glass, lwip = found.of(row, "glass"), found.of(row, "lwip")
        if not glass and not lwip:
            continue
        times = ratio(row, glass, lwip)
        lines.append((row.what, text(glass, row.digits), text(lwip, row.digits), f"{times:.2f}" if times else "-", row.unit))
    widths = [max(len(line[i]) for line in lines) for i in range(5)]
    for line in lines:
        cells = [line[0].ljust(widths[0])] + [line[i].rjust(widths[i]) for i in (1, 2, 3)] + [line[4]]
        print("  ".join(cells).rstrip())


def judge(found):
    """[(sentence, True, False or None where it was not measured)]"""
    verdicts = []
    for sentence, met in AIMS:
        try:
            verdicts.append((sentence, met(found.median)))
        except KeyError:
            verdicts.append((sentence, None))
    return verdicts


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "")
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(), "load": os.getloadavg()[0]}


def write_json(path, args, here, found, verdicts):
    rows = []
    for row in ROWS:
        values = {peer: found.of(row, peer) for peer in PEERS}
        if not values["glass"]:
            continue
        rows.append({"what": row.what.strip(), "benchmark": row.benchmark, "counter": row.counter, "unit": row.unit,
                     "more_is_better": row.more_is_better,
                     **{peer: summary(v) for peer, v in values.items() if v},
                     "times_better": ratio(row, values["glass"], values["lwip"])})
    report = {"machine": here, "launches": args.launches, "seconds_each": args.seconds,
              "lwip": found.context.get("lwip", {}).get("peer"), "results": rows, "skipped": found.skipped,
              "aims": [{"aim": sentence, "met": met} for sentence, met in verdicts]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--launches", type=int, default=5, help="launches of each benchmark (default: 5)")
    parser.add_argument("--seconds", type=float, default=0.2, help="least time of one measurement (default: 0.2)")
    parser.add_argument("--only", metavar="TEXT", help="only benchmarks whose name contains it")
    parser.add_argument("--quick", action="store_true", help="one launch of 0.02 s")
    parser.add_argument("--programs", type=Path, default=ROOT / "build/release/bench", help="where they were built")
    parser.add_argument("--out", type=Path, default=ROOT / "build/bench.json", help="where the JSON goes")
    args = parser.parse_args()
    if args.quick:
        args.launches, args.seconds = 1, 0.02
    return args


def main():
    args = parse_arguments()
    plan = make_plan(args)
    if not plan:
        print(f"bench: no benchmark's name contains {args.only!r}", file=sys.stderr)
        return 2
    here = machine()
    try:
        found = measure(args, plan)
    except (Failed, OSError, subprocess.TimeoutExpired) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    verdicts = judge(found)
    print(f"{here['cpu']}, {here['cores']} cores, Linux {here['kernel']}; {args.launches} launches: median (range)")
    print(f"lwIP: {found.context.get('lwip', {}).get('peer', 'not run')}\n")
    table(found)
    print()
    for name, why in found.skipped.items():
        print(f"skipped: {name}: {why}")
    for sentence, met in verdicts:
        if met is not None:
            print(f"{'met    ' if met else 'not met'}  {sentence}")
    if here["load"] > 0.5 * here["cores"]:
        print(f"\nThe machine was busy (load {here['load']:.1f} on {here['cores']} cores): what goes by the wall clock is too low.")
    print(f"\n{NOTES}")
    write_json(args.out, args, here, found, verdicts)
    print(f"written: {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
