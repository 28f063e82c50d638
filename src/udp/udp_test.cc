#include "udp/udp.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/udp.h"

namespace glass {
namespace {

using Bytes = std::vector<uint8_t>;

const IpAddress kAny = IpAddress::v4(0), kLo = IpAddress::v4(127, 0, 0, 1), kUs = IpAddress::v4(10, 0, 0, 1);
const IpAddress kPeer = IpAddress::v4(10, 0, 0, 2), kBroadcast = IpAddress::v4(10, 0, 0, 255);

class LoopDriver final : public Driver {
 public:
  void attach(net_device& dev) override {
    dev_ = &dev;
    dev.mtu = 65536;
    dev.features = NETIF_F_HW_CSUM | NETIF_F_LOOPBACK;
  }
  void ndo_start_xmit(Skb skb) override {
    skb->dev = dev_;
    skb->ip_summed = IpSummed::unnecessary;
    netif_rx(std::move(skb));
  }

 private:
  net_device* dev_ = nullptr;
};

class KeepDriver final : public Driver {
 public:
  void attach(net_device&) override {}
  void ndo_start_xmit(Skb skb) override {
    sent.emplace_back(skb->len);
    skb_copy_bits(*skb, 0, sent.back().data(), skb->len);
    consume_skb(std::move(skb));
  }
  std::vector<Bytes> sent;
};

class Waiter final : public SocketWaiter {
 public:
  void sk_wake(socket&, uint32_t events) override { woken |= events; }
  uint32_t woken = 0;
};

class UdpTest : public testing::Test {
 protected:
  UdpTest() {
    join(lo, lo_driver, 1);
    join(dev, driver, 2);
    ip.set_loopback(lo);
    ip.add_address(lo, {kLo, 8});
    ip.add_address(dev, {kUs, 24});
    ns.trace.start();
  }
  ~UdpTest() override {
    sd.input_pkt_queue.purge(nullptr);
    dev_shutdown(lo);
    dev_shutdown(dev);
  }
  static void join(net_device& d, Driver& drv, int index) {
    d.driver = &drv;
    d.ifindex = index;
    drv.attach(d);
  }
  void run() {
    while (net_rx_action(sd)) {
    }
  }
  sock* open() { return *udp.create(AF_INET); }
  sock* bound(const IpAddress& a, uint16_t port) {
    sock* sk = open();
    EXPECT_TRUE(udp.bind(sk, {a, port}));
    return sk;
  }
  Result<size_t> send(sock* sk, const std::string& text, std::optional<SocketAddress> to = {}) {
    const std::span<const uint8_t> piece(reinterpret_cast<const uint8_t*>(text.data()), text.size());
    const Result<size_t> n = udp.sendmsg(sk, {{&piece, 1}, 0, to ? &*to : nullptr});
    run();
    return n;
  }
  struct Read {
    std::string text;
    SocketAddress from;
    int flags;
    size_t value;
  };
  Result<Read> recv(sock* sk, int flags = 0, size_t room = 100) {
    Bytes buffer(room);
    const std::span<uint8_t> piece(buffer);
    Read r{};
    MsgRecv msg{{&piece, 1}, flags, &r.from};
    const Result<size_t> n = udp.recvmsg(sk, msg);
    if (!n) return Err(n.error());
    r.flags = msg.out_flags;
    r.value = *n;
    r.text.assign(buffer.begin(), buffer.begin() + static_cast<ptrdiff_t>(std::min(*n, room)));
    return r;
  }
  int error_of(sock* sk) {
    const Result<Read> r = recv(sk);
    return r ? 0 : r.error();
  }
  Result<void> set(sock* sk, int level, int name, int value) {
    return udp.setsockopt(sk, level, name, {reinterpret_cast<const uint8_t*>(&value), sizeof value});
  }
  int get(sock* sk, int level, int name) {
    int value = -1;
    EXPECT_TRUE(udp.getsockopt(sk, level, name, {reinterpret_cast<uint8_t*>(&value), sizeof value}));
    return value;
  }
  void receive(const Bytes& packet) {
    const auto size = static_cast<uint32_t>(packet.size());
    Skb skb = alloc_skb(pool, ns.trace, size);
    std::copy(packet.begin(), packet.end(), skb_put(skb, size));
    skb->dev = &dev;
    netif_rx(std::move(skb));
    run();
  }
  static Bytes packet(uint8_t protocol, const IpAddress& from, const IpAddress& to, const Bytes& body) {
    Ipv4Header h;
    h.total_length = static_cast<uint16_t>(20 + body.size());
    h.protocol = protocol;
    h.source = from;
    h.destination = to;
    Bytes out;
    append(h, out);
    ip_send_check(reinterpret_cast<iphdr*>(out.data()));
    out.insert(out.end(), body.begin(), body.end());
    return out;
  }
  static Bytes datagram(uint16_t from, uint16_t to, const std::string& text) {
    Bytes out;
    append(UdpHeader{from, to, static_cast<uint16_t>(8 + text.size()), 0}, out);
    out.insert(out.end(), text.begin(), text.end());
    return out;
  }
  // What 10.0.0.2 says about the newest packet sent.
  void complain(uint8_t type, uint8_t code, uint32_t rest = 0) {
    Bytes m;
    append(IcmpHeader{type, code, 0, rest}, m);
    m.insert(m.end(), driver.sent.back().begin(), driver.sent.back().end());
    const uint16_t check = csum_fold(csum_partial(m.data(), m.size(), 0));
    std::memcpy(&m[2], &check, 2);
    receive(packet(1, kPeer, kUs, m));
  }
  uint64_t count(Mib m) const { return ns.trace.value(m); }

