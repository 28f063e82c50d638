#!/usr/bin/env bash
# Hello over TAP, both ways round, with the kernel as the other side. Runs in a network namespace of its own:
#   scripts/in_netns examples/hello/check_tap.sh build/release/examples/hello_tap
set -euo pipefail
hello_tap=$1
greeting='Hello, world!'

fail() { echo "check_tap: $1" >&2; exit 1; }

# Prints what a server at 10.0.0.2:3490 says, once it is there.
ask_stack() {
  for _ in $(seq 100); do
    if exec 3<>/dev/tcp/10.0.0.2/3490; then timeout 10 cat <&3; return; fi 2>/dev/null
    sleep 0.1
  done
  return 1
}

timeout 30 "$hello_tap" server tap0 & server=$!
said=$(ask_stack) || fail "nobody answers at 10.0.0.2:3490"
[ "$said" = "$greeting" ] || fail "the stack's server said '$said', not '$greeting'"
wait "$server" || fail "the stack's server ended with an error"

timeout 30 python3 -c '
import socket
listener = socket.create_server(("0.0.0.0", 3490))
client, _ = listener.accept()
client.sendall(b"Hello, world!\n")' & kernel=$!
for _ in $(seq 100); do
  grep -q ':0DA2 .* 0A ' /proc/net/tcp && break   # port 3490, listening
  sleep 0.1
done
said=$(timeout 30 "$hello_tap" client tap0) || fail "the stack's client ended with an error"
grep -q "received '$greeting'" <<<"$said" || fail "the stack's client printed '$said'"
wait "$kernel" || fail "the kernel's server ended with an error"
echo "check_tap: both ways round"
