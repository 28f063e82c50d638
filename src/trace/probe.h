// Function probes: the functions a packet passes, with the context they run in.
//
// PROBE(trace) at the head of a function registers it at compile time and, while tracing is on, records its entry and
// keeps the shadow call stack. Off, it costs two well-predicted branches and nothing else. PROBE(trace, skb) notes the
// packet as well.
//
//   void ip_rcv(net& n, Skb skb) { PROBE(n.trace, skb); ... }
#pragma once
#include <cstdint>
#include <string_view>

namespace glass {

// On whose behalf code runs, in the terms of Linux's execution contexts.
enum class Context : uint8_t { none, syscall, softirq_rx, softirq_tx, timer, driver };
std::string_view name(Context);  // "system call", "softirq receive", ...

struct FunctionInfo {
  const char* name;
  const char* file;
  int line;
};

}  // namespace glass
