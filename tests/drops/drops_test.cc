// Sent on purpose, each is dropped with the right reason, in the right place, and with the counters that nstat shows
// for it in Linux.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "async/socket.h"
#include "async/spawn.h"
#include "sim/world.h"
#include "support/raw_host.h"

namespace glass {
namespace {

using test::Bytes;
using test::RawConnection;
using test::RawHost;
using test::RawSegment;

struct Expected {
  DropReason reason;
  std::string_view function, file;
  std::vector<Mib> counters = {};  // each moved by one
  uint64_t packets = 1;
};

class DropsTest : public testing::Test {
 protected:
  DropsTest() { host.stack.trace().start(1 << 12); }

  // What the next packets do to the counters starts to count here.
  void mark() {
    host.sent.clear();
    host.stack.trace().clear_events();
    dropped_ = host.stack.trace().drops();
    consumed_ = host.stack.trace().consumed();
    in_use_ = host.pool.skbs_in_use();
    for (const CounterRow& c : counters()) counter_.at(static_cast<size_t>(c.id)) = host.stack.trace().value(c.id);
  }
  void drop_of(ByteSpan packet, const Expected& e, const MacAddress& to = test::kHostMac) {
    mark();
    EXPECT_TRUE(host.put_in(packet, to));
    expect_dropped(e);
  }

  void expect_dropped(const Expected& e) {
    const Trace& trace = host.stack.trace();
    EXPECT_EQ(trace.drops() - dropped_, e.packets) << "in all";
    uint64_t found = 0;
    for (const TraceEvent& event : trace.events()) {
      if (event.kind != TraceEvent::Kind::drop) continue;
      ++found;
      EXPECT_EQ(name(event.place->reason), name(e.reason));
      EXPECT_EQ(event.place->function, e.function);
      EXPECT_EQ(event.place->file, e.file);
      EXPECT_GE(trace.drops_at(index_of(event.place)), 1u);
    }
    EXPECT_EQ(found, e.packets);
    for (Mib m : e.counters) EXPECT_EQ(trace.value(m) - counter_.at(static_cast<size_t>(m)), e.packets) << name(m);
    // What a row of the catalogue says of a reason has to be true of at least one counter.
    if (!e.counters.empty()) {
      EXPECT_TRUE(std::ranges::any_of(e.counters, [&](Mib m) { return row(e.reason).counters.contains(name(m)); }));
    }
    EXPECT_EQ(trace.leaked(), 0u);
  }
  // Nothing else happened to any packet: none is queued, none was consumed but what the host sent.
  void expect_nothing_else(size_t answers) {
    EXPECT_EQ(host.sent.size(), answers);
    EXPECT_EQ(host.stack.trace().consumed() - consumed_, answers);
    EXPECT_EQ(host.pool.skbs_in_use(), in_use_);
  }

  RawHost host;

