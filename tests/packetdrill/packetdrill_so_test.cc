// libglass-packetdrill.so as packetdrill uses it: linked here, so that its functions stand before the C library's as
// when it is preloaded. The script that it finds on the command line is commands.pkt.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <thread>

#include "cli/packetdrill/interface.h"
#include "support/raw_host.h"

namespace glass {
namespace {

using test::Bytes;
using test::RawSegment;

constexpr uint16_t kPort = 8080;
constexpr int64_t kSecond = 1'000'000, kHour = 3600 * kSecond;

// One target for all tests: packetdrill has one a process.
const packetdrill_interface& interface() {
  static const packetdrill_interface only = [] {
    packetdrill_interface i;
    packetdrill_interface_init(nullptr, &i);
    return i;
  }();
  return only;
}

int64_t now() {
  timeval t{};
  interface().gettimeofday(interface().userdata, &t, nullptr);
  return t.tv_sec * kSecond + t.tv_usec;
}

struct Received {
  Bytes packet;
  int64_t time = 0;
  tcphdr tcp() const {
    tcphdr th;
    std::memcpy(&th, packet.data() + sizeof(iphdr), sizeof th);
    return th;
  }
};

Received receive() {
  Received out{Bytes(65536)};
  size_t size = out.packet.size();
  long long time = 0;
  EXPECT_EQ(interface().netdev_receive(nullptr, out.packet.data(), &size, &time), 0);
  out.packet.resize(size);
  out.time = time;
  return out;
}

void send(const RawSegment& segment) {
  const Bytes packet = test::tcp_packet(segment);
  EXPECT_EQ(interface().netdev_send(nullptr, packet.data(), packet.size()), 0);
}

class PacketdrillSo : public testing::Test {
 protected:
  const packetdrill_interface& i = interface();
  uint16_t port = next_port++;
  static inline uint16_t next_port = kPort;

  // What the connections of the tests before still have to say.
  void SetUp() override {
    while (!receive().packet.empty()) {
    }
  }

