#include "net/sysctl.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace glass {
namespace {

TEST(Sysctl, StartsWithLinuxsDefaults) {
  const Sysctl s;
  EXPECT_EQ(s.tcp_sack, 1);
  EXPECT_EQ(s.tcp_retries2, 15);
  EXPECT_EQ(s.tcp_rmem, (std::array<int64_t, 3>{4096, 131072, 33554432}));
  EXPECT_EQ(get_sysctl(s, "net.ipv4.tcp_rmem"), "4096\t131072\t33554432");
  EXPECT_EQ(get_sysctl(s, "net.ipv4.tcp_notsent_lowat"), "4294967295");
}

TEST(Sysctl, SetsOneValue) {
  Sysctl s;
  EXPECT_TRUE(set_sysctl(s, "net.ipv4.tcp_sack", "0"));
  EXPECT_EQ(s.tcp_sack, 0);
  EXPECT_TRUE(set_sysctl(s, "net.core.netdev_max_backlog", "  77\n"));
  EXPECT_EQ(s.netdev_max_backlog, 77);
}

TEST(Sysctl, SetsThreeValues) {
  Sysctl s;
  EXPECT_TRUE(set_sysctl(s, "net.ipv4.tcp_wmem", "1 \t 2  3"));
  EXPECT_EQ(s.tcp_wmem, (std::array<int64_t, 3>{1, 2, 3}));
}

TEST(Sysctl, UnderstandsTheBasesTheKernelDoes) {
  Sysctl s;
  EXPECT_TRUE(set_sysctl(s, "net.ipv4.tcp_fastopen", "0x70403"));
  EXPECT_EQ(s.tcp_fastopen, 0x70403);
  EXPECT_TRUE(set_sysctl(s, "net.ipv4.tcp_fastopen", "010"));
  EXPECT_EQ(s.tcp_fastopen, 8);
  EXPECT_TRUE(set_sysctl(s, "net.ipv4.tcp_fastopen", "-1"));
  EXPECT_EQ(s.tcp_fastopen, -1);
}

TEST(Sysctl, KeepsText) {
  Sysctl s;
  EXPECT_EQ(get_sysctl(s, "net.ipv4.tcp_congestion_control"), "cubic");
  EXPECT_TRUE(set_sysctl(s, "net.ipv4.tcp_congestion_control", " reno\n"));
  EXPECT_EQ(s.tcp_congestion_control, "reno");
}

TEST(Sysctl, RefusesWordsThatAreNoChoice) {
  Sysctl s;
  EXPECT_EQ(set_sysctl(s, "net.ipv4.tcp_congestion_control", "vegas").error(), ENOENT);
  EXPECT_EQ(set_sysctl(s, "net.ipv4.tcp_congestion_control", "").error(), ENOENT);
  EXPECT_EQ(set_sysctl(s, "net.ipv4.tcp_congestion_control", "cubi").error(), ENOENT);
  EXPECT_EQ(s.tcp_congestion_control, "cubic");
  EXPECT_TRUE(set_sysctl(s, "net.ipv4.tcp_allowed_congestion_control", "reno bbr"));
  EXPECT_EQ(set_sysctl(s, "net.ipv4.tcp_available_congestion_control", "reno").error(), EACCES);
}

TEST(Sysctl, RefusesNumbersOutOfRange) {
  Sysctl s;
  EXPECT_TRUE(set_sysctl(s, "net.ipv4.tcp_ecn", "1"));
  EXPECT_EQ(set_sysctl(s, "net.ipv4.tcp_ecn", "3").error(), EINVAL);
  EXPECT_EQ(set_sysctl(s, "net.ipv4.tcp_ecn", "-1").error(), EINVAL);
  EXPECT_EQ(s.tcp_ecn, 1);
}

TEST(Sysctl, RefusesUnknownNames) {
  Sysctl s;
  EXPECT_EQ(set_sysctl(s, "net.ipv4.tcp_sac", "1").error(), ENOENT);
  EXPECT_EQ(set_sysctl(s, "", "1").error(), ENOENT);
  EXPECT_EQ(get_sysctl(s, "net.ipv4").error(), ENOENT);
}

TEST(Sysctl, RefusesWhatIsNoNumberAndChangesNothing) {
  for (const char* bad : {"", " ", "x", "1x", "1 2", "0x", "0x1g", "08", "99999999999999999999", "1.5"}) {
    Sysctl s;
    const Result<void> r = set_sysctl(s, "net.ipv4.tcp_sack", bad);
    ASSERT_FALSE(r) << bad;
    EXPECT_EQ(r.error(), EINVAL);
    EXPECT_EQ(s.tcp_sack, 1);
  }
  for (const char* bad : {"1 2", "1 2 x", "1 2 3 4", "1-2-3", "1,2,3"}) {
    Sysctl s;
    const Result<void> r = set_sysctl(s, "net.ipv4.tcp_rmem", bad);
    ASSERT_FALSE(r) << bad;
    EXPECT_EQ(r.error(), EINVAL);
    EXPECT_EQ(s.tcp_rmem[0], 4096);
  }
}

// Each value goes to a field of its own: what is written under one name is not seen under another.
TEST(Sysctl, EveryNameIsReadBackAndStandsForItself) {
  Sysctl s;
  const std::vector<std::string> names = sysctl_names();
  EXPECT_EQ(std::set(names.begin(), names.end()).size(), names.size()) << "a name stands twice";
  int64_t next = 1000;
  std::map<std::string, std::string> written;
  for (const std::string& name : names) {
    const bool three = get_sysctl(s, name)->find('\t') != std::string::npos;
    if (get_sysctl(s, name)->find_first_not_of("-0123456789	") != std::string::npos) continue;  // text
    std::string value = std::to_string(next++);
    if (three) value += "\t" + std::to_string(next++), value += "\t" + std::to_string(next++);
    if (!set_sysctl(s, name, value)) {
      value = "1";  // it has a range
      ASSERT_TRUE(set_sysctl(s, name, value)) << name;
    }
    written[name] = value;
  }
  EXPECT_GT(written.size(), names.size() / 2);
  for (const auto& [name, value] : written) EXPECT_EQ(get_sysctl(s, name), value) << name;
}

}  // namespace
}  // namespace glass
