"""One flow of the kernel's TCP in real time, between two network namespaces over TUN devices and `congestion relay`."""
import os
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

PORT = 5001
# As in Glasstack's flow: 6.18's defaults, and nothing remembered of the flow before.
SYSCTLS = {"tcp_no_metrics_save": "1", "tcp_rmem": "4096 131072 33554432", "tcp_wmem": "4096 16384 4194304",
           "tcp_ecn": "2", "tcp_timestamps": "1", "tcp_sack": "1"}


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def tune(address, device):
    for name, value in SYSCTLS.items():
        Path("/proc/sys/net/ipv4", name).write_text(value)
    ip("addr", "add", address, "dev", device)
    ip("link", "set", device, "up")


def hurry(priority):
    """Other work on the machine is not to be taken for the network's; without the right to it, nothing happens."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO if priority else os.SCHED_OTHER, os.sched_param(priority))
    except PermissionError:
        pass


def receiver():
    """In a namespace of its own, into which tun1 is moved."""
    hurry(40)
    print("started", flush=True)
    if not sys.stdin.readline():
        return
    ip("link", "set", "lo", "up")
    tune("10.9.0.2/24", "tun1")
    listener = socket.create_server(("10.9.0.2", PORT))
    print("listening", flush=True)
    connection, _ = listener.accept()
    buffer = bytearray(1 << 20)
    try:
        while connection.recv_into(buffer):
            pass
    except ConnectionResetError:  # how the sender ends
        pass


def expect(process, word):
    line = process.stdout.readline()
    if line != word + "\n":
        raise SystemExit(f"{process.args}: {line!r} instead of {word!r}")


def tcp_info(s):
    raw = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)

    def u32(at):
        return struct.unpack_from("I", raw, at)[0]

    def u64(at):
        return struct.unpack_from("Q", raw, at)[0]

    ssthresh = u32(76)
    return {"bytes_acked": u64(120), "retrans": u32(100), "data_segs_out": u32(156), "dsack_dups": u32(216),
            "reord_seen": u32(220), "cwnd": u32(80), "ssthresh": 0 if ssthresh == 0x7fffffff else ssthresh,
            "rtt_ms": u32(68) / 1000, "pacing_mbits": u64(104) * 8 / 1e6}


def send_for(algorithm, seconds):
    """What tcp_info says every 10 ms, and at the end."""
    trace = []
    with socket.socket() as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, algorithm.encode())
        data = bytes(1 << 18)
        begin = time.monotonic()
        s.connect(("10.9.0.2", PORT))
        s.settimeout(0.01)
        while (elapsed := time.monotonic() - begin) < seconds:
            if not trace or elapsed - trace[-1]["seconds"] > 0.01:
                trace.append({"seconds": elapsed, **tcp_info(s)})
            try:
                s.send(data)
            except TimeoutError:
                pass
        trace.append({"seconds": time.monotonic() - begin, **tcp_info(s)})
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return trace


def kernel_flow(program, link, path, seconds, seed, algorithm="cubic"):
    """Called inside a namespace of its own. The result, and what it was over time."""
    relay = subprocess.Popen([program, "relay", "--link", link, "--path", path, "--seed", str(seed)],
                             preexec_fn=lambda: hurry(50), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    expect(relay, "ready")
    peer = subprocess.Popen(["unshare", "-n", sys.executable, __file__, "receiver"], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)
    try:
        expect(peer, "started")
        ip("link", "set", "tun1", "netns", str(peer.pid))
        peer.stdin.write("\n")
        peer.stdin.flush()
        expect(peer, "listening")
        tune("10.9.0.1/24", "tun0")
        hurry(40)
        trace = send_for(algorithm, seconds)
    finally:
        hurry(0)
        relay.stdin.close()
        dropped = int(relay.stdout.readline() or 0)
        relay.wait(10)
        peer.kill()
        peer.wait(10)
    end = trace[-1]
    return {"goodput_mbits": end["bytes_acked"] * 8 / 1e6 / end["seconds"], "dropped": dropped, **end}, trace


if __name__ == "__main__":
    receiver()
