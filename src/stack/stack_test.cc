#include "stack/test_pair.h"

namespace glass {
namespace {

TEST(Stack, NothingToDoWhenNew) {
  Stack s;
  EXPECT_EQ(s.next_deadline(), kNever);
  EXPECT_FALSE(s.poll(Instant(1s)));
  EXPECT_EQ(s.now(), Instant(1s));
}

TEST(Stack, TimeNeverGoesBack) {
  Stack s;
  s.advance(Instant(5s));
  s.advance(Instant(3s));
  EXPECT_EQ(s.now(), Instant(5s));
}

TEST(Stack, LoopbackCarriesTcpWithinOneHost) {
  Stack s;
  s.advance(Instant(1s));
  const int l = *s.sockets().sys_socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_TRUE(s.sockets().sys_bind(l, {IpAddress::v4(127, 0, 0, 1), 80}));
  ASSERT_TRUE(s.sockets().sys_listen(l, 1));
  const int c = *s.sockets().sys_socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(s.sockets().sys_connect(c, {IpAddress::v4(127, 0, 0, 1), 80}).error(), EINPROGRESS);
  while (s.poll(Instant(1s))) {
  }
  const int a = *s.sockets().sys_accept(l);
  EXPECT_EQ(*s.sockets().sys_sendto(c, bytes_of("loop")), 4u);
  while (s.poll(Instant(1s))) {
  }
  EXPECT_EQ(read_all(s, a), "loop");
}

TEST(Stack, BacklogLimitDrops) {
  Stack s;
  s.advance(Instant(1s));
  s.ns().sysctl.netdev_max_backlog = 3;
  const int u = *s.sockets().sys_socket(AF_INET, SOCK_DGRAM, 0);
  const SocketAddress self{IpAddress::v4(127, 0, 0, 1), 9};
  for (int i = 0; i < 10; ++i) (void)s.sockets().sys_sendto(u, bytes_of("x"), 0, &self);
  EXPECT_GT(s.trace().drops_for(DropReason::CPU_BACKLOG), 0u);
}

TEST(Sockets, LowestFreeDescriptorFirst) {
  Stack s;
  const int a = *s.sockets().sys_socket(AF_INET, SOCK_STREAM, 0), b = *s.sockets().sys_socket(AF_INET, SOCK_DGRAM, 0);
  EXPECT_EQ(a, 0);
  EXPECT_EQ(b, 1);
  ASSERT_TRUE(s.sockets().sys_close(a));
  EXPECT_EQ(*s.sockets().sys_socket(AF_INET, SOCK_STREAM, 0), 0);
  EXPECT_EQ(s.sockets().sys_close(7).error(), EBADF);
  EXPECT_EQ(s.sockets().sys_socket(AF_UNIX, SOCK_STREAM, 0).error(), EAFNOSUPPORT);
}

}  // namespace
}  // namespace glass
