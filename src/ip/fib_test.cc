#include "ip/fib.h"

#include <gtest/gtest.h>

#include "ip/address.h"

namespace glass {
namespace {

class FibTest : public testing::Test {
 protected:
  const RouteEntry* look(const char* to) { return fib.lookup(*parse_ip(to)); }
  void add(const char* prefix, net_device& d, uint32_t metric = 0) {
    fib.add({*parse_prefix(prefix), {}, &d, {}, metric});
  }

  SkbPool pool;
  net ns{pool, 1};
  softnet_data sd{ns};
  net_device a{ns, sd, "a"}, b{ns, sd, "b"};
  Fib fib;
};

TEST_F(FibTest, LongestPrefixWins) {
  add("0.0.0.0/0", a);
  add("10.0.0.0/8", b);
  add("10.1.0.0/16", a);
  add("10.1.2.3/32", b);
  EXPECT_EQ(look("10.1.2.3")->prefix.length, 32);
  EXPECT_EQ(look("10.1.2.4")->prefix.length, 16);
  EXPECT_EQ(look("10.2.2.4")->prefix.length, 8);
  EXPECT_EQ(look("11.2.2.4")->prefix.length, 0);
}

TEST_F(FibTest, MetricDecidesAmongEqualPrefixes) {
  add("10.0.0.0/8", a, 20);
  add("10.0.0.0/8", b, 10);
  EXPECT_EQ(look("10.0.0.1")->dev, &b);
  b.up = false;
  EXPECT_EQ(look("10.0.0.1")->dev, &a);
}

TEST_F(FibTest, FamiliesNeverMeet) {
  add("::/0", a);
  EXPECT_EQ(look("10.0.0.1"), nullptr);
  ASSERT_NE(look("fd00::1"), nullptr);
  add("0.0.0.0/0", b);
  EXPECT_EQ(look("10.0.0.1")->dev, &b);
  EXPECT_EQ(look("fd00::1")->dev, &a);
}

TEST_F(FibTest, RemovedDeviceTakesItsRoutes) {
  add("10.0.0.0/8", a);
  add("10.0.0.0/16", b);
  fib.remove_device(b);
  EXPECT_EQ(look("10.0.0.1")->dev, &a);
  EXPECT_EQ(fib.routes().size(), 1u);
}

TEST_F(FibTest, EqualRouteIsNotDoubled) {
  add("10.0.0.0/8", a);
  add("10.0.0.0/8", a);
  EXPECT_EQ(fib.routes().size(), 1u);
}

TEST_F(FibTest, NetworkOf) {
  EXPECT_EQ(network_of(*parse_ip("10.255.255.255"), 96 + 9), *parse_ip("10.128.0.0"));
  EXPECT_EQ(network_of(*parse_ip("10.1.2.3"), 128), *parse_ip("10.1.2.3"));
  EXPECT_EQ(network_of(*parse_ip("fd00::1"), 0), IpAddress{});
}

TEST_F(FibTest, SubnetBroadcasts) {
  AddressTable t;
  t.add(a, *parse_prefix("192.168.0.1/16"));
  t.add(a, *parse_prefix("10.0.0.1/31"));
  EXPECT_TRUE(t.is_local(*parse_ip("192.168.0.1")));
  EXPECT_TRUE(t.is_broadcast(*parse_ip("192.168.255.255")));
  EXPECT_FALSE(t.is_broadcast(*parse_ip("192.168.0.0")));
  EXPECT_FALSE(t.is_broadcast(*parse_ip("10.0.0.1")));
  EXPECT_EQ(*t.select(a, *parse_ip("10.0.0.0")), *parse_ip("10.0.0.1"));
  EXPECT_EQ(*t.select(a, *parse_ip("8.8.8.8")), *parse_ip("192.168.0.1"));
  EXPECT_EQ(t.select(b, *parse_ip("8.8.8.8")), nullptr);
  t.remove_device(a);
  EXPECT_FALSE(t.is_local(*parse_ip("192.168.0.1")));
}

}  // namespace
}  // namespace glass
