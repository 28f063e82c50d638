#include "drill/syscall.h"

#include <gtest/gtest.h>
#include <linux/errqueue.h>

#include <cstring>

#include "drill/parser.h"

namespace glass::drill {
namespace {

// Keeps what it was asked and answers what the test says.
struct FakeCalls final : Syscalls {
  int64_t result = 0;
  std::string asked;
  std::vector<uint8_t> name, written, option;
  std::vector<uint8_t> control, content;  // what recvmsg gives
  int out_flags = 0;
  int out_number = 0;

  int64_t note(std::string text) {
    asked = std::move(text);
    return result;
  }
  static std::string text(auto... n) {
    std::string out;
    ((out += (out.empty() ? "" : " ") + std::to_string(n)), ...);
    return out;
  }
  void keep_name(const sockaddr* a, socklen_t n) {
    const auto* p = reinterpret_cast<const uint8_t*>(a);
    name.assign(p, p + n);
  }
  int64_t socket(int d, int t, int p) override { return note(text(d, t, p)); }
  int64_t bind(int fd, const sockaddr* a, socklen_t n) override {
    keep_name(a, n);
    return note(text(fd));
  }
  int64_t listen(int fd, int backlog) override { return note(text(fd, backlog)); }
  int64_t accept(int fd, sockaddr* a, socklen_t* n) override {
    std::memcpy(a, name.data(), name.size());
    *n = static_cast<socklen_t>(name.size());
    return note(text(fd));
  }
  int64_t connect(int fd, const sockaddr* a, socklen_t n) override {
    keep_name(a, n);
    return note(text(fd));
  }
  int64_t readv(int fd, const iovec* v, int n) override {
    if (v->iov_base && !content.empty()) std::memcpy(v->iov_base, content.data(), std::min(content.size(), v->iov_len));
    return note(text(fd, v->iov_len, n, v->iov_base != nullptr));
  }
  int64_t writev(int fd, const iovec* v, int n) override {
    written.clear();
    for (int i = 0; i < n; ++i)
      if (const auto* p = static_cast<const uint8_t*>(v[i].iov_base))
        written.insert(written.end(), p, p + v[i].iov_len);
    return note(text(fd, n));
  }
  int64_t recvmsg(int fd, msghdr* m, int flags) override {
    if (m->msg_controllen >= control.size() && !control.empty())
      std::memcpy(m->msg_control, control.data(), control.size());
    m->msg_controllen = control.size();
    m->msg_flags = out_flags;
    if (!content.empty()) std::memcpy(m->msg_iov[0].iov_base, content.data(), content.size());
    return note(text(fd, m->msg_iovlen, m->msg_iov[0].iov_len, flags));
  }
  int64_t sendmsg(int fd, const msghdr* m, int flags) override {
    if (m->msg_name) keep_name(static_cast<const sockaddr*>(m->msg_name), m->msg_namelen);
    const auto* c = static_cast<const uint8_t*>(m->msg_control);
    control.assign(c, c + m->msg_controllen);
    return note(text(fd, m->msg_iovlen, m->msg_iov[0].iov_len, flags));
  }
  int64_t fcntl(int fd, int command, int argument) override { return note(text(fd, command, argument)); }
  int64_t ioctl(int fd, unsigned long request, int* n) override {
    *n = out_number;
    return note(text(fd, request));
  }
  int64_t close(int fd) override { return note(text(fd)); }
  int64_t shutdown(int fd, int how) override { return note(text(fd, how)); }
  int64_t getsockopt(int fd, int level, int opt, void* v, socklen_t* n) override {
    std::memcpy(v, option.data(), std::min<size_t>(*n, option.size()));
    *n = static_cast<socklen_t>(option.size());
    return note(text(fd, level, opt));
  }
  int64_t setsockopt(int fd, int level, int opt, const void* v, socklen_t n) override {
    const auto* p = static_cast<const uint8_t*>(v);
    option.assign(p, p + (p ? n : 0));
    return note(text(fd, level, opt, n));
  }
  int64_t poll(pollfd* p, nfds_t n, int timeout) override {
    p->revents = static_cast<short>(out_number);
    return note(text(p->fd, p->events, n, timeout));
  }
  int64_t open(const char* path, int flags) override { return note(path + std::string(" ") + text(flags)); }
  int64_t pipe(int fds[2]) override {
    fds[0] = 70;
    fds[1] = 71;
    return note("");
  }
  int64_t splice(int in, int64_t* a, int out, int64_t* b, size_t n, unsigned flags) override {
    return note(text(in, a != nullptr, out, b != nullptr, n, flags));
  }
  int64_t sendfile(int out, int in, int64_t* offset, size_t n) override {
    return note(text(out, in, offset ? *offset : -1, n));
  }
  int64_t epoll_create(int n) override { return note(text(n)); }
  int64_t epoll_ctl(int ep, int op, int fd, epoll_event* e) override {
    const uint32_t events = e ? e->events : 0;
    const uint64_t data = e ? e->data.u64 : 0;
    return note(text(ep, op, fd, events, data));
  }
  int64_t epoll_wait(int ep, epoll_event* e, int n, int timeout) override {
    e->events = static_cast<uint32_t>(out_number);
    e->data.u64 = 44;
    return note(text(ep, n, timeout));
  }
};

struct SyscallTest : testing::Test {
  FakeCalls target;
  Descriptors descriptors;
  CallContext context;

