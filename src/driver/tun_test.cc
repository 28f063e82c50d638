// Real TUN and TAP devices, inside a network namespace of this program's own: nothing leaves it. Skipped where that is
// refused.
#include "driver/tun.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <functional>

#include "base/checksum.h"
#include "driver/kernel_link.h"
#include "driver/offload_header.h"
#include "driver/test_host.h"

namespace glass {
namespace {

constexpr int kPatienceMs = 5000;  // for what must come; a test that passes never waits so long

// Moves this process into a network namespace of its own; empty, or why that is not possible.
std::string enter_own_namespace() {
  const unsigned uid = getuid(), gid = getgid();
  if (unshare(CLONE_NEWNET) == 0) return {};
  if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return std::string("no network namespace: ") + std::strerror(errno);
  std::ofstream("/proc/self/setgroups") << "deny";
  if (!(std::ofstream("/proc/self/uid_map") << "0 " << uid << " 1" << std::flush) ||
      !(std::ofstream("/proc/self/gid_map") << "0 " << gid << " 1" << std::flush))
    return "no user mapping in the new namespace";
  return {};
}

const std::string& own_namespace() {
  static const std::string refused = enter_own_namespace();
  return refused;
}

class Socket {
 public:
  Socket(int family, int type, int protocol = 0) : fd_(socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol)) {}
  ~Socket() { close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  operator int() const { return fd_; }
  bool readable() const {
    pollfd p{fd_, POLLIN, 0};
    return ::poll(&p, 1, kPatienceMs) == 1;
  }

 private:
  int fd_;
};

sockaddr_in at(const char* address, uint16_t port) {
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(port);
  inet_pton(AF_INET, address, &a.sin_addr);
  return a;
}

const sockaddr* generic(const auto& address) { return reinterpret_cast<const sockaddr*>(&address); }

void put16(Bytes& b, size_t at, uint16_t v) {
  b[at] = static_cast<uint8_t>(v >> 8);
  b[at + 1] = static_cast<uint8_t>(v);
}

// An IPv4 packet from 10.99.0.2 to 10.99.0.1 with room for `size` bytes of transport, IP checksum in place.
Bytes ipv4_from_stack(uint8_t protocol, size_t size) {
  Bytes b(20 + size, 0);
  b[0] = 0x45;
  b[8] = 64;
  b[9] = protocol;
  put16(b, 2, static_cast<uint16_t>(b.size()));
  std::copy_n(std::array<uint8_t, 8>{10, 99, 0, 2, 10, 99, 0, 1}.begin(), 8, b.begin() + 12);
  const uint16_t check = csum_fold(csum_partial(b.data(), 20, 0));
  std::memcpy(&b[10], &check, 2);
  return b;
}

// Pseudo header sum in the checksum field, as for a partial checksum.
void put_pseudo_sum(Bytes& b, size_t field) {
  const uint32_t sum = csum_pseudo(IpAddress::v4(10, 99, 0, 2), IpAddress::v4(10, 99, 0, 1),
                                   static_cast<uint32_t>(b.size() - 20), b[9], 0);
  const auto folded = static_cast<uint16_t>(~csum_fold(sum));
  std::memcpy(&b[20 + field], &folded, 2);
}

Bytes udp_from_stack(const std::string& text, uint16_t port) {
  Bytes b = ipv4_from_stack(IPPROTO_UDP, 8 + text.size());
  put16(b, 20, 4000);
  put16(b, 22, port);
  put16(b, 24, static_cast<uint16_t>(8 + text.size()));
  std::copy(text.begin(), text.end(), b.begin() + 28);
  put_pseudo_sum(b, 6);
  return b;
}

Bytes tcp_from_stack(size_t payload) {
  Bytes b = ipv4_from_stack(IPPROTO_TCP, 20 + payload);
  put16(b, 20, 4000);
  put16(b, 22, 5001);
  b[32] = 0x50;
  b[33] = 0x10;
  for (size_t i = 0; i < payload; ++i) b[40 + i] = static_cast<uint8_t>(i * 7);
  put_pseudo_sum(b, 16);
  return b;
}

Skb partial(Skb skb, uint16_t csum_offset) {
  skb->ip_summed = IpSummed::partial;
  skb->csum_start = static_cast<uint16_t>(skb_headroom(*skb) + 20);
  skb->csum_offset = csum_offset;
  return skb;
}

class TunTap : public testing::Test {
 protected:
  void SetUp() override {
    if (!own_namespace().empty()) GTEST_SKIP() << own_namespace();
    if (access("/dev/net/tun", R_OK | W_OK) != 0) GTEST_SKIP() << "/dev/net/tun: " << std::strerror(errno);
  }

