#!/usr/bin/env python3
"""One flow over a 100 Mbit/s link with a round trip of 40 ms and a queue of one bandwidth-delay product.

  bench/congestion.py goodput          Glasstack's CUBIC in virtual time against the kernel's in real time, a table
  bench/congestion.py plot             the window over time of Reno, CUBIC, BBR and DCTCP, as SVG

The kernel sends to itself between two network namespaces; in between, `congestion relay` carries the packets through
the very qdiscs of the simulation. That needs root or user namespaces (the script asks scripts/in_netns for one).
"""
import argparse
import json
import os
import socket
import statistics
import struct
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PATHS = {
    "no loss": "delay 20ms",
    "0.01 % loss": "delay 20ms loss 0.01%",
    "0.1 % loss": "delay 20ms loss 0.1%",
    "1 % loss": "delay 20ms loss 1%",
    "5 ms jitter": "delay 20ms 5ms",
}
LINK = "link rate 100mbit limit 333"
PORT = 5001


# --- Glasstack

def glass_flow(program, path, seconds, seed, algorithm="cubic"):
    out = subprocess.run([program, "flow", "--link", LINK, "--path", path, "--seconds", str(seconds), "--seed", str(seed),
                          "--algorithm", algorithm], check=True, capture_output=True, text=True).stdout
    return json.loads(out)


# --- the kernel

def ip(*words):
    subprocess.run(["ip", *words], check=True)


def tune():
    Path("/proc/sys/net/ipv4/tcp_no_metrics_save").write_text("1")


def kernel_receiver():
    """In a namespace of its own; tun1 is moved into it. Says how much had come, every time it is asked."""
    print("started", flush=True)
    if not sys.stdin.readline():
        return
    tune()
    ip("link", "set", "lo", "up")
    ip("addr", "add", "10.9.0.2/24", "dev", "tun1")
    ip("link", "set", "tun1", "up")
    listener = socket.create_server(("10.9.0.2", PORT))
    print("listening", flush=True)
    connection, _ = listener.accept()
    buffer = bytearray(1 << 20)
    total = 0
    while True:
        n = connection.recv_into(buffer)
        if not n:
            break
        total += n
    print(total, flush=True)


def tcp_info(s):
    raw = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    (retrans,) = struct.unpack_from("I", raw, 100)
    (data_segs_out,) = struct.unpack_from("I", raw, 156)
    dsack_dups, reord_seen = struct.unpack_from("II", raw, 208 + 8)
    return {"retrans": retrans, "data_segs_out": data_segs_out, "dsack_dups": dsack_dups, "reord_seen": reord_seen}


def expect(process, word):
    line = process.stdout.readline()
    if line != word + "\n":
        raise SystemExit(f"{process.args}: {line!r} instead of {word!r}")


def kernel_flow(program, path, seconds, seed):
    """Called inside a namespace of its own."""
    relay = subprocess.Popen(["chrt", "-f", "50", program, "relay", "--link", LINK, "--path", path, "--seed", str(seed)],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    expect(relay, "ready")
    receiver = subprocess.Popen(["unshare", "-n", sys.executable, __file__, "kernel-receiver"], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True)
    expect(receiver, "started")
    ip("link", "set", "tun1", "netns", str(receiver.pid))
    receiver.stdin.write("\n")
    receiver.stdin.flush()
    expect(receiver, "listening")
    tune()
    ip("addr", "add", "10.9.0.1/24", "dev", "tun0")
    ip("link", "set", "tun0", "up")
    try:
        s = socket.socket()
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
        s.connect(("10.9.0.2", PORT))
        data = bytes(1 << 18)
        begin = time.monotonic()
        s.settimeout(1)
        while time.monotonic() - begin < seconds:
            try:
                s.send(data)
            except TimeoutError:
                pass
        acked = bytes_acked(s)
        elapsed = time.monotonic() - begin
        info = tcp_info(s)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
    finally:
        relay.stdin.close()
        relay.wait(10)
        receiver.kill()
        receiver.wait(10)
    return {"goodput_mbits": acked * 8 / 1e6 / elapsed, **info}


def bytes_acked(s):
    raw = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    return struct.unpack_from("Q", raw, 120)[0]


# --- goodput

def goodput(args):
    if args.kernel and os.environ.get("GLASS_IN_NETNS") != "1":
        os.execv(ROOT / "scripts/in_netns", [str(ROOT / "scripts/in_netns"), sys.executable, __file__, *sys.argv[1:]])
    results = []
    for name, path in PATHS.items():
        if args.only and args.only not in name:
            continue
        row = {"path": name, "netem": path}
        row["glass"] = [glass_flow(args.program, path, args.seconds, seed) for seed in range(1, args.seeds + 1)]
        if args.kernel:
            row["kernel"] = []
            for seed in range(1, args.launches + 1):
                row["kernel"].append(kernel_flow(args.program, path, args.seconds, seed))
        results.append(row)
        print(format_row(row), flush=True)
    if args.out:
        Path(args.out).write_text(json.dumps({"kernel": os.uname().release, "seconds": args.seconds, "rows": results}, indent=1))


def median(runs, key):
    return statistics.median(r[key] for r in runs)


def format_runs(runs):
    low, high = min(r["goodput_mbits"] for r in runs), max(r["goodput_mbits"] for r in runs)
    return (f"{median(runs, 'goodput_mbits'):6.2f} ({low:6.2f} to {high:6.2f}) Mbit/s, retransmitted "
            f"{100 * median(runs, 'retrans') / median(runs, 'data_segs_out'):5.2f} %, needlessly "
            f"{100 * median(runs, 'dsack_dups') / median(runs, 'data_segs_out'):5.2f} %")


def format_row(row):
    text = f"{row['path']:12} Glasstack {format_runs(row['glass'])}"
    if "kernel" in row:
        ratio = median(row["glass"], "goodput_mbits") / median(row["kernel"], "goodput_mbits")
        text += f"\n{'':12} kernel    {format_runs(row['kernel'])}   Glasstack/kernel {ratio:.3f}"
    return text


def main():
    if sys.argv[1:] == ["kernel-receiver"]:
        return kernel_receiver()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "build/release/bench/congestion"))
    subs = parser.add_subparsers(required=True)
    g = subs.add_parser("goodput")
    g.add_argument("--seconds", type=float, default=30)
    g.add_argument("--seeds", type=int, default=9, help="runs of Glasstack")
    g.add_argument("--launches", type=int, default=3, help="runs of the kernel")
    g.add_argument("--only", help="only paths with this in their name")
    g.add_argument("--no-kernel", dest="kernel", action="store_false")
    g.add_argument("--out")
    g.set_defaults(run=goodput)
    args = parser.parse_args()
    return args.run(args)


if __name__ == "__main__":
    sys.exit(main())
