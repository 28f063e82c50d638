// TCP between two hosts over an in-memory cable: what a program would see.
#include <array>
#include <cstring>
#include <tuple>

#include "stack/test_pair.h"

namespace glass {
namespace {

TEST(Tcp, HandshakeDataAndClose) {
  TestPair t;
  const int listener = t.listen_b(80);
  auto [c, s] = t.connect_to(listener, 80);
  EXPECT_EQ(*t.a.sockets().sys_sendto(c, bytes_of("hello")), 5u);
  t.settle();
  EXPECT_EQ(read_all(t.b, s), "hello");
  EXPECT_TRUE(t.a.sockets().sys_close(c));
  t.settle();
  std::vector<uint8_t> buffer(10);
  EXPECT_EQ(t.b.sockets().sys_recvfrom(s, buffer).value_or(99), 0u) << "the end of the stream";
  EXPECT_TRUE(t.b.sockets().sys_close(s));
  t.pass(61s);
  EXPECT_EQ(t.a.tcp().sockets().size(), 0u) << "TIME_WAIT is over";
  EXPECT_EQ(t.b.tcp().sockets().size(), 1u) << "the listener";
  EXPECT_EQ(t.a.trace().drops(), 0u);
  EXPECT_EQ(t.b.trace().drops(), 0u);
}

TEST(Tcp, ConnectToClosedPortIsRefused) {
  TestPair t;
  const int c = *t.a.sockets().sys_socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(t.a.sockets().sys_connect(c, {t.b_addr, 81}).error(), EINPROGRESS);
  t.settle();
  EXPECT_EQ(*t.a.sockets().sys_getsockopt(c, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
  EXPECT_EQ(t.b.trace().drops_for(DropReason::NO_SOCKET), 1u);
}

TEST(Tcp, BulkTransferArrivesWhole) {
  TestPair t;
  auto [c, s] = t.connect_to(t.listen_b(80), 80);
  std::string sent, got;
  for (int i = 0; sent.size() < 3'000'000; ++i) sent += std::to_string(i) + " ";
  size_t done = 0;
  for (int round = 0; round < 100'000 && got.size() < sent.size(); ++round) {
    if (done < sent.size())
      if (Result<size_t> n = t.a.sockets().sys_sendto(c, bytes_of(std::string_view(sent).substr(done)))) done += *n;
    t.pass(100us);
    got += read_all(t.b, s);
  }
  EXPECT_EQ(got.size(), sent.size());
  EXPECT_EQ(got, sent);
}

TEST(Tcp, HalfCloseLeavesTheOtherDirectionOpen) {
  TestPair t;
  auto [c, s] = t.connect_to(t.listen_b(80), 80);
  EXPECT_TRUE(t.a.sockets().sys_shutdown(c, SHUT_WR));
  t.settle();
  EXPECT_EQ(*t.b.sockets().sys_sendto(s, bytes_of("late")), 4u);
  t.settle();
  EXPECT_EQ(read_all(t.a, c), "late");
  EXPECT_EQ(t.a.sockets().sys_sendto(c, bytes_of("x")).error(), EPIPE);
}

TEST(Tcp, SimultaneousOpen) {
  TestPair t;
  const int ca = *t.a.sockets().sys_socket(AF_INET, SOCK_STREAM, 0),
            cb = *t.b.sockets().sys_socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_TRUE(t.a.sockets().sys_bind(ca, {t.a_addr, 1000}));
  ASSERT_TRUE(t.b.sockets().sys_bind(cb, {t.b_addr, 2000}));
  EXPECT_EQ(t.a.sockets().sys_connect(ca, {t.b_addr, 2000}).error(), EINPROGRESS);
  EXPECT_EQ(t.b.sockets().sys_connect(cb, {t.a_addr, 1000}).error(), EINPROGRESS);
  t.settle();
  EXPECT_EQ(t.a.tcp().sockets().at(0).state, "ESTAB");
  EXPECT_EQ(t.b.tcp().sockets().at(0).state, "ESTAB");
  EXPECT_EQ(*t.a.sockets().sys_sendto(ca, bytes_of("both")), 4u);
  t.settle();
  EXPECT_EQ(read_all(t.b, cb), "both");
}

TEST(Tcp, SimultaneousCloseEndsInTimeWaitOnBothSides) {
  TestPair t;
  auto [c, s] = t.connect_to(t.listen_b(80), 80);
  EXPECT_TRUE(t.a.sockets().sys_close(c));
  EXPECT_TRUE(t.b.sockets().sys_close(s));
  t.settle();
  EXPECT_EQ(t.a.tcp().sockets().at(0).state, "TIME-WAIT");
  EXPECT_EQ(t.b.tcp().sockets().at(1).state, "TIME-WAIT");
}

TEST(Tcp, CloseWithUnreadDataResets) {
  TestPair t;
  auto [c, s] = t.connect_to(t.listen_b(80), 80);
  EXPECT_EQ(*t.a.sockets().sys_sendto(c, bytes_of("never read")), 10u);
  t.settle();
  EXPECT_TRUE(t.b.sockets().sys_close(s));
  t.settle();
  EXPECT_EQ(*t.a.sockets().sys_getsockopt(c, SOL_SOCKET, SO_ERROR), ECONNRESET);
  EXPECT_EQ(t.b.trace().drops_for(DropReason::SOCKET_CLOSE), 1u);
}

TEST(Tcp, ZeroWindowIsProbedAndReopens) {
  TestPair t;
  auto [c, s] = t.connect_to(t.listen_b(80), 80);
  std::vector<uint8_t> block(65536, 'z');
  size_t sent = 0;
  for (int i = 0; i < 400; ++i) {
    if (Result<size_t> n = t.a.sockets().sys_sendto(c, block)) sent += *n;
    t.pass(1ms);
  }
  t.pass(5s);
  EXPECT_GT(t.a.trace().value(Mib::TcpExtTCPWinProbe), 0u);
  size_t got = 0;
  for (int i = 0; i < 2000 && got < sent; ++i) {
    got += read_all(t.b, s).size();
    t.pass(20ms);
  }
  EXPECT_EQ(got, sent);
}

TEST(Tcp, SynIsRepeatedAndGivesUp) {
  TestPair t;
  t.b0->up = false;
  const int c = *t.a.sockets().sys_socket(AF_INET, SOCK_STREAM, 0);
  t.a0->qdisc = *make_qdisc(t.a.ns(), "netem loss 100%", 1);
  EXPECT_EQ(t.a.sockets().sys_connect(c, {t.b_addr, 80}).error(), EINPROGRESS);
  t.pass(300s);
  EXPECT_EQ(*t.a.sockets().sys_getsockopt(c, SOL_SOCKET, SO_ERROR), ETIMEDOUT);
  EXPECT_EQ(t.a.trace().value(Mib::TcpExtTCPSynRetrans), 10u);
}

// SO_TIMESTAMP and SO_TIMESTAMPNS: one or the other says when what is read had come.
TEST(Tcp, ReadingTellsWhenTheDataCame) {
  TestPair t;
  auto [c, s] = t.connect_to(t.listen_b(80), 80);
  Sockets& b = t.b.sockets();
  const auto stamp_of_next = [&, c = c, s = s] {
    const auto came = t.b.now();
    EXPECT_EQ(*t.a.sockets().sys_sendto(c, bytes_of("hello")), 5u);
    t.settle();
    t.pass(1s);
    std::vector<uint8_t> data(5), control(100);
    const std::span<uint8_t> iov[] = {data};
    MsgRecv msg{.msg_iov = iov, .msg_control = control};
    EXPECT_EQ(*b.sys_recvmsg(s, msg), 5u);
    cmsghdr c_hdr{};
    std::array<int64_t, 2> value{};
    if (msg.msg_controllen) {
      EXPECT_EQ(msg.msg_controllen, CMSG_SPACE(sizeof value));
      std::memcpy(&c_hdr, control.data(), sizeof c_hdr);
      std::memcpy(&value, control.data() + CMSG_LEN(0), sizeof value);
    }
    const int64_t ns = came.time_since_epoch().count();
    const int64_t unit = c_hdr.cmsg_type == SO_TIMESTAMP ? 1000 : 1;
    return std::tuple(c_hdr.cmsg_type, value[0] == ns / 1'000'000'000 && value[1] == ns % 1'000'000'000 / unit);
  };
  EXPECT_EQ(std::get<0>(stamp_of_next()), 0) << "nobody asked";
  ASSERT_TRUE(b.sys_setsockopt(s, SOL_SOCKET, SO_TIMESTAMP, 1));
  EXPECT_EQ(stamp_of_next(), std::tuple(SO_TIMESTAMP, true));
  ASSERT_TRUE(b.sys_setsockopt(s, SOL_SOCKET, SO_TIMESTAMPNS, 1));
  EXPECT_EQ(stamp_of_next(), std::tuple(SO_TIMESTAMPNS, true));
}

TEST(Tcp, KeepaliveFindsADeadPeer) {
  TestPair t;
  auto [c, s] = t.connect_to(t.listen_b(80), 80);
  for (auto [name, value] : {std::pair{TCP_KEEPIDLE, 10}, {TCP_KEEPINTVL, 5}, {TCP_KEEPCNT, 3}})
    ASSERT_TRUE(t.a.sockets().sys_setsockopt(c, IPPROTO_TCP, name, value));
  ASSERT_TRUE(t.a.sockets().sys_setsockopt(c, SOL_SOCKET, SO_KEEPALIVE, 1));
  t.pass(60s);
  EXPECT_EQ(t.a.tcp().sockets().at(0).state, "ESTAB") << "the peer answers";
  t.a0->qdisc = *make_qdisc(t.a.ns(), "netem loss 100%", 1);
  t.pass(60s);
  EXPECT_EQ(*t.a.sockets().sys_getsockopt(c, SOL_SOCKET, SO_ERROR), ETIMEDOUT);
}

TEST(Tcp, DelayedAckComesAfterFortyMilliseconds) {
  TestPair t;
  auto [c, s] = t.connect_to(t.listen_b(80), 80);
  for (int i = 0; i < 40; ++i) {  // beyond the quick ACKs of the start, into interactive mode
    ASSERT_EQ(*t.a.sockets().sys_sendto(c, bytes_of("q")), 1u);
    t.settle();
    EXPECT_EQ(read_all(t.b, s), "q");
    ASSERT_EQ(*t.b.sockets().sys_sendto(s, bytes_of("r")), 1u);
    t.settle();
    EXPECT_EQ(read_all(t.a, c), "r");
    t.pass(1ms);
  }
  t.pass(1s);
  const uint64_t before_it = t.b.trace().value(Mib::TcpExtDelayedACKs);
  ASSERT_EQ(*t.a.sockets().sys_sendto(c, bytes_of("q")), 1u);
  t.pass(30ms);
  (void)read_all(t.b, s);
  t.pass(400ms);
  EXPECT_LE(t.b.trace().value(Mib::TcpExtDelayedACKs), before_it + 1);
}

}  // namespace
}  // namespace glass
