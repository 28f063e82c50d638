// TCP-MD5 (RFC 2385) between two hosts, and against a stranger.
#include <cstring>

#include "stack/test_pair.h"
#include "support/raw_host.h"

namespace glass {
namespace {

Result<void> set_key(Stack& s, int fd, const IpAddress& peer, std::string_view key, int prefix = -1) {
  tcp_md5sig cmd{};
  sockaddr_in sin{};
  sin.sin_family = AF_INET;
  sin.sin_addr.s_addr = peer.v4_wire();
  std::memcpy(&cmd.tcpm_addr, &sin, sizeof sin);
  cmd.tcpm_keylen = static_cast<uint16_t>(key.size());
  std::memcpy(cmd.tcpm_key, key.data(), key.size());
  if (prefix >= 0) {
    cmd.tcpm_flags = TCP_MD5SIG_FLAG_PREFIX;
    cmd.tcpm_prefixlen = static_cast<uint8_t>(prefix);
  }
  return s.sockets().sys_setsockopt(fd, IPPROTO_TCP, prefix < 0 ? TCP_MD5SIG : TCP_MD5SIG_EXT,
                                    {reinterpret_cast<const uint8_t*>(&cmd), sizeof cmd});
}

int client_with_key(TestPair& t, std::string_view key) {
  const int c = *t.a.sockets().sys_socket(AF_INET, SOCK_STREAM, 0);
  if (!key.empty()) {
    EXPECT_TRUE(set_key(t.a, c, t.b_addr, key));
  }
  EXPECT_EQ(t.a.sockets().sys_connect(c, {t.b_addr, 80}).error(), EINPROGRESS);
  t.settle();
  return c;
}

TEST(TcpMd5, SignedConnectionCarriesDataBothWaysAndCloses) {
  TestPair t;
  const int l = t.listen_b(80);
  ASSERT_TRUE(set_key(t.b, l, t.a_addr, "secret"));
  const int c = client_with_key(t, "secret");
  Result<int> s = t.b.sockets().sys_accept(l);
  ASSERT_TRUE(s);
  const std::string text(100'000, 'x');
  size_t sent = 0;
  std::string got;
  for (int i = 0; i < 1000 && got.size() < text.size(); ++i) {
    if (Result<size_t> n = t.a.sockets().sys_sendto(c, bytes_of(std::string_view(text).substr(sent)))) sent += *n;
    t.pass(1ms);
    got += read_all(t.b, *s);
  }
  EXPECT_EQ(got, text);
  ASSERT_TRUE(t.b.sockets().sys_sendto(*s, bytes_of("back")));
  t.settle();
  EXPECT_EQ(read_all(t.a, c), "back");
  ASSERT_TRUE(t.a.sockets().sys_close(c));
  ASSERT_TRUE(t.b.sockets().sys_close(*s));
  t.pass(61s);
  EXPECT_EQ(t.a.tcp().sockets().size(), 0u) << "TIME_WAIT is over";
  EXPECT_EQ(t.a.trace().drops() + t.b.trace().drops(), 0u);
}

TEST(TcpMd5, AnUnsignedSynIsDropped) {
  TestPair t;
  ASSERT_TRUE(set_key(t.b, t.listen_b(80), t.a_addr, "secret"));
  client_with_key(t, "");
  EXPECT_EQ(t.b.trace().drops_for(DropReason::TCP_MD5NOTFOUND), 1u);
  EXPECT_EQ(t.b.trace().value(Mib::TcpExtTCPMD5NotFound), 1u);
}

// Nor does it come in by way of an old connection's TIME_WAIT.
TEST(TcpMd5, AnUnsignedSynDoesNotReopenTimeWait) {
  test::RawHost h;
  const int l = h.listen(80);
  test::RawConnection c(h, l, 80);
  ASSERT_TRUE(h.stack.sockets().sys_close(c.fd));
  h.put_in(c.segment({.ack = 1, .flags = TCPHDR_ACK | TCPHDR_FIN}));
  ASSERT_EQ(h.stack.tcp().timewaits, 1u);
  ASSERT_TRUE(set_key(h.stack, l, test::kPeer, "secret"));
  h.sent.clear();
  h.put_in(c.segment({.seq = 1000, .flags = TCPHDR_SYN}));
  EXPECT_EQ(h.stack.trace().drops_for(DropReason::TCP_MD5NOTFOUND), 1u);
  EXPECT_TRUE(h.sent.empty());
}

TEST(TcpMd5, ASignatureNobodyAskedForIsDropped) {
  TestPair t;
  t.listen_b(80);
  client_with_key(t, "secret");
  EXPECT_EQ(t.b.trace().drops_for(DropReason::TCP_MD5UNEXPECTED), 1u);
}

TEST(TcpMd5, AnotherKeyIsDropped) {
  TestPair t;
  ASSERT_TRUE(set_key(t.b, t.listen_b(80), t.a_addr, "secret"));
  client_with_key(t, "public");
  EXPECT_EQ(t.b.trace().drops_for(DropReason::TCP_MD5FAILURE), 1u);
  EXPECT_EQ(t.b.trace().value(Mib::TcpExtTCPMD5Failure), 1u);
}

TEST(TcpMd5, TheLongestPrefixCounts) {
  TestPair t;
  const int l = t.listen_b(80);
  ASSERT_TRUE(set_key(t.b, l, IpAddress::v4(10, 0, 0, 0), "net", 8));
  ASSERT_TRUE(set_key(t.b, l, t.a_addr, "host", 32));
  client_with_key(t, "host");
  EXPECT_TRUE(t.b.sockets().sys_accept(l));
  ASSERT_TRUE(set_key(t.b, l, t.a_addr, "", 32)) << "an empty key takes it away";
  client_with_key(t, "net");
  EXPECT_TRUE(t.b.sockets().sys_accept(l));
  EXPECT_EQ(set_key(t.b, l, t.a_addr, "").error(), ENOENT);
}

// A reset for a connection nobody knows is signed with the key of the listener the sender might mean.
TEST(TcpMd5, ResetOfALostConnectionIsSigned) {
  TestPair t;
  const int l = t.listen_b(80);
  ASSERT_TRUE(set_key(t.b, l, t.a_addr, "secret"));
  const int c = client_with_key(t, "secret");
  const int s = *t.b.sockets().sys_accept(l);
  // The server forgets the connection without a word, and comes back with a listener on the client's port.
  const uint16_t port = t.a.sockets().sys_getsockname(c)->port;
  t.b0->qdisc = *make_qdisc(t.b.ns(), "netem loss 100%", 1);
  linger abort{1, 0};
  ASSERT_TRUE(
      t.b.sockets().sys_setsockopt(s, SOL_SOCKET, SO_LINGER, {reinterpret_cast<const uint8_t*>(&abort), sizeof abort}));
  ASSERT_TRUE(t.b.sockets().sys_close(s));
  t.settle();
  t.b0->qdisc = nullptr;
  ASSERT_TRUE(set_key(t.b, t.listen_b(port), t.a_addr, "secret"));
  ASSERT_TRUE(t.b.sockets().sys_close(l));
  ASSERT_TRUE(t.a.sockets().sys_sendto(c, bytes_of("anybody?")));
  t.settle();
  EXPECT_EQ(*t.a.sockets().sys_getsockopt(c, SOL_SOCKET, SO_ERROR), ECONNRESET);
  EXPECT_EQ(t.a.trace().drops(), 0u);
}

}  // namespace
}  // namespace glass
