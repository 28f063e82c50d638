#include "view/ping.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace glass {
namespace {

const IpAddress kHost = IpAddress::v4(10, 0, 0, 1);

TEST(Ping, LinesAsPingPrintsThem) {
  EXPECT_EQ(format_ping_start("10.0.0.1", kHost, 56), "PING 10.0.0.1 (10.0.0.1) 56(84) bytes of data.\n");
  EXPECT_EQ(format_ping_reply(kHost, 56, 1, 64, 34us, false),
            "64 bytes from 10.0.0.1: icmp_seq=1 ttl=64 time=0.034 ms\n");
  EXPECT_EQ(format_ping_reply(kHost, 56, 2, 63, 1234us, true),
            "64 bytes from 10.0.0.1: icmp_seq=2 ttl=63 time=1.23 ms (DUP!)\n");
  EXPECT_EQ(format_ping_reply(kHost, 0, 3, 64, 20100us, false),
            "8 bytes from 10.0.0.1: icmp_seq=3 ttl=64 time=20.1 ms\n");
  EXPECT_EQ(format_ping_reply(kHost, 0, 3, 64, 140ms, false), "8 bytes from 10.0.0.1: icmp_seq=3 ttl=64 time=140 ms\n");
}

TEST(Ping, Summary) {
  PingStatistics s;
  for (int i = 0; i < 3; ++i) s.sent();
  s.received(34us);
  s.received(36us);
  s.duplicate();
  EXPECT_EQ(format_ping_summary("10.0.0.1", s, 2027ms),
            "\n--- 10.0.0.1 ping statistics ---\n"
            "3 packets transmitted, 2 received, +1 duplicates, 33% packet loss, time 2027ms\n"
            "rtt min/avg/max/mdev = 0.034/0.035/0.036/0.001 ms\n");
  EXPECT_EQ(to_json(s, kHost, 1s)["received"], 2);
}

TEST(Ping, NoReplies) {
  PingStatistics s;
  s.sent();
  EXPECT_EQ(format_ping_summary("x", s, Duration::zero()),
            "\n--- x ping statistics ---\n1 packets transmitted, 0 received, 100% packet loss, time 0ms\n");
  EXPECT_EQ(PingStatistics().loss_percent(), 0u);
}

}  // namespace
}  // namespace glass
