#include "view/counters.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace glass {
namespace {

TEST(Counters, PrintsAsNstatDoes) {
  const CounterSnapshot c{{"IpInReceives", 9444}, {"IpInHdrErrors", 0}};
  EXPECT_EQ(format_nstat(c, true),
            "#glass\n"
            "IpInReceives                    9444               0.0\n"
            "IpInHdrErrors                   0                  0.0\n");
  EXPECT_EQ(format_nstat(c, false), "#glass\nIpInReceives                    9444               0.0\n");
}

TEST(Counters, DifferenceIsWhatMoved) {
  Trace trace;
  trace.count(Mib::TcpInSegs, 5);
  const auto before = snapshot(trace);
  trace.count(Mib::TcpInSegs, 2);
  trace.count(Mib::TcpOutSegs);
  EXPECT_EQ(difference(before, snapshot(trace)), (CounterSnapshot{{"TcpInSegs", 2}, {"TcpOutSegs", 1}}));
  EXPECT_EQ(difference(snapshot(trace), before), CounterSnapshot());
}

TEST(Counters, HostsBesideEachOther) {
  const std::string text =
      format_counter_columns({{"a", {{"TcpInSegs", 2}}}, {"b", {{"TcpOutSegs", 11}, {"IpInReceives", 0}}}});
  EXPECT_EQ(text, "COUNTER     a   b\nTcpInSegs   2   -\nTcpOutSegs  -  11\n");
}

TEST(Counters, JsonRoundTrip) {
  const CounterSnapshot c{{"TcpInSegs", 2}, {"A", 0}};
  EXPECT_EQ(counters_from_json(to_json(c)), c);
  EXPECT_EQ(counters_from_json(Json::parse(R"({"a":"x"})")), CounterSnapshot());
  EXPECT_EQ(counters_from_json(Json::parse("[1]")), CounterSnapshot());
}

TEST(Softnet, TextAndJson) {
  const SoftnetRow s{7, 1, 2, 0, {{"eth0", 1500, {10, 1000, 1, 20, 2000, 0}, "netem delay 20ms", "-"}}};
  const SoftnetRow back = softnet_from_json(to_json(s));
  EXPECT_EQ(format_softnet(back), format_softnet(s));
  EXPECT_NE(format_softnet(s).find("eth0    1500          10"), std::string::npos) << format_softnet(s);
}

}  // namespace
}  // namespace glass
