#include "base/ip_address.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "base/rng.h"

// <arpa/inet.h> defines htons and friends as macros, which would rewrite glass::htons.
extern "C" int inet_pton(int family, const char* text, void* out) noexcept;

namespace glass {
namespace {

std::string round_trip(std::string_view text) {
  const auto a = parse_ip(text);
  return a ? to_string(*a) : "not an address";
}

TEST(IpAddress, ParsesAndPrintsIpv4) {
  EXPECT_EQ(parse_ip("192.168.0.1"), IpAddress::v4(192, 168, 0, 1));
  EXPECT_TRUE(parse_ip("192.168.0.1")->is_v4());
  EXPECT_EQ(round_trip("0.0.0.0"), "0.0.0.0");
  EXPECT_EQ(round_trip("255.255.255.255"), "255.255.255.255");
  EXPECT_EQ(to_string(IpAddress::v4_from_wire(htonl(0x0a000001))), "10.0.0.1");
}

TEST(IpAddress, RefusesWhatIsNotStrictlyIpv4) {
  for (const char* bad :
       {"", ".", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.04", "01.2.3.4", "1.2.3.4 ", " 1.2.3.4", "1.2.3.-4",
        "1.2..4", "1.2.3.", ".1.2.3", "0x1.2.3.4", "1.2.3.4/8", "1.2.3.1000", "1,2,3,4"}) {
    EXPECT_FALSE(parse_ip(bad)) << bad;
  }
  EXPECT_FALSE(parse_ip(std::string_view("1.2.3.4\0", 8)));
}

TEST(IpAddress, CanonicalTextOfRfc5952) {
  EXPECT_EQ(round_trip("2001:0db8::0001"), "2001:db8::1");                // 4.1
  EXPECT_EQ(round_trip("2001:db8:0:0:0:0:2:1"), "2001:db8::2:1");         // 4.2.1
  EXPECT_EQ(round_trip("2001:db8:0:1:1:1:1:1"), "2001:db8:0:1:1:1:1:1");  // 4.2.2
  EXPECT_EQ(round_trip("2001:0:0:1:0:0:0:1"), "2001:0:0:1::1");           // 4.2.3
  EXPECT_EQ(round_trip("2001:db8:0:0:1:0:0:1"), "2001:db8::1:0:0:1");     // 4.2.3
  EXPECT_EQ(round_trip("2001:DB8::ABCD"), "2001:db8::abcd");              // 4.3
  EXPECT_EQ(round_trip("::"), "::");
  EXPECT_EQ(round_trip("::1"), "::1");
  EXPECT_EQ(round_trip("fe80::"), "fe80::");
  EXPECT_EQ(round_trip("1:2:3:4:5:6:7:8"), "1:2:3:4:5:6:7:8");
  EXPECT_EQ(round_trip("1::3:4:5:6:7:8"), "1:0:3:4:5:6:7:8");
  EXPECT_EQ(round_trip("64:ff9b::192.0.2.33"), "64:ff9b::c000:221");
}

TEST(IpAddress, MappedAddressesAreIpv4) {
  EXPECT_EQ(parse_ip("::ffff:10.1.2.3"), IpAddress::v4(10, 1, 2, 3));
  EXPECT_EQ(round_trip("::ffff:a01:203"), "10.1.2.3");
  EXPECT_TRUE(parse_ip("::1.2.3.4")->is_v6());
}

TEST(IpAddress, RefusesWhatIsNotIpv6) {
  for (const char* bad :
       {":",         ":::",   "1::2::3",   "1:2:3:4:5:6:7",     "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::8:9",    "12345::",
        "::g",       ":1::2", "1::2:",     "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "fe80::1%eth0",          " ::1",
        "::1 ",      "::/0",  "1.2.3.4::", "::1.2.3",           "::1.2.3.4:5",       "1:2:3:4:5:6:7:1.2.3.4", "[::1]",
        "::01.2.3.4"}) {
    EXPECT_FALSE(parse_ip(bad)) << bad;
  }
}

TEST(IpAddress, EveryAddressSurvivesItsText) {
  Rng rng(1);
  for (int i = 0; i < 20000; ++i) {
    IpAddress a;
    for (uint8_t& b : a.bytes) b = rng.chance(0.5) ? 0 : static_cast<uint8_t>(rng.next());
    ASSERT_EQ(parse_ip(to_string(a)), a) << "seed 1, round " << i << ": " << to_string(a);
  }
}

// The C library is the judge of what is an address.
TEST(IpAddress, AgreesWithTheCLibraryOnRandomText) {
  Rng rng(2);
  const std::string_view alphabet = "0123456789afF:::::::.....g";
  auto some_char = [&] { return alphabet[rng.below(static_cast<uint32_t>(alphabet.size()))]; };
  int accepted = 0;
  for (int i = 0; i < 300000; ++i) {
    std::string text;
    if (i % 2) {
      IpAddress a;
      for (uint8_t& b : a.bytes) b = rng.chance(0.6) ? 0 : static_cast<uint8_t>(rng.next());
      text = rng.chance(0.5) ? to_string(a) : to_string(IpAddress::v4(rng.next_u32()));
      if (rng.chance(0.2)) text.insert(0, "::");
      for (uint32_t n = rng.below(3); n > 0 && !text.empty(); --n) {
        text[rng.below(static_cast<uint32_t>(text.size()))] = some_char();
      }
    } else {
      for (uint32_t n = rng.below(14); n > 0; --n) text += some_char();
    }
    IpAddress six;
    uint8_t four[4];
    const bool is_six = inet_pton(AF_INET6, text.c_str(), six.bytes.data()) == 1;
    const bool is_four = inet_pton(AF_INET, text.c_str(), four) == 1;
    const auto ours = parse_ip(text);
    ASSERT_EQ(ours.has_value(), is_six || is_four) << "seed 2, round " << i << ": " << text;
    if (!ours) continue;
    const IpAddress theirs = is_six ? six : IpAddress::v4(four[0], four[1], four[2], four[3]);
    ASSERT_EQ(*ours, theirs) << "seed 2, round " << i << ": " << text;
    ++accepted;
  }
  EXPECT_GT(accepted, 10000);
}

TEST(IpAddress, Kinds) {
  EXPECT_TRUE(parse_ip("0.0.0.0")->is_unspecified());
  EXPECT_TRUE(parse_ip("::")->is_unspecified());
  EXPECT_FALSE(parse_ip("0.0.0.1")->is_unspecified());
  EXPECT_TRUE(parse_ip("224.0.0.1")->is_multicast());
  EXPECT_FALSE(parse_ip("240.0.0.1")->is_multicast());
  EXPECT_TRUE(parse_ip("ff02::1")->is_multicast());
  EXPECT_TRUE(parse_ip("127.9.9.9")->is_loopback());
  EXPECT_TRUE(parse_ip("::1")->is_loopback());
  EXPECT_FALSE(parse_ip("::2")->is_loopback());
  EXPECT_TRUE(parse_ip("255.255.255.255")->is_limited_broadcast());
  EXPECT_FALSE(parse_ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")->is_limited_broadcast());
}

TEST(IpPrefix, Parses) {
  EXPECT_EQ(parse_prefix("10.0.0.1/24"), (IpPrefix{IpAddress::v4(10, 0, 0, 1), 24}));
  EXPECT_EQ(parse_prefix("10.0.0.1")->length, 32);
  EXPECT_EQ(parse_prefix("fe80::1")->length, 128);
  EXPECT_EQ(parse_prefix("0.0.0.0/0")->length, 0);
  EXPECT_EQ(parse_prefix("0.0.0.0/0")->length128(), 96);
  EXPECT_EQ(parse_prefix("fe80::/10")->length128(), 10);
  EXPECT_EQ(parse_prefix("::ffff:10.0.0.0/104"), parse_prefix("10.0.0.0/8"));
  for (const char* bad : {"10.0.0.1/", "10.0.0.1/33", "10.0.0.1/08", "10.0.0.1/+8", "10.0.0.1/8/8", "/8", "::/129",
                          "::/-1", "::/ 8", "::ffff:10.0.0.0/95", "10.0.0/8", "10.0.0.1/255.0.0.0"}) {
    EXPECT_FALSE(parse_prefix(bad)) << bad;
  }
}

bool contains(std::string_view prefix, std::string_view address) {
  return parse_prefix(prefix)->contains(*parse_ip(address));
}

TEST(IpPrefix, Contains) {
  EXPECT_TRUE(contains("10.0.0.1/24", "10.0.0.255"));
  EXPECT_FALSE(contains("10.0.0.1/24", "10.0.1.0"));
  EXPECT_TRUE(contains("0.0.0.0/0", "1.2.3.4"));
  EXPECT_TRUE(contains("10.0.0.1/32", "10.0.0.1"));
  EXPECT_FALSE(contains("10.0.0.1/32", "10.0.0.0"));
  EXPECT_TRUE(contains("2001:db8::/32", "2001:db8:ffff::1"));
  EXPECT_FALSE(contains("2001:db8::/32", "2001:db9::"));
  EXPECT_TRUE(contains("::/0", "2001:db8::1"));
  EXPECT_FALSE(contains("::/0", "1.2.3.4"));
  EXPECT_FALSE(contains("0.0.0.0/0", "::1"));
}

TEST(IpPrefix, ContainsComparesExactlyTheFirstBits) {
  Rng rng(3);
  for (int i = 0; i < 20000; ++i) {
    const bool four = i % 2;
    IpAddress base = IpAddress::v4(rng.next_u32());
    if (!four)
      for (uint8_t& b : base.bytes) b = static_cast<uint8_t>(rng.next() | 1);
    const unsigned first = four ? 96 : 0, bit = first + rng.below(128 - first);
    IpAddress other = base;
    other.bytes[bit / 8] ^= static_cast<uint8_t>(0x80 >> bit % 8);
    const unsigned length = rng.below(129 - first);
    const IpPrefix prefix{base, static_cast<uint8_t>(length)};
    ASSERT_TRUE(prefix.contains(base));
    ASSERT_EQ(prefix.contains(other), bit >= first + length) << "seed 3, round " << i << ": " << bit << "/" << length;
  }
}

TEST(MacAddress, ParsesAndPrints) {
  const auto mac = parse_mac("02:00:5E:10:aa:ff");
  ASSERT_TRUE(mac);
  EXPECT_EQ(to_string(*mac), "02:00:5e:10:aa:ff");
  EXPECT_FALSE(mac->is_multicast());
  EXPECT_TRUE(parse_mac("01:00:5e:00:00:01")->is_multicast());
  EXPECT_TRUE(parse_mac("ff:ff:ff:ff:ff:ff")->is_broadcast());
  for (const char* bad : {"", "02:00:5e:10:aa", "02:00:5e:10:aa:f", "02:00:5e:10:aa:fg", "02-00-5e-10-aa-ff",
                          "02:00:5e:10:aa:ff:", "2:0:5e:10:aa:ff", "02:00:5e:10:aa:ff00"}) {
    EXPECT_FALSE(parse_mac(bad)) << bad;
  }
}

}  // namespace
}  // namespace glass