  SyscallTest() {
    descriptors.bind(3, 33);
    descriptors.bind(4, 44);
  }
  // Makes the call of a script's line with the given live result: what the check says, "ok" if nothing.
  std::string run(const std::string& line, int64_t result) {
    target.result = result;
    const auto script = parse_script("t", "0 " + line + "\n");
    if (!script) return "parse: " + script.error().text;
    auto call = make_call(std::get<SyscallEvent>(script->events[0].what), descriptors, context);
    if (!call) return "make: " + call.error();
    const int64_t got = (*call)->invoke(target);
    shown = (*call)->result_text(got);
    return (*call)->check(got).value_or("ok");
  }
  void give_control(int level, int type, const void* data, size_t n) {
    cmsghdr h{};
    h.cmsg_len = CMSG_LEN(n);
    h.cmsg_level = level;
    h.cmsg_type = type;
    const size_t at = target.control.size();
    target.control.resize(at + CMSG_SPACE(n));
    std::memcpy(target.control.data() + at, &h, sizeof h);
    std::memcpy(target.control.data() + at + CMSG_LEN(0), data, n);
  }
  sockaddr_in name() const {
    sockaddr_in in{};
    std::memcpy(&in, target.name.data(), std::min(sizeof in, target.name.size()));
    return in;
  }
  std::string shown;
};

TEST_F(SyscallTest, DescriptorsAreLabels) {
  EXPECT_EQ(run("socket(..., SOCK_STREAM, IPPROTO_TCP) = 7", 70), "ok");
  EXPECT_EQ(target.asked, "2 1 6");
  EXPECT_EQ(descriptors.live(7), 70);
  EXPECT_EQ(run("listen(7, 1) = 0", 0), "ok");
  EXPECT_EQ(target.asked, "70 1");
  EXPECT_EQ(run("close(7) = 0", 0), "ok");
  EXPECT_EQ(descriptors.live(7), 7);
  EXPECT_EQ(run("pipe([5, 6]) = 0", 0), "ok");
  EXPECT_EQ(descriptors.live(5), 70);
  EXPECT_EQ(descriptors.live(6), 71);
}

TEST_F(SyscallTest, ResultsAndErrnosAreHeldAgainstTheScript) {
  EXPECT_EQ(run("listen(3, 1) = 0", -EINVAL), "listen() returned -1 EINVAL (Invalid argument), expected 0");
  EXPECT_EQ(shown, "= -1 EINVAL (Invalid argument)");
  EXPECT_EQ(run("write(3, ..., 10) = 10", 9), "write() returned 9, expected 10");
  EXPECT_EQ(run("read(3, ..., 10) = -1 EAGAIN (whatever)", -EAGAIN), "ok");
  EXPECT_NE(run("read(3, ..., 10) = -1 EAGAIN (whatever)", -ECONNRESET), "ok");
  EXPECT_EQ(run("read(3, ..., 10) = -1", -ECONNRESET), "ok");
  EXPECT_NE(run("read(3, ..., 10) = -1", 0), "ok");
  EXPECT_NE(run("socket(..., SOCK_STREAM, 0) = 3", -EMFILE), "ok");
  EXPECT_NE(run("socket(..., SOCK_STREAM, 0) = -1 EMFILE (none left)", 3), "ok");
}

TEST_F(SyscallTest, AddressesComeFromTheContext) {
  EXPECT_EQ(run("bind(3, ..., ...) = 0", 0), "ok");
  EXPECT_EQ(ntohs(name().sin_port), 8080);
  EXPECT_EQ(name().sin_addr.s_addr, context.addresses.local.v4_wire());
  EXPECT_EQ(run("connect(3, ..., ...) = 0", 0), "ok");
  EXPECT_EQ(name().sin_addr.s_addr, context.addresses.remote.v4_wire());
  EXPECT_EQ(
      run("connect(3, {sa_family = AF_INET, sin_port = htons(99), sin_addr = inet_addr(\"10.0.0.9\")}, 16) = 0", 0),
      "ok");
  EXPECT_EQ(ntohs(name().sin_port), 99);
  EXPECT_EQ(run("connect(3, AF_UNSPEC, ...) = 0", 0), "ok");
  EXPECT_EQ(name().sin_family, AF_UNSPEC);
  EXPECT_NE(run("connect(3, {sa_family = AF_INET}, 16) = 0", 0), "ok");
}

TEST_F(SyscallTest, AcceptKnowsThePeer) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_addr.s_addr = context.addresses.remote.v4_wire();
  const auto* p = reinterpret_cast<const uint8_t*>(&in);
  target.name.assign(p, p + sizeof in);
  EXPECT_EQ(run("accept(3, ..., ...) = 4", 50), "ok");
  EXPECT_EQ(descriptors.live(4), 50);
  in.sin_addr.s_addr = 1;
  target.name.assign(p, p + sizeof in);
  EXPECT_EQ(run("accept(3, ..., ...) = 4", 50), "accept(): the peer is not the script's remote side");
}

TEST_F(SyscallTest, WhatIsReadIsZeros) {
  target.content.assign(5, 0);
  EXPECT_EQ(run("read(4, ..., 10) = 5", 5), "ok");
  EXPECT_EQ(target.asked, "44 10 1 1");
  target.content = {0, 0, 7};
  EXPECT_EQ(run("read(4, ..., 10) = 3", 3), "read(): byte 2 read is 0x07, expected 0x00");
  target.content.clear();
  EXPECT_EQ(run("read(4, ..., 10) = 3", 3), "read(): byte 0 read is 0xa5, expected 0x00")
      << "nothing was written there";
  EXPECT_EQ(run("recv(4, ..., 10, MSG_TRUNC) = 3", 3), "ok");
  EXPECT_EQ(run("read(4, NULL, 10) = -1 EFAULT (Bad address)", -EFAULT), "ok");
  EXPECT_EQ(target.asked, "44 10 1 0");
  target.content = {'h', 'i'};
  EXPECT_EQ(run("read(4, \"hi\", 2) = 2", 2), "ok");
  EXPECT_NE(run("read(4, \"ho\", 2) = 2", 2), "ok");
}

TEST_F(SyscallTest, WhatIsWrittenIsZerosOrTheText) {
  EXPECT_EQ(run("write(4, ..., 3) = 3", 3), "ok");
  EXPECT_EQ(target.written, (std::vector<uint8_t>{0, 0, 0}));
  EXPECT_EQ(run("writev(4, [{\"ab\", 2}, {..., 1}], 2) = 3", 3), "ok");
  EXPECT_EQ(target.written, (std::vector<uint8_t>{'a', 'b', 0}));
  EXPECT_NE(run("writev(4, [{..., 2}], 2) = 3", 3), "ok");
}

TEST_F(SyscallTest, SendtoTakesFlagsAndAnAddress) {
  EXPECT_EQ(run("sendto(4, ..., 9, MSG_FASTOPEN|MSG_DONTWAIT, ..., ...) = 9", 9), "ok");
  EXPECT_EQ(target.asked, FakeCalls::text(44, 1, 9, MSG_FASTOPEN | MSG_DONTWAIT));
  EXPECT_EQ(name().sin_addr.s_addr, context.addresses.remote.v4_wire());
  EXPECT_EQ(run("sendto(4, ..., 9, 0, AF_UNSPEC, ...) = 9", 9), "ok");
  EXPECT_EQ(name().sin_family, AF_UNSPEC);
}

TEST_F(SyscallTest, MessagesCarryControlRecords) {
  EXPECT_EQ(run("sendmsg(4, {msg_name(...)=..., msg_iov(2)=[{..., 40}, {..., 20}], msg_flags=0, "
                "msg_control=[{cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS, cmsg_data=5}]}, 0) = 60",
                60),
            "ok");
  EXPECT_EQ(target.asked, "44 2 40 0");
  ASSERT_EQ(target.control.size(), CMSG_SPACE(sizeof(int)));
  EXPECT_EQ(target.control[CMSG_LEN(0)], 5);
}

TEST_F(SyscallTest, InqIsCompared) {
  const int inq = 9000;
  give_control(IPPROTO_TCP, 36, &inq, sizeof inq);
  const std::string call =
      "recvmsg(4, {msg_name(...)=..., msg_iov(1)=[{..., 0}], msg_flags=0, "
      "msg_control=[{cmsg_level=SOL_TCP, cmsg_type=TCP_CM_INQ, cmsg_data=";
  EXPECT_EQ(run(call + "9000}]}, 0) = 0", 0), "ok");
  EXPECT_EQ(run(call + "1}]}, 0) = 0", 0), "recvmsg(): a control message says 9000, expected 1");
  target.out_flags = MSG_TRUNC;
  EXPECT_EQ(run(call + "9000}]}, 0) = 0", 0), "recvmsg(): msg_flags are 0x20, expected 0x0");
  target.out_flags = 0;
  target.control.clear();
  EXPECT_EQ(run(call + "9000}]}, 0) = 0", 0), "recvmsg(): 0 control messages came, expected 1");
}

TEST_F(SyscallTest, ErrorQueueAndStampsAreCompared) {
  context.epoch_ns = 5'000'000'000;
  scm_timestamping stamps{};
  stamps.ts[0].tv_sec = 5;
  stamps.ts[0].tv_nsec = 21'000'000;
  give_control(SOL_SOCKET, 37, &stamps, sizeof stamps);
  struct {
    sock_extended_err error;
    sockaddr_in offender;
  } error{};
  error.error.ee_errno = ENOMSG;
  error.error.ee_origin = 4;
  error.error.ee_info = 2;
  error.error.ee_data = 7;
  give_control(IPPROTO_IP, IP_RECVERR, &error, sizeof error);
  const auto call = [](const std::string& nsec, const std::string& data) {
    return "recvmsg(4, {msg_name(...)=..., msg_iov(1)=[{..., 0}], msg_flags=0, msg_control=["
           "{cmsg_level=SOL_SOCKET, cmsg_type=SCM_TIMESTAMPING, cmsg_data={scm_sec=0,scm_nsec=" +
           nsec +
           "}}, "
           "{cmsg_level=SOL_IP, cmsg_type=IP_RECVERR, cmsg_data={ee_errno=ENOMSG, ee_origin=4, ee_type=0, ee_code=0, "
           "ee_info=2, ee_data=" +
           data + "}}]}, MSG_ERRQUEUE) = 0";
  };
  EXPECT_EQ(run(call("20000000", "7"), 0), "ok");
  EXPECT_EQ(run(call("26000000", "7"), 0), "recvmsg(): a time stamp of 0.021000 s, expected 0.026000 s");
  EXPECT_NE(run(call("20000000", "8"), 0).find("ee_data=7}, expected {ee_errno=42"), std::string::npos);
}

TEST_F(SyscallTest, OptionsAreNumbersTextOrStructs) {
  EXPECT_EQ(run("setsockopt(4, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0", 0), "ok");
  EXPECT_EQ(target.option, (std::vector<uint8_t>{1, 0, 0, 0}));
  EXPECT_EQ(run("setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=2}, 8) = 0", 0), "ok");
  EXPECT_EQ(target.option, (std::vector<uint8_t>{1, 0, 0, 0, 2, 0, 0, 0}));
  EXPECT_EQ(run("setsockopt(4, SOL_TCP, TCP_CONGESTION, \"bbr\", 3) = 0", 0), "ok");
  EXPECT_EQ(target.option, (std::vector<uint8_t>{'b', 'b', 'r'}));
  target.option = {3, 0, 0, 0};
  EXPECT_EQ(run("getsockopt(4, SOL_SOCKET, SO_ERROR, [3], [4]) = 0", 0), "ok");
  EXPECT_EQ(run("getsockopt(4, SOL_SOCKET, SO_ERROR, [2], [4]) = 0", 0), "getsockopt(): the option is 3, expected 2");
  EXPECT_NE(run("getsockopt(4, SOL_SOCKET, SO_ERROR, [3], [8]) = 0", 0), "ok");
  target.option = {'b', 'b', 'r'};
  EXPECT_EQ(run("getsockopt(4, SOL_TCP, TCP_CONGESTION, \"bbr\", [3]) = 0", 0), "ok");
  EXPECT_NE(run("getsockopt(4, SOL_TCP, TCP_CONGESTION, \"bbs\", [3]) = 0", 0), "ok");
}

TEST_F(SyscallTest, IoctlComparesItsNumber) {
  target.out_number = 1000;
  EXPECT_EQ(run("ioctl(4, SIOCINQ, [1000]) = 0", 0), "ok");
  EXPECT_EQ(run("ioctl(4, SIOCINQ, [1]) = 0", 0), "ioctl(): the value is 1000, expected 1");
}

TEST_F(SyscallTest, PollAndEpoll) {
  target.out_number = POLLIN;
  EXPECT_EQ(run("poll([{fd=4, events=POLLIN|POLLOUT, revents=POLLIN}], 1, 100) = 1", 1), "ok");
  EXPECT_EQ(target.asked, "44 5 1 100");
  EXPECT_NE(run("poll([{fd=4, events=POLLIN, revents=POLLOUT}], 1, 100) = 1", 1), "ok");
  EXPECT_EQ(run("epoll_ctl(3, EPOLL_CTL_ADD, 4, {events=EPOLLIN, fd=4}) = 0", 0), "ok");
  EXPECT_EQ(target.asked, "33 1 44 1 44");
  EXPECT_EQ(run("epoll_wait(3, {events=EPOLLIN, fd=4}, 1, 0) = 1", 1), "ok");
  EXPECT_NE(run("epoll_wait(3, {events=EPOLLOUT, fd=4}, 1, 0) = 1", 1), "ok");
  EXPECT_NE(run("epoll_wait(3, {events=EPOLLIN, fd=9}, 1, 0) = 1", 1), "ok");
  EXPECT_EQ(run("epoll_wait(3, {events=0, ptr=0}, 1, 0) = 0", 0), "ok");
}

TEST_F(SyscallTest, FilesAndSplices) {
  EXPECT_EQ(run("open(\"/tmp/testfile\", O_RDONLY) = 5", 60), "ok");
  EXPECT_EQ(target.asked, "/tmp/testfile 0");
  EXPECT_EQ(run("sendfile(4, 5, [0], 5) = 5", 5), "ok");
  EXPECT_EQ(target.asked, "44 60 0 5");
  EXPECT_EQ(run("splice(4, NULL, 6, NULL, 99, 0) = 99", 99), "ok");
  EXPECT_EQ(target.asked, "44 0 6 0 99 0");
}

TEST_F(SyscallTest, WhatIsNotKnownIsSaid) {
  EXPECT_EQ(run("reboot(1) = 0", 0), "make: the system call reboot() is not known");
  EXPECT_EQ(run("listen(3) = 0", 0), "make: listen() takes 2 arguments, not 1");
  EXPECT_EQ(run("listen(\"x\", 1) = 0", 0), "make: listen(): '\"x\"' is no number");
}

}  // namespace
}  // namespace glass::drill