  int listener() {
    const int fd = i.socket(nullptr, AF_INET, SOCK_STREAM, IPPROTO_TCP);
    sockaddr_in address{
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {test::kHost.v4_wire()}, .sin_zero = {}};
    EXPECT_EQ(i.bind(nullptr, fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(i.listen(nullptr, fd, 1), 0);
    return fd;
  }

  // The peer's part of the handshake.
  void shake_hands() {
    send({.dest = port, .seq = 0, .flags = TCPHDR_SYN});
    isn = ntohl(receive().tcp().seq);
    send({.dest = port, .seq = 1, .ack = isn + 1, .flags = TCPHDR_ACK});
  }

  int accepted() {
    const int fd = listener();
    shake_hands();
    sockaddr_in peer{};
    socklen_t length = sizeof peer;
    const int connection = i.accept(nullptr, fd, reinterpret_cast<sockaddr*>(&peer), &length);
    EXPECT_EQ(peer.sin_addr.s_addr, test::kPeer.v4_wire());
    i.close(nullptr, fd);
    return connection;
  }

  uint32_t isn = 0;  // of the connection accepted
};

// Runs a call as packetdrill's second thread does, and comes back when it sleeps.
struct SecondThread {
  std::atomic<pid_t> id = 0;
  std::thread thread;

  explicit SecondThread(const std::function<void()>& run)
      : thread([this, run] {
          id = ::gettid();
          run();
        }) {
    for (char state = 0; state != 'S'; std::this_thread::yield()) {
      if (id == 0) continue;
      std::ifstream in("/proc/self/task/" + std::to_string(id) + "/stat");
      std::string number, name;
      in >> number >> name >> state;
    }
  }
};

TEST_F(PacketdrillSo, TheClockAlwaysMovesAndSleepIsVirtual) {
  const int64_t before = now(), next = now();
  EXPECT_EQ(next, before + 1);
  i.usleep(nullptr, kSecond);
  EXPECT_EQ(now(), next + kSecond + 1);
}

TEST_F(PacketdrillSo, WaitingForAPacketThatNeverComesGivesUp) {
  const int64_t before = now();
  EXPECT_TRUE(receive().packet.empty());
  EXPECT_GE(now() - before, kHour);
}

TEST_F(PacketdrillSo, PacketsHaveTheTimeAtWhichTheyLeft) {
  const int fd = listener();
  const int64_t before = now();
  send({.dest = port, .seq = 0, .flags = TCPHDR_SYN});
  i.usleep(nullptr, 3 * kSecond / 2);
  EXPECT_NEAR(receive().time, before, 10);
  const Received again = receive();
  EXPECT_TRUE(again.tcp().syn());
  EXPECT_NEAR(again.time, before + kSecond, 10'000);
  i.close(nullptr, fd);
}

TEST_F(PacketdrillSo, ErrorsAreMinusOneAndErrno) {
  const int fd = listener();
  EXPECT_EQ(i.fcntl(nullptr, fd, F_SETFL, O_RDWR | O_NONBLOCK), 0);
  EXPECT_EQ(i.fcntl(nullptr, fd, F_GETFL), O_RDWR | O_NONBLOCK);
  EXPECT_EQ(i.accept(nullptr, fd, nullptr, nullptr), -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_EQ(i.close(nullptr, fd), 0);
  EXPECT_EQ(i.close(nullptr, fd), -1);
  EXPECT_EQ(errno, EBADF);
}

TEST_F(PacketdrillSo, DescriptorsAreTheKernelsToo) {
  const int fd = listener();
  EXPECT_NE(::fcntl(fd, F_GETFD), -1);
  i.close(nullptr, fd);
  EXPECT_EQ(::fcntl(fd, F_GETFD), -1);
}

TEST_F(PacketdrillSo, ABlockedCallReturnsAtTheTimeOfItsCause) {
  const int fd = accepted();
  ssize_t result = -1;
  int64_t returned = 0;
  char data[10];
  SecondThread second([&] {
    result = i.read(nullptr, fd, data, sizeof data);
    returned = now();
  });
  i.usleep(nullptr, kSecond);
  const int64_t cause = now();
  send({.dest = port, .seq = 1, .ack = isn + 1, .flags = TCPHDR_ACK | TCPHDR_PSH, .payload = Bytes(10)});
  i.usleep(nullptr, kSecond);
  second.thread.join();
  EXPECT_EQ(result, 10);
  EXPECT_EQ(returned, cause);
  i.close(nullptr, fd);
}

TEST_F(PacketdrillSo, ABlockedCallReturnsAtTheEndOfItsTimeout) {
  int result = -1;
  int64_t returned = 0;
  const int64_t begin = now();
  SecondThread second([&] {
    result = i.poll(nullptr, nullptr, 0, 250);
    returned = now();
  });
  EXPECT_TRUE(receive().packet.empty()) << "waiting for a packet lets time pass too";
  second.thread.join();
  EXPECT_EQ(result, 0);
  EXPECT_NEAR(returned, begin + 250'000, 5);
}

TEST_F(PacketdrillSo, SnippetsSeeTheConnection) {
  const int fd = accepted();
  char info[280];  // as long as packetdrill's own declaration of it
  socklen_t length = sizeof info;
  ASSERT_EQ(::getsockopt(fd, SOL_TCP, TCP_INFO, info, &length), 0);
  EXPECT_EQ(length, sizeof info);
  EXPECT_EQ(info[0], TCP_ESTABLISHED);
  uint32_t memory[9] = {};
  length = sizeof memory;
  ASSERT_EQ(::getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &length), 0);
  EXPECT_EQ(length, sizeof memory);
  EXPECT_GT(memory[1], 0u) << "SK_MEMINFO_RCVBUF";
  length = sizeof info;
  EXPECT_EQ(::getsockopt(fd, SOL_TCP, TCP_CC_INFO, info, &length), 0);
  i.close(nullptr, fd);
}

TEST_F(PacketdrillSo, DescriptorsOfOthersAreLeftAlone) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  int type = 0;
  socklen_t length = sizeof type;
  EXPECT_EQ(::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length), 0);
  EXPECT_EQ(type, SOCK_STREAM);
  ::close(fd);
  EXPECT_EQ(::open("/no/such/file", O_RDONLY), -1);
  EXPECT_EQ(errno, ENOENT);
}

TEST_F(PacketdrillSo, TheScriptsCommandsActOnTheTarget) {
  const auto syn_ack_size = [&] {
    const int fd = listener();
    send({.dest = port, .flags = TCPHDR_SYN, .options = {2, 4, 5, 0xb4, 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0}});
    const size_t size = receive().packet.size();
    i.close(nullptr, fd);
    return size;
  };
  EXPECT_EQ(syn_ack_size(), 20u + 20 + 4 + 12);
  ASSERT_NE(std::system("no-such-command"), 0x7f00) << "what is the target's did not reach the shell";
  EXPECT_EQ(std::system("sysctl -q net.ipv4.tcp_timestamps=0"), 0);
  EXPECT_EQ(syn_ack_size(), 20u + 20 + 4);
  EXPECT_EQ(std::system("exit 3"), 3 << 8) << "what is no line of the script is the shell's";
}

TEST_F(PacketdrillSo, SendfileTakesAFileThatACommandMade) {
  ASSERT_NE(std::system("no-such-command"), 0x7f00) << "what is the target's did not reach the shell";
  ASSERT_EQ(std::system("dd if=/dev/zero of=/tmp/glass-only-in-the-target bs=1 count=100 status=none"), 0);
  const int file = ::open("/tmp/glass-only-in-the-target", O_RDONLY), fd = accepted();
  ASSERT_GE(file, 0);
  off_t offset = 0;
  EXPECT_EQ(::sendfile(fd, file, &offset, 100), 100);
  EXPECT_EQ(offset, 100);
  EXPECT_EQ(receive().packet.size(), 20u + 20 + 100);
  i.close(nullptr, file);
  i.close(nullptr, fd);
}

TEST_F(PacketdrillSo, PipesAndEvents) {
  const int fd = accepted();
  const int epoll = i.epoll_create(nullptr, 1);
  epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
  EXPECT_EQ(i.epoll_ctl(nullptr, epoll, EPOLL_CTL_ADD, fd, &event), 0);
  EXPECT_EQ(i.epoll_wait(nullptr, epoll, &event, 1, 0), 0);
  send({.dest = port, .seq = 1, .ack = isn + 1, .flags = TCPHDR_ACK | TCPHDR_PSH, .payload = Bytes(10)});
  EXPECT_EQ(i.epoll_wait(nullptr, epoll, &event, 1, 0), 1);
  EXPECT_EQ(event.data.fd, fd);
  pollfd polled{.fd = fd, .events = POLLIN, .revents = 0};
  EXPECT_EQ(i.poll(nullptr, &polled, 1, 0), 1);
  EXPECT_EQ(polled.revents, POLLIN);
  EXPECT_EQ(polled.fd, fd);

  int pipe[2];
  ASSERT_EQ(i.pipe(nullptr, pipe), 0);
  loff_t null = 0;  // what packetdrill makes of NULL
  EXPECT_EQ(i.splice(nullptr, fd, &null, pipe[1], &null, 10, 0), 10);
  char data[20];
  EXPECT_EQ(i.read(nullptr, pipe[0], data, sizeof data), 10);
  for (int each : {pipe[0], pipe[1], epoll, fd}) EXPECT_EQ(i.close(nullptr, each), 0);
}

}  // namespace
}  // namespace glass
