#include <gtest/gtest.h>

#include <cstring>

#include "drill/target.h"
#include "support/raw_host.h"

namespace glass::drill {
namespace {

using test::RawSegment;

sockaddr_in address(const IpAddress& a, uint16_t port) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(port);
  in.sin_addr.s_addr = a.v4_wire();
  return in;
}

// A script's hand: calls, segments and time.
struct GlassTargetTest : testing::Test {
  Addresses where;
  std::unique_ptr<Target> target = make_glass_target(where);
  uint32_t seq = 1, ack = 0;  // what the peer sends and acknowledges next
  std::array<uint8_t, 200000> buffer{};

  static constexpr int64_t kBlocked = INT64_MIN;
  // Starts a call; its result, or kBlocked.
  int64_t call(std::function<int64_t(Syscalls&)> f) {
    target->start_call(std::move(f));
    const auto done = target->finished_call();
    return done ? done->result : kBlocked;
  }
  void inject(RawSegment s) {
    s.dest = where.bind_port;
    target->inject(test::tcp_packet(s, where.remote, where.local), 0);
  }
  void inject_here(RawSegment s) {
    s.seq += seq;
    s.ack += ack;
    inject(s);
  }
  // Runs to `until`, letting packets pass; the call's end, if it ended.
  std::optional<Target::Finished> run(int64_t until) {
    while (target->now_us() < until) {
      target->run_until(until);
      if (auto done = target->finished_call()) return done;
    }
    return {};
  }
  struct Segment {
    int64_t time;
    tcphdr header;
    size_t payload;
  };
  std::optional<Segment> sent() {
    const auto p = target->next_packet();
    if (!p) return {};
    Segment s{p->time_us, {}, 0};
    std::memcpy(&s.header, p->bytes.data() + sizeof(iphdr), sizeof s.header);
    s.payload = p->bytes.size() - sizeof(iphdr) - s.header.doff();
    return s;
  }
  int listen() {
    const int fd = static_cast<int>(call([](Syscalls& s) { return s.socket(AF_INET, SOCK_STREAM, IPPROTO_TCP); }));
    const sockaddr_in in = address(where.local, where.bind_port);
    EXPECT_EQ(call([&](Syscalls& s) { return s.bind(fd, reinterpret_cast<const sockaddr*>(&in), sizeof in); }), 0);
    EXPECT_EQ(call([&](Syscalls& s) { return s.listen(fd, 4); }), 0);
    return fd;
  }
  void handshake(uint16_t window = 65535) {
    inject({.seq = 0, .flags = TCPHDR_SYN, .window = window});
    const auto synack = sent();
    ASSERT_TRUE(synack);
    EXPECT_EQ(synack->header.flags, TCPHDR_SYN | TCPHDR_ACK);
    ack = ntohl(synack->header.seq) + 1;
    inject_here({.flags = TCPHDR_ACK, .window = window});
  }
  int accept(int listener) {
    return static_cast<int>(call([=](Syscalls& s) { return s.accept(listener, nullptr, nullptr); }));
  }
  int connected() {
    const int listener = listen();
    handshake();
    return accept(listener);
  }
  std::function<int64_t(Syscalls&)> read(int fd, size_t n, int flags = 0) {
    return [=, this](Syscalls& s) {
      iovec v{buffer.data(), n};
      msghdr m{};
      m.msg_iov = &v;
      m.msg_iovlen = 1;
      return s.recvmsg(fd, &m, flags);
    };
  }
  std::function<int64_t(Syscalls&)> write(int fd, size_t n) {
    return [=, this](Syscalls& s) {
      const iovec v{buffer.data(), n};
      return s.writev(fd, &v, 1);
    };
  }
  int64_t set(int fd, int level, int name, const auto& value) {
    return call([&](Syscalls& s) { return s.setsockopt(fd, level, name, &value, sizeof value); });
  }
};

TEST_F(GlassTargetTest, TimeIsTheScriptsAndMovesOnlyWhenAsked) {
  EXPECT_EQ(target->now_us(), 0);
  target->run_until(3'000'000);
  EXPECT_EQ(target->now_us(), 3'000'000);
  target->run_until(1);
  EXPECT_EQ(target->now_us(), 3'000'000);
}

TEST_F(GlassTargetTest, DescriptorsBeginAtThree) {
  EXPECT_EQ(listen(), 3);
  EXPECT_EQ(call([](Syscalls& s) { return s.close(3); }), 0);
  EXPECT_EQ(call([](Syscalls& s) { return s.close(3); }), -EBADF);
  EXPECT_EQ(listen(), 3);
}

TEST_F(GlassTargetTest, PacketsCarryTheInstantTheyLeft) {
  listen();
  inject({.seq = 0, .flags = TCPHDR_SYN});
  ASSERT_TRUE(sent());
  target->run_until(5'000'000);  // stops at the repeated SYN-ACK
  const auto again = sent();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->time, target->now_us());
  EXPECT_NEAR(static_cast<double>(again->time), 1e6, 2e5);
}

