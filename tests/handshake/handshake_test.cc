// The handshake as programs see it: backlogs, SYN cookies, ports, what destinations are remembered for, Fast Open.
#include <cstring>
#include <set>
#include <tuple>

#include "net/sk_error_queue.h"
#include "stack/test_pair.h"
#include "support/raw_host.h"
#include "tcp/tcp_internal.h"
#include "tcp/tcp_metrics.h"

namespace glass {
namespace {

using test::RawHost;

test::Bytes syn_from(uint16_t port, uint32_t isn = 1000, const test::Bytes& options = {}) {
  return test::tcp_packet({port, 80, isn, 0, TCPHDR_SYN, 65535, options, {}});
}

const tcphdr& tcp_of(const test::Bytes& packet) {
  return *reinterpret_cast<const tcphdr*>(packet.data() + sizeof(iphdr));
}

tcp_info info_of(Stack& s, int fd) {
  tcp_info info{};
  EXPECT_TRUE(s.sockets().sys_getsockopt(fd, IPPROTO_TCP, TCP_INFO, {reinterpret_cast<uint8_t*>(&info), sizeof info}));
  return info;
}

// --- listeners

TEST(Listen, CookiesAreSentWhenTheQueueOfHalfOpenConnectionsIsFull) {
  RawHost h;
  const int l = h.listen(80, 2);
  for (uint16_t i = 0; i < 3; ++i) h.put_in(syn_from(static_cast<uint16_t>(40000 + i)));
  EXPECT_EQ(h.stack.trace().value(Mib::TcpExtSyncookiesSent), 0u);
  h.put_in(syn_from(40003));
  EXPECT_EQ(h.stack.trace().value(Mib::TcpExtSyncookiesSent), 1u);
  EXPECT_EQ(h.stack.trace().value(Mib::TcpExtTCPReqQFullDoCookies), 1u);
  const uint32_t cookie = ntohl(tcp_of(h.sent.back()).seq);
  h.put_in(test::tcp_packet({40003, 80, 1001, cookie + 1, TCPHDR_ACK, 65535, {}, {}}));
  EXPECT_TRUE(h.stack.sockets().sys_accept(l));
  EXPECT_EQ(h.stack.trace().value(Mib::TcpExtSyncookiesRecv), 1u);
}

TEST(Listen, ACookieIsGoodForTwoMinutes) {
  RawHost h;
  h.stack.ns().sysctl.tcp_syncookies = 2;
  const int l = h.listen(80);
  h.put_in(syn_from(40000));
  const uint32_t cookie = ntohl(tcp_of(h.sent.back()).seq);
  ASSERT_TRUE(h.pass(110s));
  h.put_in(syn_from(40001));  // cookies are still in use
  ASSERT_TRUE(h.pass(30s));
  h.put_in(test::tcp_packet({40000, 80, 1001, cookie + 1, TCPHDR_ACK, 65535, {}, {}}));
  EXPECT_EQ(h.stack.sockets().sys_accept(l).error(), EAGAIN);
  EXPECT_EQ(h.stack.trace().value(Mib::TcpExtSyncookiesFailed), 1u);
  EXPECT_TRUE(tcp_of(h.sent.back()).rst());
}

TEST(Listen, OldHalfOpenConnectionsMakeRoomForYoungOnes) {
  RawHost h;
  h.listen(80, 16);
  for (uint16_t i = 0; i < 10; ++i) h.put_in(syn_from(static_cast<uint16_t>(40000 + i)));
  h.sent.clear();
  ASSERT_TRUE(h.pass(8s));  // time-outs after one, three and seven seconds; none is young after the first
  EXPECT_EQ(h.sent.size(), 10u + 10 + 8) << "two repeats instead of five, until the queue is only half full";
  EXPECT_EQ(h.stack.tcp().sockets().size(), 8u + 1) << "with the listener";
}

TEST(Listen, WithoutCookiesTheLastQuarterIsKeptForProvenPeers) {
  RawHost h;
  h.stack.ns().sysctl.tcp_syncookies = 0;
  h.stack.ns().sysctl.tcp_max_syn_backlog = 4;
  h.listen(80, 16);
  for (uint16_t i = 0; i < 4; ++i) h.put_in(syn_from(static_cast<uint16_t>(40000 + i)));
  h.sent.clear();
  h.put_in(syn_from(40009));
  EXPECT_EQ(h.sent.size(), 0u);
  EXPECT_EQ(h.stack.trace().drops_for(DropReason::TCP_REQ_QFULL_DROP), 1u);
  h.stack.tcp().metrics().get(test::kHost, test::kPeer).rtt_us = 8000;
  h.put_in(syn_from(40009));
  EXPECT_EQ(h.sent.size(), 1u) << "it has been talked to before";
}

// The ACK that completes a handshake finds the accept queue full: it is as if it had been lost, or the peer is told.
TEST(Listen, AFullAcceptQueueResetsOnlyIfAsked) {
  for (const int abort_on_overflow : {0, 1}) {
    RawHost h;
    h.stack.ns().sysctl.tcp_abort_on_overflow = abort_on_overflow;
    h.listen(80, 1);
    const auto syn = [&](uint16_t port) {
      h.put_in(syn_from(port));
      return ntohl(tcp_of(h.sent.back()).seq);
    };
    const auto ack = [&](uint16_t port, uint32_t isn) {
      h.put_in(test::tcp_packet({port, 80, 1001, isn + 1, TCPHDR_ACK, 65535, {}, {}}));
    };
    ack(40000, syn(40000));
    const uint32_t second = syn(40001), third = syn(40002);
    ack(40001, second);  // a backlog of one takes two
    h.sent.clear();
    ack(40002, third);
    EXPECT_EQ(h.stack.trace().drops_for(DropReason::TCP_LISTEN_OVERFLOW), 1u);
    EXPECT_EQ(h.stack.trace().value(Mib::TcpExtListenOverflows), 1u);
    EXPECT_EQ(h.stack.trace().value(Mib::TcpExtEmbryonicRsts), abort_on_overflow ? 1u : 0u);
    ASSERT_EQ(h.sent.size(), abort_on_overflow ? 1u : 0u);
    if (abort_on_overflow) {
      EXPECT_TRUE(tcp_of(h.sent[0]).rst());
    }
    ASSERT_TRUE(h.pass(1500ms));
    EXPECT_EQ(h.sent.size(), 1u) << "with the sysctl no SYN-ACK follows the reset";
  }
}

TEST(Listen, TheSynIsKeptForWhoAsks) {
  RawHost h;
  const int l = h.listen(80);
  ASSERT_TRUE(h.stack.sockets().sys_setsockopt(l, IPPROTO_TCP, TCP_SAVE_SYN, 1));
  test::RawConnection c(h, l, 80, 40000, {2, 4, 5, 180});
  test::Bytes small(10), saved(100);
  EXPECT_EQ(h.stack.sockets().sys_getsockopt(c.fd, IPPROTO_TCP, TCP_SAVED_SYN, small).error(), EINVAL);
  saved.resize(*h.stack.sockets().sys_getsockopt(c.fd, IPPROTO_TCP, TCP_SAVED_SYN, saved));
  EXPECT_EQ(saved, syn_from(40000, test::RawConnection::kIsn, {2, 4, 5, 180}));
  EXPECT_EQ(*h.stack.sockets().sys_getsockopt(c.fd, IPPROTO_TCP, TCP_SAVED_SYN, saved), 0u) << "only once";
}

// --- Fast Open

test::Bytes fastopen_syn(uint16_t port) {
  return test::tcp_packet({port, 80, 1000, 0, TCPHDR_SYN, 65535, {}, {'d', 'a', 't', 'a'}});
}

TEST(FastOpen, ResetChildrenCountForAMinute) {
  RawHost h;
  h.stack.ns().sysctl.tcp_fastopen = 0x202;
  const int l = h.listen(80);
  ASSERT_TRUE(h.stack.sockets().sys_setsockopt(l, IPPROTO_TCP, TCP_FASTOPEN, 1));
  h.put_in(fastopen_syn(40000));
  ASSERT_TRUE(h.stack.sockets().sys_accept(l));
  h.put_in(test::tcp_packet({40000, 80, 1005, 0, TCPHDR_RST, 0, {}, {}}));
  h.put_in(fastopen_syn(40001));
  EXPECT_EQ(ntohl(tcp_of(h.sent.back()).ack_seq), 1001u) << "no room: the data is not taken";
  EXPECT_EQ(h.stack.trace().value(Mib::TcpExtTCPFastOpenListenOverflow), 1u);
  ASSERT_TRUE(h.pass(61s));
  h.put_in(fastopen_syn(40002));
  EXPECT_EQ(ntohl(tcp_of(h.sent.back()).ack_seq), 1005u);
  EXPECT_EQ(h.stack.trace().value(Mib::TcpExtTCPFastOpenPassive), 2u);
}

// The request of an accepted child outlives its listener.
TEST(FastOpen, TheListenerMayGoBeforeTheHandshakeIsOver) {
  RawHost h;
  h.stack.ns().sysctl.tcp_fastopen = 0x202;
  const int l = h.listen(80);
  ASSERT_TRUE(h.stack.sockets().sys_setsockopt(l, IPPROTO_TCP, TCP_FASTOPEN, 5));
  h.put_in(fastopen_syn(40000));
  const int c = *h.stack.sockets().sys_accept(l);
  const uint32_t isn = ntohl(tcp_of(h.sent.back()).seq);
  ASSERT_TRUE(h.stack.sockets().sys_close(l));
  ASSERT_TRUE(h.pass(1500ms));
  EXPECT_TRUE(tcp_of(h.sent.back()).syn()) << "the SYN-ACK is repeated";
  h.put_in(test::tcp_packet({40000, 80, 1005, isn + 1, TCPHDR_ACK, 65535, {}, {}}));
  EXPECT_EQ(h.tcp(c).skc_state, tcp_state::ESTABLISHED);
  EXPECT_EQ(read_all(h.stack, c), "data");
}

TEST(FastOpen, CookieOfOneConnectionOpensTheNext) {
  TestPair t;
  t.b.ns().sysctl.tcp_fastopen = 0x402;
  const int l = t.listen_b(80);
  const SocketAddress to{t.b_addr, 80};
  const int first = *t.a.sockets().sys_socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(t.a.sockets().sys_sendto(first, bytes_of("one"), MSG_FASTOPEN, &to).error(), EINPROGRESS);
  t.settle();
  EXPECT_EQ(info_of(t.a, first).tcpi_fastopen_client_fail, TFO_COOKIE_UNAVAILABLE);
  ASSERT_TRUE(t.b.sockets().sys_accept(l));
  const int second = *t.a.sockets().sys_socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(*t.a.sockets().sys_sendto(second, bytes_of("two"), MSG_FASTOPEN, &to), 3u);
  t.settle();
  Result<int> s = t.b.sockets().sys_accept(l);
  ASSERT_TRUE(s);
  EXPECT_EQ(read_all(t.b, *s), "two");
  EXPECT_EQ(t.a.trace().value(Mib::TcpExtTCPFastOpenActive), 1u);
  EXPECT_EQ(t.b.trace().value(Mib::TcpExtTCPFastOpenPassive), 1u);
  EXPECT_EQ(t.b.trace().value(Mib::TcpExtTCPFastOpenCookieReqd), 1u);
  t.a.tcp().metrics().flush();
  const int third = *t.a.sockets().sys_socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(t.a.sockets().sys_sendto(third, bytes_of("three"), MSG_FASTOPEN, &to).error(), EINPROGRESS);
}

// --- ports

TEST(Ports, ConnectAndBindTakeDifferentParities) {
  TestPair t;
  t.listen_b(80);
  std::set<uint16_t> connected, bound;
  for (int i = 0; i < 20; ++i) {
    const int c = *t.a.sockets().sys_socket(AF_INET, SOCK_STREAM, 0),
              b = *t.a.sockets().sys_socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(t.a.sockets().sys_connect(c, {t.b_addr, 80}).error(), EINPROGRESS);
    connected.insert(t.a.sockets().sys_getsockname(c)->port);
    ASSERT_TRUE(t.a.sockets().sys_bind(b, {t.a_addr, 0}));
    bound.insert(t.a.sockets().sys_getsockname(b)->port);
  }
  EXPECT_EQ(connected.size(), 20u) << "no port twice";
  EXPECT_EQ(bound.size(), 20u);
  for (uint16_t p : connected) EXPECT_EQ(p % 2, 0) << p;
  for (uint16_t p : bound) EXPECT_EQ(p % 2, 1) << p;
}

TEST(Ports, BothHalvesAreUsedBeforeNoneIsLeft) {
  TestPair t;
  t.a.ns().sysctl.ip_local_port_range_low = 50000;
  t.a.ns().sysctl.ip_local_port_range_high = 50005;
  t.listen_b(80);
  std::set<uint16_t> ports;
  for (int i = 0; i < 6; ++i) {
    const int c = *t.a.sockets().sys_socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(t.a.sockets().sys_connect(c, {t.b_addr, 80}).error(), EINPROGRESS);
    ports.insert(t.a.sockets().sys_getsockname(c)->port);
  }
  EXPECT_EQ(ports, (std::set<uint16_t>{50000, 50001, 50002, 50003, 50004, 50005}));
  const int c = *t.a.sockets().sys_socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(t.a.sockets().sys_connect(c, {t.b_addr, 80}).error(), EADDRNOTAVAIL);
  const int other = *t.a.sockets().sys_socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(t.a.sockets().sys_connect(other, {t.b_addr, 81}).error(), EINPROGRESS) << "another destination";
}

// tcp_tw_reuse: the port of a connection in TIME_WAIT may be taken again once tcp_tw_reuse_delay is over.
TEST(Ports, TimeWaitGivesWayWhenTimestampsKeepConnectionsApart) {
  TestPair t;
  t.a.ns().sysctl.ip_local_port_range_low = t.a.ns().sysctl.ip_local_port_range_high = 50000;
  t.a.ns().sysctl.tcp_tw_reuse = 1;
  const int l = t.listen_b(80);
  auto [c, s] = t.connect_to(l, 80);
  ASSERT_TRUE(t.a.sockets().sys_close(c));
  t.settle();
  ASSERT_TRUE(t.b.sockets().sys_close(s));
  t.settle();
  ASSERT_EQ(t.a.tcp().sockets().at(0).state, "TIME-WAIT");
  const int early = *t.a.sockets().sys_socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(t.a.sockets().sys_connect(early, {t.b_addr, 80}).error(), EADDRNOTAVAIL);
  t.pass(1100ms);
  EXPECT_EQ(t.a.sockets().sys_connect(early, {t.b_addr, 80}).error(), EINPROGRESS);
  t.settle();
  EXPECT_TRUE(t.b.sockets().sys_accept(l));
  EXPECT_EQ(t.a.trace().value(Mib::TcpExtTWRecycled), 1u);
}

// --- connect()

TEST(Connect, IsAskedAgainAsInLinux) {
  TestPair t;
  t.listen_b(80);
  Sockets& s = t.a.sockets();
  const int c = *s.sys_socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(s.sys_connect(c, {t.b_addr, 80}).error(), EINPROGRESS);
  EXPECT_EQ(s.sys_connect(c, {t.b_addr, 80}).error(), EALREADY);
  t.settle();
  EXPECT_TRUE(s.sys_connect(c, {t.b_addr, 80})) << "tells once that it is connected";
  EXPECT_EQ(s.sys_connect(c, {t.b_addr, 80}).error(), EISCONN);
  const int refused = *s.sys_socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(s.sys_connect(refused, {t.b_addr, 81}).error(), EINPROGRESS);
  t.settle();
  EXPECT_EQ(s.sys_connect(refused, {t.b_addr, 81}).error(), ECONNREFUSED);
  EXPECT_EQ(s.sys_connect(refused, {t.b_addr, 80}).error(), EINPROGRESS) << "the socket can be used again";
}

// What the application has not chosen is chosen anew for each attempt; what it has bound stays.
TEST(Connect, AnotherAttemptTakesAnotherPortUnlessBound) {
  TestPair t;
  Sockets& s = t.a.sockets();
  const int c = *s.sys_socket(AF_INET, SOCK_STREAM, 0);
  const auto port_of_refused = [&] {
    EXPECT_EQ(s.sys_connect(c, {t.b_addr, 81}).error(), EINPROGRESS);
    t.settle();
    EXPECT_EQ(s.sys_connect(c, {t.b_addr, 81}).error(), ECONNREFUSED);
    return s.sys_getsockname(c)->port;
  };
  const uint16_t first = port_of_refused();
  EXPECT_NE(port_of_refused(), first);
  ASSERT_TRUE(s.sys_bind(c, {t.a_addr, 5555}));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(port_of_refused(), 5555);
    EXPECT_EQ(s.sys_getsockname(c)->address, t.a_addr);
  }
  EXPECT_EQ(s.sys_bind(c, {t.a_addr, 5556}).error(), EINVAL);
}

// RFC 6528: who does not know the key learns nothing from one connection about the next.
TEST(Connect, NumbersAreAKeyedHashAndAClock) {
  const auto numbers = [](uint64_t seed) {
    SkbPool pool;
    Stack s({.hostname = "a", .seed = seed, .pool = &pool});
    s.advance(Instant{1s});
    sock_common sk;
    sk.skc_rcv_saddr = test::kHost;
    sk.skc_daddr = test::kPeer;
    sk.skc_num = 50000;
    sk.skc_dport = 80;
    const uint32_t first = secure_tcp_seq(s.ns(), sk).v;
    sk.skc_dport = 81;
    const uint32_t other_port = secure_tcp_seq(s.ns(), sk).v;
    sk.skc_dport = 80;
    s.advance(Instant{1s + 64us});
    return std::tuple{first, other_port, secure_tcp_seq(s.ns(), sk).v};
  };
  const auto [first, other_port, later] = numbers(1);
  EXPECT_EQ(later - first, 1000u) << "64 ns a tick";
  EXPECT_NE(other_port, first);
  EXPECT_EQ(numbers(1), std::tuple(first, other_port, later)) << "the seed decides";
  EXPECT_NE(std::get<0>(numbers(2)), first);
}

// IP_RECVERR: who said it, and about which destination.
TEST(Connect, AnIcmpErrorOnTheErrorQueueNamesItsSender) {
  RawHost h;
  Sockets& s = h.stack.sockets();
  const int c = *s.sys_socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_TRUE(s.sys_setsockopt(c, IPPROTO_IP, IP_RECVERR, 1));
  ASSERT_EQ(s.sys_connect(c, {test::kPeer, 80}).error(), EINPROGRESS);
  ASSERT_TRUE(h.settle());
  test::Bytes error{3, 1, 0, 0, 0, 0, 0, 0};  // host unreachable
  error.insert(error.end(), h.sent.back().begin(), h.sent.back().begin() + 28);
  const uint16_t sum = csum_fold(csum_partial(error.data(), static_cast<uint32_t>(error.size()), 0));
  std::memcpy(&error[2], &sum, sizeof sum);
  const IpAddress router = *parse_ip("192.168.0.2");
  h.put_in(test::ip_packet(1, error, router));
  test::Bytes data(100), control(200);
  const std::span<uint8_t> iov[] = {data};
  SocketAddress name;
  MsgRecv msg{.msg_iov = iov, .msg_flags = MSG_ERRQUEUE, .msg_name = &name, .msg_control = control};
  ASSERT_EQ(*s.sys_recvmsg(c, msg), 8u);
  EXPECT_EQ(name, (SocketAddress{test::kPeer, 80}));
  struct {
    sock_extended_err ee;
    sockaddr_in offender;
  } told;
  ASSERT_EQ(msg.msg_controllen, CMSG_SPACE(sizeof told));
  std::memcpy(&told, control.data() + CMSG_LEN(0), sizeof told);
  EXPECT_EQ(told.ee.ee_errno, static_cast<uint32_t>(EHOSTUNREACH));
  EXPECT_EQ(told.offender.sin_family, AF_INET);
  EXPECT_EQ(IpAddress::v4_from_wire(told.offender.sin_addr.s_addr), router);
}

// --- routes and metrics

TEST(RouteMetrics, AdvmssAndLockedMtuDecideTheHandshake) {
  RawHost h;
  ASSERT_TRUE(h.stack.ip().change_route(*parse_prefix("192.0.2.0/24"), h.dev,
                                        {.mtu = 1000, .advmss = 700, .mtu_locked = true}));
  const int l = h.listen(80);
  test::RawConnection c(h, l, 80, 40000, {2, 4, 5, 180});
  ASSERT_GE(c.fd, 0);
  const TcpOptions synack = parse_tcp_options(tcp_of(h.sent[0]).option_bytes());
  EXPECT_EQ(synack.mss, 700);
  EXPECT_EQ(c.tcp().mss_cache, 960) << "the route's MTU";
  h.stack.ip().update_pmtu(test::kPeer, 600);
  EXPECT_EQ((*h.stack.ip().route_output(test::kPeer))->mtu, 1000u) << "locked: ICMP is not believed";
}

TEST(Metrics, ALongKnownRttDecidesTheFirstTimeout) {
  TestPair t;
  const int l = t.listen_b(80);
  t.a.tcp().metrics().get(t.a_addr, t.b_addr).rtt_us = 800'000 * 8;
  auto [c, s] = t.connect_to(l, 80);
  EXPECT_EQ(info_of(t.a, c).tcpi_rto, 3u * 800'000);
}

TEST(Metrics, AConnectionLeavesItsRttBehindUnlessToldNotTo) {
  for (const int no_save : {0, 1}) {
    TestPair t;
    t.a.ns().sysctl.tcp_no_metrics_save = no_save;
    auto [c, s] = t.connect_to(t.listen_b(80), 80);
    ASSERT_TRUE(t.a.sockets().sys_close(c));
    t.settle();
    ASSERT_TRUE(t.b.sockets().sys_close(s));
    t.settle();
    const tcp_metrics_block* m = t.a.tcp().metrics().find(t.a_addr, t.b_addr);
    EXPECT_EQ(m && m->rtt_us, !no_save);
  }
}

TEST(Metrics, OldestEntryGoesWhenThereAreTooMany) {
  TcpMetrics m;
  for (uint32_t i = 0; i <= TcpMetrics::kMost; ++i) m.get(IpAddress::v4(1), IpAddress::v4(i + 100)).rtt_us = i + 1;
  EXPECT_EQ(m.size(), TcpMetrics::kMost);
  EXPECT_EQ(m.find(IpAddress::v4(1), IpAddress::v4(100)), nullptr);
  EXPECT_NE(m.find(IpAddress::v4(1), IpAddress::v4(101)), nullptr);
}

}  // namespace
}  // namespace glass