  SkbPool pool;
  net ns{pool, 11};
  softnet_data sd{ns};
  LoopDriver lo_driver;
  KeepDriver driver;
  net_device lo{ns, sd, "lo"}, dev{ns, sd, "tun0"};
  Ip ip{ns, sd};
  Udp udp{ns, ip};
};

TEST_F(UdpTest, ThereAndBack) {
  sock *a = bound(kAny, 5000), *b = open();
  EXPECT_EQ(*send(b, "hello", SocketAddress{kLo, 5000}), 5u);
  EXPECT_GE(b->skc_num, 32768);
  const Read r = *recv(a);
  EXPECT_EQ(r.text, "hello");
  EXPECT_EQ(r.from, (SocketAddress{kLo, b->skc_num}));
  EXPECT_EQ(a->sk_rmem_alloc, 0);
  EXPECT_EQ(*send(a, "", r.from), 0u);
  EXPECT_EQ(recv(b)->value, 0u);
  EXPECT_EQ(error_of(b), EAGAIN);
  EXPECT_EQ(count(Mib::UdpInDatagrams), 2u);
  EXPECT_EQ(count(Mib::UdpOutDatagrams), 2u);
}

TEST_F(UdpTest, ChecksumOnTheWireIsRight) {
  sock* a = bound(kAny, 5000);
  EXPECT_TRUE(send(a, "odd", SocketAddress{kPeer, 7}));
  ASSERT_EQ(driver.sent.size(), 1u);
  const Bytes& p = driver.sent[0];
  EXPECT_EQ(csum_fold(csum_partial(&p[20], p.size() - 20, csum_pseudo(kUs, kPeer, 11, 17, 0))), 0);
  EXPECT_TRUE(Ipv4Header::parse(p)->dont_fragment);
  EXPECT_NE(Ipv4Header::parse(p)->id, 0);
}

TEST_F(UdpTest, PeekAndTruncation) {
  sock* a = bound(kAny, 5000);
  EXPECT_TRUE(send(a, "abcdef", SocketAddress{kLo, 5000}));
  EXPECT_EQ(recv(a, MSG_PEEK, 3)->text, "abc");
  EXPECT_EQ(*udp.ioctl(a, SIOCINQ), 6);
  const Read r = *recv(a, MSG_TRUNC, 3);
  EXPECT_EQ(r.value, 6u);
  EXPECT_EQ(r.flags, MSG_TRUNC);
  EXPECT_EQ(error_of(a), EAGAIN);
}

TEST_F(UdpTest, TheBestMatchGetsIt) {
  sock *any = bound(kAny, 5000), *from = bound(kLo, 6000), *other = bound(kLo, 6001);
  set(any, SOL_SOCKET, SO_REUSEADDR, 1);
  sock* exact = open();
  set(exact, SOL_SOCKET, SO_REUSEADDR, 1);
  EXPECT_TRUE(udp.bind(exact, {kLo, 5000}));
  sock* connected = open();
  set(connected, SOL_SOCKET, SO_REUSEADDR, 1);
  EXPECT_TRUE(udp.bind(connected, {kLo, 5000}));
  EXPECT_TRUE(udp.connect(connected, {kLo, 6000}));
  EXPECT_TRUE(send(from, "1", SocketAddress{kLo, 5000}));
  EXPECT_TRUE(send(other, "2", SocketAddress{kLo, 5000}));
  EXPECT_TRUE(send(other, "3", SocketAddress{kUs, 5000}));
  EXPECT_EQ(recv(connected)->text, "1");
  EXPECT_EQ(recv(exact)->text, "2");
  EXPECT_EQ(recv(any)->text, "3");
  EXPECT_EQ(error_of(connected), EAGAIN);
}

TEST_F(UdpTest, BindErrors) {
  sock* a = bound(kAny, 5000);
  EXPECT_EQ(udp.bind(a, {kAny, 5001}).error(), EINVAL);
  EXPECT_EQ(udp.bind(open(), {kLo, 5000}).error(), EADDRINUSE);
  EXPECT_EQ(udp.bind(open(), {kPeer, 5001}).error(), EADDRNOTAVAIL);
  sock* b = bound(kUs, 5001);
  EXPECT_TRUE(udp.bind(open(), {kLo, 5001}));
  udp.close(b);
  EXPECT_TRUE(udp.bind(open(), {kUs, 5001}));
}

TEST_F(UdpTest, EphemeralPortsAreAllUsedThenRefused) {
  ns.sysctl.ip_local_port_range_low = 40000;
  ns.sysctl.ip_local_port_range_high = 40009;
  std::set<uint16_t> seen;
  for (int i = 0; i < 10; ++i) seen.insert(bound(kAny, 0)->skc_num);
  EXPECT_EQ(seen.size(), 10u);
  EXPECT_EQ(udp.bind(open(), {kAny, 0}).error(), EADDRINUSE);
  EXPECT_EQ(send(open(), "x", SocketAddress{kLo, 1}).error(), EAGAIN);
}

TEST_F(UdpTest, ClosedPortIsReportedToTheConnected) {
  sock* a = open();
  Waiter waiter;
  socket application;
  application.waiter = &waiter;
  a->sk_socket = &application;
  EXPECT_TRUE(udp.connect(a, {kLo, 9}));
  EXPECT_TRUE(send(a, "x"));
  EXPECT_EQ(count(Mib::UdpNoPorts), 1u);
  EXPECT_TRUE(waiter.woken & POLLERR);
  EXPECT_TRUE(udp.poll(a) & POLLERR);
  EXPECT_EQ(get(a, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
  EXPECT_EQ(error_of(a), EAGAIN);
  EXPECT_TRUE(send(a, "x"));
  EXPECT_EQ(send(a, "x").error(), ECONNREFUSED);
  sock* unconnected = open();
  EXPECT_TRUE(send(unconnected, "x", SocketAddress{kLo, 9}));
  EXPECT_EQ(error_of(unconnected), EAGAIN);
}

TEST_F(UdpTest, IcmpErrors) {
  sock* a = bound(kUs, 5000);
  EXPECT_TRUE(udp.connect(a, {kPeer, 7}));
  EXPECT_TRUE(send(a, "x"));
  complain(ICMP_DEST_UNREACH, ICMP_HOST_UNREACH);
  EXPECT_EQ(error_of(a), EAGAIN);
  complain(ICMP_DEST_UNREACH, ICMP_PORT_UNREACH);
  EXPECT_EQ(error_of(a), ECONNREFUSED);
  complain(ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, 1000);
  EXPECT_EQ(error_of(a), EMSGSIZE);
  EXPECT_TRUE(send(a, std::string(1200, 'x')));
  EXPECT_EQ(driver.sent.size(), 3u);
  EXPECT_TRUE(set(a, IPPROTO_IP, IP_RECVERR, 1));
  EXPECT_TRUE(send(a, "x"));
  complain(ICMP_TIME_EXCEEDED, ICMP_EXC_TTL);
  EXPECT_EQ(error_of(a), EHOSTUNREACH);
}

TEST_F(UdpTest, SendErrors) {
  sock* a = bound(kAny, 5000);
  EXPECT_EQ(send(a, "x").error(), EDESTADDRREQ);
  EXPECT_EQ(send(a, "x", SocketAddress{kPeer, 0}).error(), EINVAL);
  EXPECT_EQ(send(a, std::string(65508, 'x'), SocketAddress{kPeer, 7}).error(), EMSGSIZE);
  EXPECT_TRUE(send(a, std::string(65507, 'x'), SocketAddress{kPeer, 7}));
  EXPECT_EQ(driver.sent.size(), 45u);
  EXPECT_EQ(send(a, "x", SocketAddress{IpAddress::v4(8, 8, 8, 8), 7}).error(), ENETUNREACH);
  EXPECT_EQ(send(a, "x", SocketAddress{kBroadcast, 7}).error(), EACCES);
  EXPECT_TRUE(set(a, SOL_SOCKET, SO_BROADCAST, 1));
  EXPECT_TRUE(send(a, "x", SocketAddress{kBroadcast, 7}));
  EXPECT_TRUE(set(a, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO));
  EXPECT_EQ(send(a, std::string(1473, 'x'), SocketAddress{kPeer, 7}).error(), EMSGSIZE);
}

TEST_F(UdpTest, LargeDatagramIsReassembled) {
  lo.mtu = 1500;
  sock* a = bound(kLo, 5000);
  const std::string text(40000, 'q');
  EXPECT_TRUE(send(a, text, SocketAddress{kLo, 5000}));
  EXPECT_EQ(recv(a, 0, 50000)->text, text);
  EXPECT_EQ(count(Mib::IpReasmOKs), 1u);
}

TEST_F(UdpTest, FullBufferDrops) {
  sock* a = bound(kLo, 5000);
  EXPECT_TRUE(set(a, SOL_SOCKET, SO_RCVBUF, 1));
  EXPECT_EQ(get(a, SOL_SOCKET, SO_RCVBUF), 2304);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(send(a, std::string(500, 'x'), SocketAddress{kLo, 5000}));
  EXPECT_EQ(count(Mib::UdpRcvbufErrors), 8u);
  EXPECT_EQ(ns.trace.drops_for(DropReason::SOCKET_RCVBUFF), 8u);
  EXPECT_EQ(udp.sockets()[0].rmem_alloc, a->sk_rmem_alloc);
  EXPECT_GT(a->sk_rmem_alloc, 0);
  udp.close(a);
  EXPECT_EQ(ns.trace.drops_for(DropReason::SOCKET_CLOSE), 2u);
}

TEST_F(UdpTest, BroadcastGoesToAllListeners) {
  sock* a = open();
  sock* b = open();
  for (sock* sk : {a, b}) {
    EXPECT_TRUE(set(sk, SOL_SOCKET, SO_REUSEADDR, 1));
    EXPECT_TRUE(udp.bind(sk, {kAny, 5000}));
  }
  receive(packet(17, kPeer, kBroadcast, datagram(7, 5000, "all")));
  EXPECT_EQ(recv(a)->text, "all");
  EXPECT_EQ(recv(b)->text, "all");
  receive(packet(17, kPeer, kBroadcast, datagram(7, 5001, "nobody")));
  EXPECT_EQ(count(Mib::UdpIgnoredMulti), 1u);
  EXPECT_TRUE(driver.sent.empty());
}

TEST_F(UdpTest, FilterRefuses) {
  sock* a = bound(kAny, 5000);
  a->sk_filter_all = true;
  receive(packet(17, kPeer, kUs, datagram(7, 5000, "x")));
  EXPECT_EQ(ns.trace.drops_for(DropReason::SOCKET_FILTER), 1u);
}

TEST_F(UdpTest, DisconnectGivesBackWhatWasNotBound) {
  sock* a = open();
  EXPECT_TRUE(udp.connect(a, {kPeer, 7}));
  EXPECT_EQ(a->skc_rcv_saddr, kUs);
  EXPECT_EQ(get(a, IPPROTO_IP, IP_MTU), 1500);
  EXPECT_TRUE(udp.disconnect(a));
  EXPECT_TRUE(a->skc_rcv_saddr.is_unspecified());
  EXPECT_EQ(a->skc_num, 0);
  EXPECT_EQ(send(a, "x").error(), EDESTADDRREQ);
  sock* b = bound(kUs, 5000);
  EXPECT_TRUE(udp.connect(b, {kPeer, 7}));
  EXPECT_TRUE(udp.disconnect(b));
  EXPECT_EQ(b->skc_num, 5000);
  receive(packet(17, kPeer, kUs, datagram(8, 5000, "again")));
  EXPECT_EQ(recv(b)->text, "again");
}

TEST_F(UdpTest, ConnectedSendsOnAfterTheRoutesChange) {
  sock* a = open();
  EXPECT_TRUE(udp.connect(a, {kPeer, 7}));
  ip.add_address(dev, {IpAddress::v4(10, 7, 0, 1), 16});
  EXPECT_TRUE(send(a, "x"));
  const uint16_t id = Ipv4Header::parse(driver.sent.back())->id;
  EXPECT_TRUE(send(a, "x"));
  EXPECT_EQ(Ipv4Header::parse(driver.sent.back())->id, static_cast<uint16_t>(id + 1));
}

TEST_F(UdpTest, Shutdown) {
  sock* a = open();
  EXPECT_EQ(udp.shutdown(a, SEND_SHUTDOWN).error(), ENOTCONN);
  sock* b = open();
  EXPECT_TRUE(udp.connect(b, {kPeer, 7}));
  EXPECT_TRUE(udp.shutdown(b, SHUTDOWN_MASK));
  EXPECT_EQ(send(b, "x").error(), EPIPE);
  EXPECT_EQ(recv(b)->value, 0u);
  EXPECT_TRUE(udp.poll(b) & POLLHUP);
}

TEST_F(UdpTest, Options) {
  sock* a = bound(kUs, 5000);
  EXPECT_EQ(get(a, SOL_SOCKET, SO_RCVBUF), 212992);
  EXPECT_TRUE(set(a, SOL_SOCKET, SO_RCVBUF, 100000));
  EXPECT_EQ(get(a, SOL_SOCKET, SO_RCVBUF), 200000);
  EXPECT_TRUE(set(a, SOL_SOCKET, SO_RCVBUF, 1 << 30));
  EXPECT_EQ(get(a, SOL_SOCKET, SO_RCVBUF), 2 * 4194304);
  EXPECT_TRUE(set(a, SOL_SOCKET, SO_SNDBUF, 1));
  EXPECT_EQ(get(a, SOL_SOCKET, SO_SNDBUF), 4608);
  EXPECT_EQ(get(a, SOL_SOCKET, SO_TYPE), SOCK_DGRAM);
  EXPECT_EQ(set(a, SOL_SOCKET, SO_TYPE, 1).error(), ENOPROTOOPT);
  EXPECT_EQ(set(a, SOL_SOCKET, 9999, 1).error(), ENOPROTOOPT);
  EXPECT_EQ(udp.setsockopt(a, SOL_SOCKET, SO_RCVBUF, {}).error(), EINVAL);
  EXPECT_EQ(set(a, IPPROTO_IP, IP_TTL, 0).error(), EINVAL);
  EXPECT_EQ(get(a, IPPROTO_IP, IP_TTL), 64);
  EXPECT_TRUE(set(a, IPPROTO_IP, IP_TTL, 9));
  EXPECT_TRUE(set(a, IPPROTO_IP, IP_TOS, 0x28));
  EXPECT_TRUE(send(a, "x", SocketAddress{kPeer, 7}));
  const Ipv4Header h = *Ipv4Header::parse(driver.sent.back());
  EXPECT_EQ(h.ttl, 9);
  EXPECT_EQ(h.tos, 0x28);
}

}  // namespace
}  // namespace glass