TEST_F(GlassTargetTest, AcceptBlocksUntilTheHandshakeIsDone) {
  const int listener = listen();
  EXPECT_EQ(accept(listener), static_cast<int>(kBlocked));
  EXPECT_FALSE(run(100'000));
  handshake();
  const auto done = target->finished_call();
  ASSERT_TRUE(done);
  EXPECT_EQ(done->result, 4);
  EXPECT_EQ(done->time_us, 100'000);
}

TEST_F(GlassTargetTest, NonBlockingCallsNeverWait) {
  const int fd = connected();
  EXPECT_EQ(call([&](Syscalls& s) { return s.fcntl(fd, F_GETFL, 0); }), O_RDWR);
  EXPECT_EQ(call([&](Syscalls& s) { return s.fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK); }), 0);
  EXPECT_EQ(call([&](Syscalls& s) { return s.fcntl(fd, F_GETFL, 0); }), O_RDWR | O_NONBLOCK);
  EXPECT_EQ(call(read(fd, 10)), -EAGAIN);
}

TEST_F(GlassTargetTest, ReadBlocksUntilThereIsSomething) {
  const int fd = connected();
  EXPECT_EQ(call(read(fd, 2000)), kBlocked);
  EXPECT_FALSE(run(50'000));
  inject_here({.payload = test::Bytes(700)});
  const auto done = target->finished_call();
  ASSERT_TRUE(done);
  EXPECT_EQ(done->result, 700);
}

TEST_F(GlassTargetTest, WaitAllKeepsWhatCameBefore) {
  const int fd = connected();
  EXPECT_EQ(call(read(fd, 1000, MSG_WAITALL)), kBlocked);
  inject_here({.payload = test::Bytes(400, 'a')});
  EXPECT_FALSE(run(50'000));
  inject_here({.seq = 400, .payload = test::Bytes(700, 'b')});
  const auto done = target->finished_call();
  ASSERT_TRUE(done);
  EXPECT_EQ(done->result, 1000);
  EXPECT_EQ(buffer[399], 'a');
  EXPECT_EQ(buffer[400], 'b');
  EXPECT_EQ(call(read(fd, 1000)), 100);
}

TEST_F(GlassTargetTest, ReceiveTimeoutEndsARead) {
  const int fd = connected();
  EXPECT_EQ(set(fd, SOL_SOCKET, SO_RCVTIMEO, timeval{0, 300'000}), 0);
  EXPECT_EQ(call(read(fd, 10)), kBlocked);
  const auto done = run(2'000'000);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->result, -EAGAIN);
  EXPECT_EQ(done->time_us, 300'000);
}

TEST_F(GlassTargetTest, WriteBlocksUntilAllIsTaken) {
  const int fd = connected();
  EXPECT_EQ(set(fd, SOL_SOCKET, SO_SNDBUF, 21000), 0);
  EXPECT_EQ(call(write(fd, 100'000)), kBlocked);
  size_t acknowledged = 0;
  std::optional<Target::Finished> done;
  for (int i = 0; i < 100 && !done; ++i) {
    while (const auto s = sent()) acknowledged += s->payload;
    inject_here({.ack = static_cast<uint32_t>(acknowledged)});
    done = target->finished_call();
    if (!done) done = run(target->now_us() + 10'000);
  }
  ASSERT_TRUE(done);
  EXPECT_EQ(done->result, 100'000);
}

TEST_F(GlassTargetTest, ConnectBlocksUntilTheAnswer) {
  const int fd = static_cast<int>(call([](Syscalls& s) { return s.socket(AF_INET, SOCK_STREAM, 0); }));
  const sockaddr_in to = address(where.remote, 8080);
  const auto connect = [&](Syscalls& s) { return s.connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to); };
  EXPECT_EQ(call(connect), kBlocked);
  const auto syn = sent();
  ASSERT_TRUE(syn);
  EXPECT_FALSE(run(100'000));
  RawSegment answer{.source = 8080,
                    .dest = ntohs(syn->header.source),
                    .ack = ntohl(syn->header.seq) + 1,
                    .flags = TCPHDR_SYN | TCPHDR_ACK};
  target->inject(test::tcp_packet(answer, where.remote, where.local), 0);
  const auto done = target->finished_call();
  ASSERT_TRUE(done);
  EXPECT_EQ(done->result, 0);
}

TEST_F(GlassTargetTest, ConnectIsRefused) {
  const int fd = static_cast<int>(call([](Syscalls& s) { return s.socket(AF_INET, SOCK_STREAM, 0); }));
  const sockaddr_in to = address(where.remote, 8080);
  EXPECT_EQ(call([&](Syscalls& s) { return s.connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to); }),
            kBlocked);
  const auto syn = sent();
  ASSERT_TRUE(syn);
  RawSegment answer{.source = 8080,
                    .dest = ntohs(syn->header.source),
                    .ack = ntohl(syn->header.seq) + 1,
                    .flags = TCPHDR_RST | TCPHDR_ACK};
  target->inject(test::tcp_packet(answer, where.remote, where.local), 0);
  const auto done = target->finished_call();
  ASSERT_TRUE(done);
  EXPECT_EQ(done->result, -ECONNREFUSED);
}

TEST_F(GlassTargetTest, CloseLingersUntilTheFinIsAcknowledged) {
  const int fd = connected();
  EXPECT_EQ(set(fd, SOL_SOCKET, SO_LINGER, linger{1, 2}), 0);
  EXPECT_EQ(call([=](Syscalls& s) { return s.close(fd); }), kBlocked);
  EXPECT_FALSE(run(100'000));
  inject_here({.ack = 1});
  auto done = target->finished_call();
  if (!done) done = run(200'000);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->result, 0);
  EXPECT_EQ(done->time_us, 100'000);
}

TEST_F(GlassTargetTest, CloseLingersNoLongerThanAllowed) {
  const int fd = connected();
  EXPECT_EQ(set(fd, SOL_SOCKET, SO_LINGER, linger{1, 2}), 0);
  EXPECT_EQ(call([=](Syscalls& s) { return s.close(fd); }), kBlocked);
  const auto done = run(5'000'000);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->result, 0);
  EXPECT_EQ(done->time_us, 2'000'000);
}

TEST_F(GlassTargetTest, PollWaitsAndTimesOut) {
  const int fd = connected();
  pollfd p{fd, POLLIN, 0};
  EXPECT_EQ(call([&](Syscalls& s) { return s.poll(&p, 1, 0); }), 0);
  EXPECT_EQ(call([&](Syscalls& s) { return s.poll(&p, 1, 100); }), kBlocked);
  auto done = run(1'000'000);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->result, 0);
  EXPECT_EQ(done->time_us, 100'000);
  EXPECT_EQ(call([&](Syscalls& s) { return s.poll(&p, 1, -1); }), kBlocked);
  inject_here({.payload = test::Bytes(1)});
  done = target->finished_call();
  ASSERT_TRUE(done);
  EXPECT_EQ(done->result, 1);
  EXPECT_EQ(p.revents, POLLIN);
}

TEST_F(GlassTargetTest, EpollWaits) {
  const int fd = connected();
  const int ep = static_cast<int>(call([](Syscalls& s) { return s.epoll_create(1); }));
  epoll_event e{.events = EPOLLIN | EPOLLET, .data = {.fd = fd}};
  EXPECT_EQ(call([&](Syscalls& s) { return s.epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e); }), 0);
  EXPECT_EQ(call([&](Syscalls& s) { return s.epoll_wait(ep, &e, 1, 1000); }), kBlocked);
  inject_here({.payload = test::Bytes(1)});
  const auto done = target->finished_call();
  ASSERT_TRUE(done);
  EXPECT_EQ(done->result, 1);
  EXPECT_EQ(e.events, uint32_t{EPOLLIN});
  EXPECT_EQ(call([&](Syscalls& s) { return s.epoll_wait(ep, &e, 1, 0); }), 0);
}

TEST_F(GlassTargetTest, BadPointersAreFaults) {
  const int fd = connected();
  EXPECT_EQ(call([&](Syscalls& s) {
              const iovec v{nullptr, 10};
              return s.writev(fd, &v, 1);
            }),
            -EFAULT);
  inject_here({.payload = test::Bytes(10)});
  EXPECT_EQ(call([&](Syscalls& s) {
              const iovec v{nullptr, 10};
              return s.readv(fd, &v, 1);
            }),
            -EFAULT);
  EXPECT_EQ(call(read(fd, 10)), 10);
}

TEST_F(GlassTargetTest, DropsOfTheInjectedPacketAreTold) {
  connected();
  inject_here({.payload = test::Bytes(10)});
  EXPECT_FALSE(target->last_drop());
  inject_here({.payload = test::Bytes(10)});
  ASSERT_TRUE(target->last_drop());
  EXPECT_EQ(target->last_drop()->reason, "TCP_OLD_DATA");
  EXPECT_FALSE(target->last_drop()->place.empty());
}

TEST_F(GlassTargetTest, SendfileAndSplice) {
  const int fd = connected();
  EXPECT_FALSE(target->command("dd bs=1 count=5 if=/dev/zero of=/tmp/testfile status=none"));
  const int file = static_cast<int>(call([](Syscalls& s) { return s.open("/tmp/testfile", O_RDONLY); }));
  int64_t offset = 0;
  EXPECT_EQ(call([&](Syscalls& s) { return s.sendfile(fd, file, &offset, 5); }), 5);
  EXPECT_EQ(offset, 5);
  const auto data = sent();
  ASSERT_TRUE(data);
  EXPECT_EQ(data->payload, 5u);
  EXPECT_EQ(call([](Syscalls& s) { return s.open("/tmp/other", O_RDONLY); }), -ENOENT);
  int ends[2];
  EXPECT_EQ(call([&](Syscalls& s) { return s.pipe(ends); }), 0);
  inject_here({.payload = test::Bytes(100)});
  EXPECT_EQ(call([&](Syscalls& s) { return s.splice(fd, nullptr, ends[1], nullptr, 99, 0); }), 99);
  EXPECT_EQ(call([&](Syscalls& s) { return s.splice(ends[0], nullptr, fd, nullptr, 99, 0); }), 99);
}

TEST_F(GlassTargetTest, SleepInACommandTakesTime) {
  EXPECT_FALSE(target->command("sleep 2"));
  EXPECT_EQ(target->now_us(), 2'000'000);
  EXPECT_TRUE(target->command("nonsense"));
}

TEST_F(GlassTargetTest, SocketsHaveALineForMessages) {
  const int fd = connected();
  EXPECT_NE(target->socket_line(fd).find("192.0.2.1"), std::string::npos);
  EXPECT_NE(target->last_trace().find("tcp_v4_rcv"), std::string::npos);
}

}  // namespace
}  // namespace glass::drill