  std::unique_ptr<TunTapDriver> open(TunTapOptions options) {
    options.host_address = parse_prefix("10.99.0.1/24");
    auto driver = TunTapDriver::open(std::move(options));
    EXPECT_TRUE(driver) << driver.error();
    return driver ? std::move(*driver) : nullptr;
  }

  // Takes frames until one is as wanted; the kernel also sends some of its own (IPv6 neighbour discovery).
  using Wanted = std::function<bool(const TestHost::Packet&)>;
  static const TestHost::Packet* wait_for(TestHost& host, TunTapDriver& driver, const Wanted& wanted) {
    for (;;) {
      pollfd p{driver.fd(), POLLIN, 0};
      if (::poll(&p, 1, kPatienceMs) != 1) return nullptr;
      driver.interrupt();
      host.run();
      for (const auto& packet : host.received)
        if (wanted(packet)) return &packet;
      host.received.clear();
    }
  }
  static const TestHost::Packet* wait_for_protocol(TestHost& host, TunTapDriver& driver, uint8_t protocol) {
    return wait_for(host, driver, [=](const auto& p) { return p.protocol == ETH_P_IP && p.data[9] == protocol; });
  }

  SkbPool pool;
};

TEST_F(TunTap, KernelSideIsSetUpAsAsked) {
  auto driver = open({.name = "glass0", .mtu = 4000, .txqueuelen = 3000});
  ASSERT_TRUE(driver);
  const auto state = kernel_link_state("glass0");
  ASSERT_TRUE(state) << state.error();
  EXPECT_TRUE(state->up);
  EXPECT_EQ(state->mtu, 4000u);
  EXPECT_NE(state->mac, driver->mac());
  EXPECT_EQ(driver->mac().bytes[0] & 3, 2) << "locally administered, unicast";
  Socket s(AF_INET, SOCK_DGRAM);
  ifreq request{};
  std::strcpy(request.ifr_name, "glass0");
  ASSERT_EQ(ioctl(s, SIOCGIFTXQLEN, &request), 0);
  EXPECT_EQ(request.ifr_qlen, 3000);
  ASSERT_EQ(ioctl(s, SIOCGIFNETMASK, &request), 0);
  EXPECT_EQ(reinterpret_cast<sockaddr_in&>(request.ifr_netmask).sin_addr.s_addr, htonl(0xffffff00));

  TestHost host(pool, *driver);
  EXPECT_EQ(host.dev.mtu, 4000u);
  EXPECT_EQ(host.dev.hard_header_len, 14);
  EXPECT_EQ(host.dev.dev_addr, driver->mac());
  EXPECT_EQ(host.dev.features, NETIF_F_TSO | NETIF_F_HW_CSUM | NETIF_F_RXCSUM);
}

TEST_F(TunTap, MacIsTheSameEveryTimeAndNeverTheKernels) {
  auto driver = open({.name = "glass0"});
  ASSERT_TRUE(driver);
  const MacAddress first = driver->mac();
  const MacAddress kernels = kernel_link_state("glass0")->mac;
  driver.reset();
  driver = open({.name = "glass0"});
  EXPECT_EQ(driver->mac(), first);
  driver.reset();
  driver = open({.name = "glass0", .seed = 2});
  EXPECT_NE(driver->mac(), first);
  EXPECT_NE(driver->mac(), kernels);
}

TEST_F(TunTap, DeviceItMadeGoesAwayWithIt) {
  open({.name = "glass0"}).reset();
  EXPECT_EQ(if_nametoindex("glass0"), 0u);
}

TEST_F(TunTap, DeviceThatWasThereBeforeStays) {
  const int fd = ::open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  ifreq request{};
  std::strcpy(request.ifr_name, "glass0");
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  ASSERT_EQ(ioctl(fd, TUNSETIFF, &request), 0) << std::strerror(errno);
  ASSERT_EQ(ioctl(fd, TUNSETPERSIST, 1), 0);
  close(fd);
  auto driver = open({.name = "glass0"});
  ASSERT_TRUE(driver);
  driver.reset();
  EXPECT_NE(if_nametoindex("glass0"), 0u);
  driver = open({.name = "glass0"});
  ASSERT_TRUE(driver);
  EXPECT_EQ(ioctl(driver->fd(), TUNSETPERSIST, 0), 0) << "so that the other tests find it gone";
}

TEST_F(TunTap, KernelPicksANameIfNoneIsGiven) {
  auto driver = open({.mode = TunTapOptions::Mode::tun});
  ASSERT_TRUE(driver);
  EXPECT_EQ(driver->name(), "tun0");
}

TEST_F(TunTap, GivesTheKernelAnIpv6AddressUsableAtOnce) {
  if (access("/proc/net/if_inet6", F_OK) != 0) GTEST_SKIP() << "the kernel has no IPv6";
  auto driver = TunTapDriver::open({.name = "glass0", .host_address = parse_prefix("fd00:99::1/64")});
  ASSERT_TRUE(driver) << driver.error();
  Socket s(AF_INET6, SOCK_DGRAM);
  sockaddr_in6 a{};
  a.sin6_family = AF_INET6;
  inet_pton(AF_INET6, "fd00:99::1", &a.sin6_addr);
  EXPECT_EQ(bind(s, generic(a), sizeof a), 0) << std::strerror(errno);
}

TEST_F(TunTap, ErrorsSayWhatToDo) {
  auto too_long = TunTapDriver::open({.name = "a-name-of-16-char"});
  ASSERT_FALSE(too_long);
  EXPECT_EQ(too_long.error(), "device name a-name-of-16-char is too long: at most 15 characters");
  auto first = open({.name = "glass0"});
  auto busy = TunTapDriver::open({.name = "glass0"});
  ASSERT_FALSE(busy);
  EXPECT_EQ(busy.error(), "glass0 is in use by another program: stop it or choose another name");
  auto other = TunTapDriver::open({.name = "lo"});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error(), "lo exists and is no TAP device: choose another name");
  auto same_mac = TunTapDriver::open({.name = "glass1", .mtu = 40});
  ASSERT_FALSE(same_mac);
  EXPECT_EQ(same_mac.error(), "cannot set MTU 40 on glass1: Invalid argument");
  EXPECT_EQ(explain_errno(EPERM), "Operation not permitted: run as root or inside `unshare -rn`");
}

TEST_F(TunTap, TapCarriesBroadcastFromAKernelSocket) {
  auto driver = open({.name = "glass0"});
  ASSERT_TRUE(driver);
  TestHost host(pool, *driver);
  Socket s(AF_INET, SOCK_DGRAM);
  const int on = 1;
  setsockopt(s, SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
  const auto to = at("10.99.0.255", 4001);
  const std::string text = "hello from the kernel";
  ASSERT_EQ(sendto(s, text.data(), text.size(), 0, generic(to), sizeof to), static_cast<ssize_t>(text.size()))
      << std::strerror(errno);
  const auto* packet = wait_for_protocol(host, *driver, IPPROTO_UDP);
  ASSERT_TRUE(packet) << "no frame came";
  EXPECT_EQ(std::string(packet->data.begin() + 28, packet->data.end()), text);
  EXPECT_EQ(packet->ip_summed, IpSummed::unnecessary);
  EXPECT_FALSE(packet->external) << "a small frame lies inside the sk_buff";
}

TEST_F(TunTap, TapAnswersArpAndGetsTheDatagram) {
  auto driver = open({.name = "glass0"});
  ASSERT_TRUE(driver);
  TestHost host(pool, *driver);
  Socket s(AF_INET, SOCK_DGRAM);
  const auto to = at("10.99.0.2", 4001);
  ASSERT_EQ(sendto(s, "ping", 4, 0, generic(to), sizeof to), 4);
  const auto* request = wait_for(host, *driver, [](const auto& p) { return p.protocol == ETH_P_ARP; });
  ASSERT_TRUE(request);
  Bytes reply(request->data.begin(), request->data.begin() + 28);
  MacAddress kernel_mac;
  std::copy_n(reply.begin() + 8, 6, kernel_mac.bytes.begin());
  EXPECT_EQ(kernel_mac, kernel_link_state("glass0")->mac);
  reply[7] = 2;
  std::rotate(reply.begin() + 8, reply.begin() + 18, reply.end());  // sender and target change places
  std::copy_n(driver->mac().bytes.begin(), 6, reply.begin() + 8);
  Skb skb = host.packet(reply);
  eth_header(skb, host.dev, kernel_mac, ETH_P_ARP);
  dev_queue_xmit(std::move(skb));
  host.received.clear();
  const auto* packet = wait_for_protocol(host, *driver, IPPROTO_UDP);
  ASSERT_TRUE(packet);
  EXPECT_EQ(std::string(packet->data.begin() + 28, packet->data.end()), "ping");
}

TEST_F(TunTap, KernelSocketReceivesWhatTheStackSends) {
  for (const auto mode : {TunTapOptions::Mode::tun, TunTapOptions::Mode::tap}) {
    auto driver = open({.name = "glass0", .mode = mode});
    ASSERT_TRUE(driver);
    TestHost host(pool, *driver);
    host.ns.trace.start();
    Socket s(AF_INET, SOCK_DGRAM);
    const auto here = at("10.99.0.1", 4002);
    ASSERT_EQ(bind(s, generic(here), sizeof here), 0) << std::strerror(errno);
    Skb skb = partial(host.packet(udp_from_stack("hello, kernel", 4002)), 6);
    if (mode == TunTapOptions::Mode::tap) eth_header(skb, host.dev, kernel_link_state("glass0")->mac, ETH_P_IP);
    dev_queue_xmit(std::move(skb));
    ASSERT_TRUE(s.readable());
    char text[100];
    EXPECT_EQ(std::string(text, static_cast<size_t>(recv(s, text, sizeof text, 0))), "hello, kernel");
    EXPECT_EQ(host.ns.trace.drops(), 0u);
    EXPECT_TRUE(host.path().ends_with("dev_hard_start_xmit tun_net_xmit")) << host.path();
  }
  EXPECT_EQ(pool.skbs_in_use(), 0u);
}

// A packet socket that shows what the kernel makes of our offload header, and can send large packets our way.
class PacketSocket : public Socket {
 public:
  explicit PacketSocket(const std::string& device) : Socket(AF_PACKET, SOCK_RAW) {
    const int on = 1;
    EXPECT_EQ(setsockopt(*this, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on), 0);
    link_.sll_family = AF_PACKET;
    link_.sll_protocol = htons(ETH_P_IP);
    link_.sll_ifindex = static_cast<int>(if_nametoindex(device.c_str()));
    EXPECT_EQ(bind(*this, generic(link_), sizeof link_), 0) << std::strerror(errno);
  }
  ssize_t send_packet(const virtio_net_hdr& header, const Bytes& packet) {
    Bytes b(sizeof header + packet.size());
    std::memcpy(b.data(), &header, sizeof header);
    std::copy(packet.begin(), packet.end(), b.begin() + sizeof header);
    return sendto(*this, b.data(), b.size(), 0, generic(link_), sizeof link_);
  }

 private:
  sockaddr_ll link_{};
};

TEST_F(TunTap, LargeTcpPacketLeavesInOnePieceFromItsFragments) {
  auto driver = open({.name = "glass0", .mode = TunTapOptions::Mode::tun});
  ASSERT_TRUE(driver);
  TestHost host(pool, *driver);
  PacketSocket watcher("glass0");
  const Bytes whole = tcp_from_stack(60000);
  Skb skb = partial(host.packet(Bytes(whole.begin(), whole.begin() + 40)), 16);
  for (size_t at = 40; at < whole.size(); at += 20000) {
    DataBlock* block = pool.alloc_block(20000);
    std::memcpy(block->data(), whole.data() + at, 20000);
    skb_add_frag(skb, block, 0, 20000);
  }
  skb->gso_size = 1460;
  skb->gso_segs = 42;
  dev_queue_xmit(std::move(skb));
  EXPECT_EQ(host.ns.trace.drops(), 0u);
  ASSERT_TRUE(watcher.readable());
  Bytes got(70000);
  const ssize_t n = recv(watcher, got.data(), got.size(), 0);
  ASSERT_EQ(n, static_cast<ssize_t>(sizeof(virtio_net_hdr) + whole.size()));
  virtio_net_hdr header;
  std::memcpy(&header, got.data(), sizeof header);
  EXPECT_EQ(header.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
  EXPECT_EQ(header.gso_size, 1460);
  EXPECT_TRUE(std::equal(whole.begin(), whole.end(), got.begin() + sizeof header));
  EXPECT_EQ(pool.blocks_in_use(), 0u);
}

TEST_F(TunTap, LargeTcpPacketArrivesInOnePieceWithItsSegmentSize) {
  auto driver = open({.name = "glass0", .mode = TunTapOptions::Mode::tun});
  ASSERT_TRUE(driver);
  TestHost host(pool, *driver);
  PacketSocket sender("glass0");
  for (const size_t payload : {size_t{5000}, size_t{60000}}) {
    const Bytes whole = tcp_from_stack(payload);
    const virtio_net_hdr header{.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
                                .hdr_len = 40,
                                .gso_size = 1000,
                                .csum_start = 20,
                                .csum_offset = 16};
    ASSERT_GT(sender.send_packet(header, whole), 0) << std::strerror(errno);
    const auto* packet = wait_for_protocol(host, *driver, IPPROTO_TCP);
    ASSERT_TRUE(packet);
    EXPECT_EQ(packet->data, whole);
    EXPECT_EQ(packet->gso_size, 1000);
    EXPECT_EQ(packet->gso_segs, payload / 1000);
    EXPECT_EQ(packet->ip_summed, IpSummed::unnecessary);
    EXPECT_TRUE(packet->external);
    host.received.clear();
  }
  EXPECT_EQ(pool.skbs_in_use(), 0u);
  EXPECT_EQ(pool.blocks_in_use(), 0u);
}

TEST_F(TunTap, WithoutOffloadTheKernelCutsAndFinishes) {
  auto driver = open({.name = "glass0", .mode = TunTapOptions::Mode::tun, .offload = false});
  ASSERT_TRUE(driver);
  TestHost host(pool, *driver);
  EXPECT_EQ(host.dev.features, 0u);
  PacketSocket sender("glass0");
  const virtio_net_hdr header{.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                              .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
                              .hdr_len = 40,
                              .gso_size = 1000,
                              .csum_start = 20,
                              .csum_offset = 16};
  ASSERT_GT(sender.send_packet(header, tcp_from_stack(3000)), 0) << std::strerror(errno);
  size_t segments = 0;
  wait_for(host, *driver, [&](const auto& p) {
    if (p.protocol != ETH_P_IP || p.data[9] != IPPROTO_TCP) return false;
    EXPECT_EQ(p.data.size(), 1040u);
    EXPECT_EQ(p.gso_size, 0);
    const uint32_t pseudo = csum_pseudo(IpAddress::v4(10, 99, 0, 2), IpAddress::v4(10, 99, 0, 1), 1020, IPPROTO_TCP, 0);
    EXPECT_EQ(csum_fold(csum_partial(p.data.data() + 20, 1020, pseudo)), 0) << "the checksum is complete";
    return ++segments == 3;
  });
  EXPECT_EQ(segments, 3u);
}

TEST_F(TunTap, UsedUpBudgetKeepsTheDeviceScheduled) {
  auto driver = open({.name = "glass0", .mode = TunTapOptions::Mode::tun});
  ASSERT_TRUE(driver);
  TestHost host(pool, *driver);
  Socket s(AF_INET, SOCK_DGRAM);
  const auto to = at("10.99.0.2", 4001);
  for (int i = 0; i < 150; ++i)
    ASSERT_EQ(sendto(s, &i, sizeof i, 0, generic(to), sizeof to), 4) << std::strerror(errno);
  pollfd p{driver->fd(), POLLIN, 0};
  ASSERT_EQ(::poll(&p, 1, kPatienceMs), 1);
  driver->interrupt();
  host.run();  // one interrupt, more than two NAPI weights of packets
  int next = 0;
  for (const auto& packet : host.received) {
    if (packet.protocol != ETH_P_IP) continue;
    int number;
    std::memcpy(&number, packet.data.data() + 28, sizeof number);
    EXPECT_EQ(number, next++);
  }
  EXPECT_EQ(next, 150);
  EXPECT_FALSE(host.sd.pending());
  EXPECT_EQ(driver->poll(1), 0);
}

TEST_F(TunTap, KernelSideDownIsADropWithAReason) {
  auto driver = open({.name = "glass0", .mode = TunTapOptions::Mode::tun, .up = false});
  ASSERT_TRUE(driver);
  if (kernel_link_state("glass0")->up) {  // giving it an address may have brought it up
    Socket s(AF_INET, SOCK_DGRAM);
    ifreq request{};
    std::strcpy(request.ifr_name, "glass0");
    ASSERT_EQ(ioctl(s, SIOCSIFFLAGS, &request), 0);
  }
  TestHost host(pool, *driver);
  host.send(udp_from_stack("x", 1));
  EXPECT_EQ(host.ns.trace.drops_for(DropReason::DEV_READY), 1u);
  EXPECT_EQ(pool.skbs_in_use(), 0u);
}

}  // namespace
}  // namespace glass
