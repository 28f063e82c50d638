#include "drill/commands.h"

#include <gtest/gtest.h>

#include "drill/glass_device.h"

namespace glass::drill {
namespace {

struct CommandsTest : testing::Test {
  GlassDevice driver{1500};
  Stack stack;
  net_device& tun0 = stack.add_device("tun0", driver);
  FileStore files;
  Duration slept{};
  Commands commands{{stack, tun0, files, [this](Duration d) { slept += d; }}};

  std::string run(const std::string& text) { return commands.run(text).value_or(""); }
  std::string setting(std::string_view name) { return get_sysctl(stack.ns().sysctl, name).value_or("none"); }
};

TEST_F(CommandsTest, SysctlSetsOneOrMany) {
  EXPECT_EQ(run("sysctl -q net.ipv4.tcp_timestamps=0"), "");
  EXPECT_EQ(setting("net.ipv4.tcp_timestamps"), "0");
  EXPECT_EQ(run("sysctl -q -w net/ipv4/tcp_sack=0 \\\n net.ipv4.tcp_rmem=\"1 2 $((3*4))\""), "");
  EXPECT_EQ(setting("net.ipv4.tcp_sack"), "0");
  EXPECT_EQ(setting("net.ipv4.tcp_rmem"), "1\t2\t12");
  EXPECT_EQ(run("sysctl -q net.ipv4.ip_local_port_range=\"40000 40001\""), "");
  EXPECT_EQ(setting("net.ipv4.ip_local_port_range_high"), "40001");
}

TEST_F(CommandsTest, SysctlNamesWhatItDoesNotKnow) {
  EXPECT_EQ(run("sysctl -q net.ipv4.tcp_nonsense=1"), "sysctl: the setting net.ipv4.tcp_nonsense is not known here");
  EXPECT_EQ(run("sysctl -q net.ipv4.tcp_nonsense=1\ntrue"),
            "sysctl: the setting net.ipv4.tcp_nonsense is not known here");
  EXPECT_EQ(run("sysctl -e -q net.ipv4.tcp_nonsense=1"), "");
  EXPECT_EQ(run("sysctl -q net.ipv4.tcp_nonsense=1 &> /dev/null || ip tcp_metrics flush all"), "");
  EXPECT_NE(run("sysctl -q net.ipv4.tcp_sack=many"), "");
  EXPECT_NE(run("sysctl -q net.ipv4.tcp_congestion_control=nonsense"), "");
}

TEST_F(CommandsTest, SetSysctlsRestores) {
  EXPECT_EQ(run("../common/defaults.sh\n../common/set_sysctls.py /proc/sys/net/ipv4/tcp_wmem=\"4096 50000 4194304\" "
                "/proc/sys/net/ipv4/tcp_fastopen=0x402"),
            "");
  EXPECT_EQ(setting("net.ipv4.tcp_wmem"), "4096\t50000\t4194304");
  EXPECT_EQ(setting("net.ipv4.tcp_fastopen"), "1026");
  EXPECT_EQ(run("/tmp/sysctl_restore_${PPID}.sh"), "");
  EXPECT_EQ(setting("net.ipv4.tcp_wmem"), "4096\t262144\t4194304");
  EXPECT_EQ(setting("net.ipv4.tcp_fastopen"), std::to_string(0x70403));
}

TEST_F(CommandsTest, DefaultsAreProductionsOnes) {
  EXPECT_EQ(run("./defaults.sh"), "");
  EXPECT_EQ(setting("net.ipv4.tcp_rmem"), "4096\t540000\t15728640");
  EXPECT_EQ(setting("net.ipv4.tcp_slow_start_after_idle"), "0");
  ASSERT_TRUE(tun0.qdisc);
  EXPECT_EQ(tun0.qdisc->describe(), "pfifo limit 1000");
}

TEST_F(CommandsTest, QueueingDisciplines) {
  EXPECT_EQ(run("tc qdisc replace dev tun0 root pfifo limit 7"), "");
  EXPECT_EQ(tun0.qdisc->describe(), "pfifo limit 7");
  EXPECT_EQ(run("tc qdisc delete dev tun0 root 2>/dev/null ; tc qdisc add dev tun0 root netem delay 5ms"), "");
  EXPECT_EQ(tun0.qdisc->describe(), "netem limit 1000 delay 5ms");
  EXPECT_NE(run("tc qdisc add dev tun0 root nonsense"), "");
  EXPECT_NE(run("tc qdisc add dev tun9 root pfifo"), "");
  EXPECT_NE(run("tc filter add"), "");
}

TEST_F(CommandsTest, Devices) {
  EXPECT_EQ(run("ethtool -K tun0 tso off gso off"), "");
  EXPECT_FALSE(tun0.features & NETIF_F_TSO);
  EXPECT_EQ(run("ethtool -K tun0 tso on"), "");
  EXPECT_TRUE(tun0.features & NETIF_F_TSO);
  EXPECT_NE(run("ethtool -K tun0 nonsense off"), "");
  EXPECT_EQ(run("ip link set dev tun0 mtu 1000"), "");
  EXPECT_EQ(tun0.mtu, 1000u);
  EXPECT_NE(run("ip link set dev tun9 mtu 1000"), "");
  EXPECT_NE(run("ip link set dev tun0 nonsense"), "");
}

TEST_F(CommandsTest, RoutesHaveMetrics) {
  const auto found = [&] { return stack.ip().routes().back(); };
  EXPECT_NE(run("ip route change 192.0.2.1 via 192.168.0.2 dev tun0 advmss 600"), "") << "there is none";
  EXPECT_EQ(run("ip route add 192.0.2.1 via 192.168.0.2 dev tun0"), "");
  EXPECT_NE(run("ip route add 192.0.2.1 via 192.168.0.2 dev tun0"), "") << "there is one";
  EXPECT_EQ(found().metrics, RouteMetrics{});
  EXPECT_EQ(run("ip route change 192.0.2.1 via 192.168.0.2 dev tun0 advmss 600 mtu lock 640 initcwnd 11"), "");
  EXPECT_EQ(found().metrics, (RouteMetrics{.mtu = 640, .advmss = 600, .initcwnd = 11, .mtu_locked = true}));
  EXPECT_EQ(run("ip route replace 192.0.2.1 via 192.168.0.2 dev tun0 mtu 1400"), "");
  EXPECT_EQ(found().metrics, (RouteMetrics{.mtu = 1400}));
  EXPECT_NE(run("ip route change 192.0.2.1 via 192.168.0.2 dev tun0 nonsense 1"), "");
  EXPECT_NE(run("ip route flush cache"), "");
}

TEST_F(CommandsTest, NstatShowsWhatMoved) {
  stack.trace().count(Mib::TcpActiveOpens, 2);
  EXPECT_EQ(run("nstat | grep TcpActiveOpens > /dev/null"), "");
  EXPECT_NE(run("nstat | grep TcpActiveOpens > /dev/null"), "") << "the first look has reset it";
  stack.trace().count(Mib::TcpActiveOpens);
  EXPECT_EQ(run("nstat -n"), "");
  EXPECT_NE(run("nstat | grep TcpActiveOpens"), "");
  EXPECT_EQ(run("nstat -az TcpActiveOpens | grep -E 'TcpActiveOpens +3 '"), "");
}

TEST_F(CommandsTest, FilesAreTheScriptsOwn) {
  EXPECT_EQ(run("/bin/rm -f /tmp/testfile\n/bin/dd bs=1 count=5 if=/dev/zero of=/tmp/testfile status=none"), "");
  ASSERT_TRUE(files.contains("/tmp/testfile"));
  EXPECT_EQ(files["/tmp/testfile"]->size(), 5u);
  EXPECT_EQ(run("echo one > /tmp/a ; echo two >> /tmp/a ; cat /tmp/a | grep -c . | grep -q 2"), "");
  EXPECT_EQ(run("echo 2 > /sys/module/tcp_cubic/parameters/hystart_detect"), "");
  EXPECT_EQ(setting("module.tcp_cubic.hystart_detect"), "2");
  EXPECT_EQ(run("cat /proc/sys/net/ipv4/tcp_sack | grep -q 1"), "");
  EXPECT_NE(run("cat /tmp/b"), "");
  EXPECT_NE(run("echo 2 > /proc/sys/net/ipv4/nonsense"), "");
}

TEST_F(CommandsTest, ListenersAreInProcNetTcp) {
  Sockets& s = stack.sockets();
  const int fd = *s.sys_socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_NE(run("grep \" 0A \" /proc/net/tcp /proc/net/tcp6 | grep \":1F90\""), "");
  ASSERT_TRUE(s.sys_bind(fd, {IpAddress::v4(0), 8080}));
  ASSERT_TRUE(s.sys_listen(fd, 1));
  EXPECT_EQ(run("grep \" 0A \" /proc/net/tcp /proc/net/tcp6 | grep \":1F90\""), "");
}

TEST_F(CommandsTest, SleepLetsTimePass) {
  EXPECT_EQ(run("sleep 1.5"), "");
  EXPECT_EQ(slept, 1500ms);
  EXPECT_NE(run("sleep"), "");
}

TEST_F(CommandsTest, StatusIsTheLastCommands) {
  EXPECT_EQ(run("false ; true"), "");
  EXPECT_NE(run("true ; false"), "");
  EXPECT_EQ(run("true || nonsense"), "");
  EXPECT_EQ(run("nonsense --all"), "nonsense: this command is not understood here");
  EXPECT_EQ(run("nonsense 2>/dev/null || true"), "nonsense: this command is not understood here");
  EXPECT_EQ(run("iptables -L ; true"), "iptables: this command is not understood here");
}

}  // namespace
}  // namespace glass::drill