 private:
  uint64_t dropped_ = 0, consumed_ = 0;
  size_t in_use_ = 0;
  std::array<uint64_t, kMibCount> counter_{};
};

Bytes some_syn(uint16_t port = 80, uint16_t source = 40000) {
  return test::tcp_packet({.source = source, .dest = port, .seq = 1, .flags = TCPHDR_SYN});
}

// --- link and IP

TEST_F(DropsTest, BadIpChecksum) {
  Bytes packet = some_syn();
  packet[10] ^= 1;
  drop_of(packet, {DropReason::IP_CSUM,
                   "ip_rcv_core",
                   "src/ip/ip_input.cc",
                   {Mib::IpExtInCsumErrors, Mib::IpInHdrErrors, Mib::IpInReceives}});
  expect_nothing_else(0);
}

TEST_F(DropsTest, ShortIpHeader) {
  Bytes packet = some_syn();
  packet.resize(19);
  drop_of(packet, {DropReason::IP_INHDR, "ip_rcv_core", "src/ip/ip_input.cc", {Mib::IpInHdrErrors}});
  expect_nothing_else(0);
}

TEST_F(DropsTest, WrongHostByLinkAddress) {
  drop_of(some_syn(), {DropReason::OTHERHOST, "ip_rcv_core", "src/ip/ip_input.cc"}, *parse_mac("02:00:00:00:00:77"));
  expect_nothing_else(0);
}

TEST_F(DropsTest, WrongHostByIpAddress) {
  const Bytes packet = test::tcp_packet({.flags = TCPHDR_SYN}, test::kPeer, *parse_ip("192.168.0.77"));
  drop_of(packet, {DropReason::IP_INADDRERRORS, "ip_error", "src/ip/ip_input.cc", {Mib::IpInAddrErrors}});
  expect_nothing_else(0);
}

TEST_F(DropsTest, UnknownProtocol) {
  drop_of(test::ip_packet(200, Bytes(20)),
          {DropReason::IP_NOPROTO, "ip_local_deliver_finish", "src/ip/ip_input.cc", {Mib::IpInUnknownProtos}});
  expect_nothing_else(1);
  EXPECT_EQ(host.stack.trace().value(Mib::IcmpOutDestUnreachs), 1u) << "protocol unreachable";
}

// Frames arrive faster than the host is polled.
TEST_F(DropsTest, FullBacklog) {
  host.stack.ns().sysctl.netdev_max_backlog = 3;
  mark();
  for (int i = 0; i < 5; ++i) host.receive(some_syn());
  expect_dropped({DropReason::CPU_BACKLOG, "enqueue_to_backlog", "src/dev/dev_input.cc", {}, 2});
  EXPECT_EQ(host.stack.softnet().dropped, 2u) << "softnet_stat";
  EXPECT_EQ(host.dev.stats.rx_dropped, 2u);
  EXPECT_TRUE(host.settle());
  EXPECT_EQ(host.stack.trace().value(Mib::TcpInSegs), 3u) << "the others got through";
}

// --- UDP

TEST_F(DropsTest, ClosedUdpPort) {
  drop_of(test::udp_packet(5555, 9999, {'x'}),
          {DropReason::NO_SOCKET, "__udp4_lib_rcv", "src/udp/udp_input.cc", {Mib::UdpNoPorts}});
  expect_nothing_else(1);
  EXPECT_EQ(host.stack.trace().value(Mib::IcmpOutDestUnreachs), 1u) << "port unreachable";
}

TEST_F(DropsTest, FullUdpReceiveBuffer) {
  host.udp_socket(9000, 1);
  const Bytes packet = test::udp_packet(5555, 9000, Bytes(1000, 'x'));
  EXPECT_TRUE(host.put_in(packet));
  drop_of(packet, {DropReason::SOCKET_RCVBUFF,
                   "udp_queue_rcv_one_skb",
                   "src/udp/udp_input.cc",
                   {Mib::UdpRcvbufErrors, Mib::UdpInErrors}});
  expect_nothing_else(0);
}

// --- TCP

TEST_F(DropsTest, BadTcpChecksum) {
  Bytes packet = some_syn();
  packet[36] ^= 1;
  drop_of(packet, {DropReason::TCP_CSUM,
                   "tcp_checksum_ok",
                   "src/tcp/tcp_ipv4.cc",
                   {Mib::TcpInCsumErrors, Mib::TcpInErrs, Mib::TcpInSegs}});
  expect_nothing_else(0);
}

TEST_F(DropsTest, ShortTcpHeader) {
  Bytes packet = some_syn();
  packet[32] = 4 << 4;  // a data offset of 16 bytes
  test::set_tcp_checksum(packet);
  drop_of(packet,
          {DropReason::PKT_TOO_SMALL, "tcp_header_ok", "src/tcp/tcp_ipv4.cc", {Mib::TcpInErrs, Mib::TcpInSegs}});
  expect_nothing_else(0);
}

TEST_F(DropsTest, TcpHeaderCutOff) {
  const Bytes packet = test::ip_packet(6, Bytes(12));
  drop_of(packet, {DropReason::SKB_HEADERS_TRUNC, "tcp_header_ok", "src/tcp/tcp_ipv4.cc"});
  expect_nothing_else(0);
}

TEST_F(DropsTest, ClosedTcpPort) {
  drop_of(some_syn(81), {DropReason::NO_SOCKET, "no_tcp_socket", "src/tcp/tcp_ipv4.cc", {Mib::TcpOutRsts}});
  expect_nothing_else(1);
}

TEST_F(DropsTest, SynToAFullListener) {
  host.listen(80, 0);
  for (uint16_t source : {1000, 1001}) {  // a backlog of 0 still takes one
    host.sent.clear();
    EXPECT_TRUE(host.put_in(some_syn(80, source)));
    if (host.sent.empty()) break;
    const auto* synack = reinterpret_cast<const tcphdr*>(host.sent.back().data() + sizeof(iphdr));
    EXPECT_TRUE(host.put_in(test::tcp_packet({.source = source, .dest = 80, .seq = 2, .ack = ntohl(synack->seq) + 1})));
  }
  drop_of(some_syn(80, 1002), {DropReason::TCP_LISTEN_OVERFLOW,
                               "tcp_v4_conn_request",
                               "src/tcp/tcp_listen.cc",
                               {Mib::TcpExtListenOverflows, Mib::TcpExtListenDrops}});
  expect_nothing_else(0);
}

class ConnectedDropsTest : public DropsTest {
 protected:
  explicit ConnectedDropsTest(const Bytes& options = {}) : c(host, host.listen(80), 80, 40000, options) {
    EXPECT_GE(c.fd, 0);
  }
  RawConnection c;
};

class TimestampDropsTest : public ConnectedDropsTest {
 protected:
  TimestampDropsTest() : ConnectedDropsTest(test::timestamps(RawConnection::kTsval, 0)) {}
};

TEST_F(TimestampDropsTest, PawsFailure) {
  const Bytes old = test::timestamps(RawConnection::kTsval - 1000, 0);
  drop_of(c.segment({.flags = TCPHDR_ACK | TCPHDR_PSH, .options = old, .payload = Bytes(10)}),
          {DropReason::TCP_RFC7323_PAWS, "tcp_validate_incoming", "src/tcp/tcp_validate.cc", {Mib::TcpExtPAWSEstab}});
  expect_nothing_else(1);
}

TEST_F(TimestampDropsTest, OvertakenAckFailsPawsInSilence) {
  const Bytes old = test::timestamps(RawConnection::kTsval - 1000, 0);
  drop_of(
      c.segment({.seq = static_cast<uint32_t>(-5), .options = old}),
      {DropReason::TCP_RFC7323_PAWS_ACK, "tcp_validate_incoming", "src/tcp/tcp_validate.cc", {Mib::TcpExtPAWSOldAck}});
  expect_nothing_else(0);
}

TEST_F(ConnectedDropsTest, DataBeyondTheWindow) {
  drop_of(c.segment({.seq = 100'000, .payload = Bytes(10)}), {DropReason::TCP_INVALID_SEQUENCE,
                                                              "tcp_validate_incoming",
                                                              "src/tcp/tcp_validate.cc",
                                                              {Mib::TcpExtBeyondWindow}});
  expect_nothing_else(1);
}

TEST_F(ConnectedDropsTest, DataAtTheRightEdgeOfTheWindow) {
  const uint32_t window = c.tcp().rcv_wnd;
  drop_of(c.segment({.seq = window, .payload = Bytes(10)}),
          {DropReason::TCP_OVERWINDOW, "tcp_data_queue", "src/tcp/tcp_data_queue.cc"});
  expect_nothing_else(1);
}

TEST_F(ConnectedDropsTest, DataBeforeTheWindow) {
  const Bytes data = c.segment({.flags = TCPHDR_ACK | TCPHDR_PSH, .payload = Bytes(10)});
  EXPECT_TRUE(host.put_in(data));
  drop_of(c.segment({.seq = static_cast<uint32_t>(-20), .payload = Bytes(10)}),
          {DropReason::TCP_OLD_SEQUENCE, "tcp_validate_incoming", "src/tcp/tcp_validate.cc"});
  drop_of(data, {DropReason::TCP_OLD_DATA, "old_segment", "src/tcp/tcp_data_queue.cc", {Mib::TcpExtDelayedACKLost}});
  expect_nothing_else(1);
}

TEST_F(ConnectedDropsTest, ResetOutsideTheWindow) {
  drop_of(c.segment({.seq = 100'000, .flags = TCPHDR_RST}),
          {DropReason::TCP_INVALID_SEQUENCE, "tcp_validate_incoming", "src/tcp/tcp_validate.cc"});
  expect_nothing_else(0);
  EXPECT_EQ(c.tcp().skc_state, tcp_state::ESTABLISHED);
}

// RFC 5961 section 3: inside the window but not exact, it is only challenged.
TEST_F(ConnectedDropsTest, ResetInsideTheWindow) {
  drop_of(c.segment({.seq = 1, .flags = TCPHDR_RST}),
          {DropReason::TCP_RESET, "tcp_validate_incoming", "src/tcp/tcp_validate.cc"});
  expect_nothing_else(1);
  EXPECT_EQ(host.stack.trace().value(Mib::TcpExtTCPChallengeACK), 1u);
  EXPECT_EQ(c.tcp().skc_state, tcp_state::ESTABLISHED);
}

TEST_F(ConnectedDropsTest, FullTcpReceiveBuffer) {
  ASSERT_TRUE(host.stack.sockets().sys_setsockopt(c.fd, SOL_SOCKET, SO_RCVBUF, 1));
  // Segments cost more memory than they carry, so the buffer is full long before the window.
  bool full = false;
  for (int i = 0; i < 100 && !full; ++i) {
    mark();
    EXPECT_TRUE(host.put_in(c.segment({.payload = Bytes(200, 'x')})));
    full = host.stack.trace().drops_for(DropReason::PROTO_MEM) > 0;
    if (!full) c.seq += 200;
  }
  expect_dropped({DropReason::PROTO_MEM, "take_without_memory", "src/tcp/tcp_data_queue.cc", {Mib::TcpExtTCPRcvQDrop}});
  expect_nothing_else(1);
  EXPECT_EQ(ntohs(reinterpret_cast<const tcphdr*>(host.sent.back().data() + sizeof(iphdr))->window), 0)
      << "the window is closed";
}

// --- every packet has exactly one end

constexpr size_t kBytes = 200'000;
const SocketAddress kServer{IpAddress::v4(10, 0, 0, 2), 80};

Task<void> serve(Stack& stack, Executor& executor) {
  Result<TcpListener> listener = TcpListener::listen(stack, executor, kServer);
  if (!listener) co_return;
  Result<TcpStream> peer = co_await listener->accept();
  if (!peer) co_return;
  Bytes data(kBytes);
  (void)co_await peer->recv_all(data);
  (void)co_await peer->send_all(data);
}

Task<size_t> fetch(Stack& stack, Executor& executor) {
  Result<TcpStream> stream = co_await TcpStream::connect(stack, executor, kServer);
  if (!stream) co_return 0;
  Bytes data(kBytes, 'x');
  if (!co_await stream->send_all(data) || !stream->shutdown_write()) co_return 0;
  co_return (co_await stream->recv_all(data)).value_or(0);
}

// Datagrams to a closed port, for ICMP in both directions beside the transfer.
void make_noise(Stack& stack) {
  Sockets& s = stack.sockets();
  const int fd = *s.sys_socket(AF_INET, SOCK_DGRAM, 0);
  const SocketAddress nobody{kServer.address, 4444};
  const Bytes large(4000, 'n');
  for (int i = 0; i < 50; ++i) (void)s.sys_sendto(fd, large, 0, &nobody);
  (void)s.sys_close(fd);
}

// Follows packets by their id, which clones share.
class Ends : public TraceSink {
 public:
  void on_drop(const TraceEvent& e, const uint8_t*, size_t) override {
    ++ended_[e.skb];
    ++drops;
  }
  void on_event(const TraceEvent& e) override {
    if (e.kind == TraceEvent::Kind::consume)
      ++ended_[e.skb];
    else
      ended_.try_emplace(e.skb, 0);
  }
  // Packets that were seen somewhere, but not to end.
  uint64_t without_end() const {
    return static_cast<uint64_t>(std::ranges::count_if(ended_, [](const auto& e) { return e.first && !e.second; }));
  }
  uint64_t drops = 0;

 private:
  std::map<uint32_t, int> ended_;
};

TEST(OneEndTest, EveryPacketOfABusyLossyExchange) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Ends ends;  // the world's end is still seen by it
    World world({.seed = seed});
    Stack &a = world.add_host("a"), &b = world.add_host("b");
    world.connect(a, "10.0.0.1/24", b, "10.0.0.2/24",
                  {.netem = "loss 10% reorder 10% duplicate 5% corrupt 1% delay 10ms"});
    for (Stack* host : {&a, &b}) {
      host->trace().set_sink(&ends);
      host->trace().start(1);
    }
    auto server = spawn(world, serve(b, world));
    auto client = spawn(world, fetch(a, world));
    make_noise(a);
    EXPECT_TRUE(world.run(24h)) << "never idle";
    ASSERT_TRUE(client.done() && server.done());
    EXPECT_EQ(client.result(), kBytes);
    EXPECT_EQ(world.pool().skbs_in_use(), 0u) << "packets are left over";
    EXPECT_EQ(world.pool().blocks_in_use(), 0u) << "their data is left over";
    uint64_t drops = 0;
    for (Stack* host : {&a, &b}) {
      EXPECT_EQ(host->trace().leaked(), 0u) << host->hostname();
      EXPECT_EQ(host->trace().drops_for(DropReason::NOT_SPECIFIED), 0u) << host->hostname();
      drops += host->trace().drops();
    }
    EXPECT_GT(drops, 100u) << "not lossy enough to show anything";
    EXPECT_EQ(ends.drops, drops);
    EXPECT_EQ(ends.without_end(), 0u);
  }
}

// What lies in queues is the only thing that may be in use, and reading or closing ends it.
TEST(OneEndTest, WhatQueuesHoldIsInUseUntilClosed) {
  RawHost host;
  const int listener = host.listen(80);
  RawConnection c(host, listener, 80);
  ASSERT_GE(c.fd, 0);
  const size_t before = host.pool.skbs_in_use();
  EXPECT_TRUE(host.put_in(c.segment({.payload = Bytes(10)})));
  EXPECT_TRUE(host.put_in(c.segment({.seq = 20, .payload = Bytes(10)})));  // out of order
  EXPECT_GE(host.pool.skbs_in_use(), before + 2);
  EXPECT_TRUE(host.stack.sockets().sys_close(c.fd));  // unread data: a reset
  EXPECT_TRUE(host.stack.sockets().sys_close(listener));
  EXPECT_TRUE(host.pass(200s));
  EXPECT_EQ(host.pool.skbs_in_use(), 0u);
  EXPECT_EQ(host.stack.trace().drops_for(DropReason::SOCKET_CLOSE), 2u)
      << "the unread segment and the one behind the hole";
  EXPECT_EQ(host.stack.trace().leaked(), 0u);
}

}  // namespace
}  // namespace glass
