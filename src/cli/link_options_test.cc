#include "cli/link_options.h"

#include <gtest/gtest.h>

namespace glass {
namespace {

LinkOptions good() {
  LinkOptions o;
  o.tap = "tap0";
  o.addr = "10.0.0.2/24";
  o.host_addr = "10.0.0.1/24";
  return o;
}

TEST(LinkOptions, Good) {
  LinkOptions o = good();
  o.gateway = "10.0.0.1";
  o.netem = "netem delay 20ms loss 2%";
  const auto plan = check_link_options(o);
  ASSERT_TRUE(plan) << plan.error();
  EXPECT_TRUE(plan->is_tap);
  EXPECT_EQ(plan->address, *parse_prefix("10.0.0.2/24"));
  EXPECT_EQ(plan->gateway, parse_ip("10.0.0.1"));
  ASSERT_TRUE(plan->netem);
  EXPECT_EQ(plan->netem->delay, 20ms);
  o.tap.clear();
  o.tun = "tun0";
  EXPECT_FALSE(check_link_options(o)->is_tap);
}

TEST(LinkOptions, NoImpairment) {
  EXPECT_FALSE(check_link_options(good())->netem);
  LinkOptions o = good();
  o.netem = " ";
  EXPECT_FALSE(check_link_options(o)->netem);
}

// What is wrong, by the option that is changed, and a word that has to be in the one line that is printed.
struct Wrong {
  std::string LinkOptions::*option;
  std::string value, says;
};
class WrongLinkOptions : public testing::TestWithParam<Wrong> {};
TEST_P(WrongLinkOptions, AreOneLineThatNamesThem) {
  LinkOptions o = good();
  o.*GetParam().option = GetParam().value;
  const auto plan = check_link_options(o);
  ASSERT_FALSE(plan);
  EXPECT_NE(plan.error().find(GetParam().says), std::string::npos) << plan.error();
  EXPECT_EQ(plan.error().find('\n'), std::string::npos);
}
INSTANTIATE_TEST_SUITE_P(
    All, WrongLinkOptions,
    testing::Values(Wrong{&LinkOptions::tap, "", "--tap tap0"}, Wrong{&LinkOptions::tun, "tun0", "exclude"},
                    Wrong{&LinkOptions::addr, "", "--addr"}, Wrong{&LinkOptions::addr, "10.0.0.2", "--addr"},
                    Wrong{&LinkOptions::addr, "10.0.0.2/33", "--addr"}, Wrong{&LinkOptions::addr, "host/24", "--addr"},
                    Wrong{&LinkOptions::addr, "0.0.0.0/0", "--addr"},
                    Wrong{&LinkOptions::addr, "127.0.0.1/8", "--addr"},
                    Wrong{&LinkOptions::addr, "fe80::1/64", "--addr"},
                    Wrong{&LinkOptions::host_addr, "10.0.0.2/24", "both"},
                    Wrong{&LinkOptions::host_addr, "x", "--host-addr"}, Wrong{&LinkOptions::gateway, "x", "--gateway"},
                    Wrong{&LinkOptions::gateway, "192.168.0.1", "not on the link"},
                    Wrong{&LinkOptions::netem, "delay fast", "--netem"}));

}  // namespace
}  // namespace glass
