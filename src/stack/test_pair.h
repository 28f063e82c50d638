// Two hosts joined by an in-memory cable, for tests: time moves only when the test says so.
#pragma once
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "driver/pair.h"
#include "stack/stack.h"

namespace glass {

struct TestPair {
  SkbPool pool;
  PairLink link;
  Stack a{{.hostname = "a", .seed = 1, .pool = &pool}}, b{{.hostname = "b", .seed = 2, .pool = &pool}};
  net_device *a0 = nullptr, *b0 = nullptr;
  Instant now{1s};
  IpAddress a_addr = IpAddress::v4(10, 0, 0, 1), b_addr = IpAddress::v4(10, 0, 0, 2);

  TestPair() : TestPair(PairOptions{}) {}
  explicit TestPair(PairOptions options) : link(options) {
    a0 = &a.add_device("eth0", link.a());
    b0 = &b.add_device("eth0", link.b());
    a.ip().add_address(*a0, {a_addr, 24});
    b.ip().add_address(*b0, {b_addr, 24});
    a.advance(now);
    b.advance(now);
  }

  // Runs both hosts until neither has anything to do at this instant.
  void settle() {
    for (int i = 0; i < 100'000; ++i) {
      const bool more_a = a.poll(now), more_b = b.poll(now);
      if (!more_a && !more_b && !a.softnet().pending() && !b.softnet().pending()) return;
    }
    ADD_FAILURE() << "the hosts never settle";
  }
  // Lets time pass, with every timer on its instant.
  void pass(Duration d) {
    const Instant end = now + d;
    settle();
    for (;;) {
      const Instant next = std::min(a.next_deadline(), b.next_deadline());
      if (next > end) break;
      now = std::max(now, next);
      settle();
    }
    now = end;
    settle();
  }

  int listen_b(uint16_t port, int backlog = 16) {
    const int fd = *b.sockets().sys_socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_TRUE(b.sockets().sys_bind(fd, {IpAddress::v4(0), port}));
    EXPECT_TRUE(b.sockets().sys_listen(fd, backlog));
    return fd;
  }
  // A connection from a to b: {client fd on a, server fd on b}.
  std::pair<int, int> connect_to(int listener, uint16_t port) {
    const int c = *a.sockets().sys_socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(a.sockets().sys_connect(c, {b_addr, port}).error(), EINPROGRESS);
    settle();
    Result<int> s = b.sockets().sys_accept(listener);
    EXPECT_TRUE(s) << "accept: " << (s ? 0 : s.error());
    return {c, s.value_or(-1)};
  }
};

inline std::span<const uint8_t> bytes_of(std::string_view s) {
  return {reinterpret_cast<const uint8_t*>(s.data()), s.size()};
}

inline std::string read_all(Stack& s, int fd) {
  std::string out;
  std::vector<uint8_t> buffer(65536);
  for (;;) {
    Result<size_t> n = s.sockets().sys_recvfrom(fd, buffer);
    if (!n || *n == 0) return out;
    out.append(reinterpret_cast<const char*>(buffer.data()), *n);
  }
}

}  // namespace glass
