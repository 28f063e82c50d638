// The path of the 14-byte hello segment has the functions Linux's has, in Linux's order:
// tests/recorded/hello-path-6.12.tsv, measured with the kernel's function tracer. What is absent on purpose stands
// below, with the reason.
#include <fstream>
#include <map>
#include <sstream>

#include "stack/test_pair.h"

namespace glass {
namespace {

const std::map<std::string, std::string> kAbsent = {
    {"__alloc_skb", "taking a packet from a slab is a few instructions here, and a probe would cost as much again"},
    {"handle_softirqs", "poll() calls net_rx_action() itself"},
    {"sk_wait_data", "system calls never sleep: recv says EAGAIN and the caller waits outside the stack"},
    {"skb_attempt_defer_free", "one thread: there is no other processor to give memory back to"},
    {"skb_release_head_state", "part of consume_skb(), whose end is an event of its own"},
    {"skb_release_data", "part of consume_skb()"},
    {"kfree_skbmem", "part of consume_skb()"},
};

struct Step {
  std::string part, function;
};

std::vector<Step> linux_path() {
  std::ifstream file("tests/recorded/hello-path-6.12.tsv");
  EXPECT_TRUE(file) << "run from the top of the source tree";
  std::vector<Step> steps;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream fields(line);
    Step s;
    std::getline(fields, s.part, '\t');
    std::getline(fields, s.function, '\t');
    steps.push_back(s);
  }
  return steps;
}

void settle(Stack& s) {
  while (s.poll(s.now())) {
  }
}

struct Hello {
  Stack s;
  int server = -1, client = -1;
  Hello() {
    s.advance(Instant(1s));
    const SocketAddress address{IpAddress::v4(127, 0, 0, 1), 3490};
    const int l = *s.sockets().sys_socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_TRUE(s.sockets().sys_bind(l, address));
    EXPECT_TRUE(s.sockets().sys_listen(l, 10));
    client = *s.sockets().sys_socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(s.sockets().sys_connect(client, address).error(), EINPROGRESS);
    settle(s);
    server = *s.sockets().sys_accept(l);
  }
};

TEST(HelloPath, SameFunctionsInTheSameOrderAsLinux) {
  Hello h;
  h.s.trace().start();
  ASSERT_EQ(*h.s.sockets().sys_sendto(h.server, bytes_of("Hello, world!\n")), 14u);
  settle(h.s);
  EXPECT_EQ(read_all(h.s, h.client), "Hello, world!\n");
  std::vector<std::pair<std::string, Context>> ours;
  for (const TraceEvent& e : h.s.trace().events())
    if (e.kind == TraceEvent::Kind::enter) ours.emplace_back(e.function->name, e.context);

  size_t at = 0, found = 0;
  std::string last = "the beginning", previous_row;
  for (const Step& step : linux_path()) {
    // The two parts that meet in softirq list their common functions twice, and cleanup runs again before the reader
    // sleeps.
    if (kAbsent.contains(step.function) || step.function == previous_row || step.function == "tcp_cleanup_rbuf")
      continue;
    previous_row = step.function;
    size_t i = at;
    while (i < ours.size() && ours[i].first != step.function) ++i;
    ASSERT_LT(i, ours.size()) << step.function << " (" << step.part << ") does not follow " << last;
    if (step.part == "recv (process context)") {
      EXPECT_EQ(ours[i].second, Context::syscall) << step.function;
    }
    if (step.part == "receive (softirq)") {
      EXPECT_EQ(ours[i].second, Context::softirq_rx) << step.function;
    }
    last = step.function;
    at = i + 1;
    ++found;
  }
  EXPECT_GE(found, 60u);
}

}  // namespace
}  // namespace glass
