#include "async/socket.h"

#include <gtest/gtest.h>

#include <array>
#include <numeric>
#include <string>
#include <vector>

#include "async/cancel.h"
#include "async/spawn.h"
#include "async/timeout.h"

namespace glass {
namespace {

const IpAddress kLocalhost = IpAddress::v4(127, 0, 0, 1);
const SocketAddress kServer{kLocalhost, 3490};

// One stack that talks to itself, and an executor; time jumps from one deadline to the next.
class AsyncSocketTest : public testing::Test {
 protected:
  AsyncSocketTest() { stack.advance(now); }

  void run_for(Duration d) {
    const Instant end = now + d;
    for (Instant next = now; next <= end;) {
      now = std::max(now, next);
      (void)stack.poll(now);
      (void)executor.poll(now);
      next = std::min(stack.next_deadline(), executor.next_deadline());
    }
    now = end;
    (void)executor.poll(now);
  }

  Instant now{1s};
  Stack stack;
  Executor executor;  // after the stack: its tasks go first
};

std::string text(std::span<const uint8_t> bytes, const Result<size_t>& n) {
  return n ? std::string(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(*n))
           : "error " + std::to_string(n.error());
}

// --- UDP

Task<std::string> receive(UdpSocket& socket, SocketAddress& from) {
  std::array<uint8_t, 2000> buffer;
  const Result<size_t> n = co_await socket.recv_from(buffer, from);
  co_return text(buffer, n);
}

Task<void> send_datagram(UdpSocket& socket, std::string what, SocketAddress to) {
  const Result<size_t> n = co_await socket.send_to(bytes_of(what), to);
  EXPECT_TRUE(n && *n == what.size());
}

TEST_F(AsyncSocketTest, ADatagramWakesItsReceiver) {
  UdpSocket server = *UdpSocket::bound(stack, executor, kServer);
  UdpSocket client = *UdpSocket::bound(stack, executor, {kLocalhost, 0});
  SocketAddress from;
  auto received = spawn(executor, receive(server, from));
  run_for(1ms);
  EXPECT_FALSE(received.done());
  spawn(executor, send_datagram(client, "hello", kServer));
  run_for(1ms);
  ASSERT_TRUE(received.done());
  EXPECT_EQ(received.result(), "hello");
  EXPECT_EQ(from, *client.local());
}

TEST_F(AsyncSocketTest, ADatagramThatWaitsIsTakenAtOnce) {
  UdpSocket server = *UdpSocket::bound(stack, executor, kServer);
  spawn(executor, send_datagram(server, "to myself", kServer));
  run_for(1ms);
  SocketAddress from;
  auto received = spawn(executor, receive(server, from));
  (void)executor.poll(now);
  ASSERT_TRUE(received.done());
  EXPECT_EQ(received.result(), "to myself");
}

TEST_F(AsyncSocketTest, AConnectedSocketSendsToItsPeer) {
  UdpSocket server = *UdpSocket::bound(stack, executor, kServer);
  UdpSocket client = *UdpSocket::bound(stack, executor, {kLocalhost, 0});
  ASSERT_TRUE(client.connect(kServer));
  EXPECT_EQ(*client.peer(), kServer);
  auto job = spawn(executor, [](UdpSocket& s, UdpSocket& c) -> Task<std::string> {
    std::array<uint8_t, 100> buffer;
    EXPECT_TRUE(co_await c.send(bytes_of("x")));
    const Result<size_t> n = co_await s.recv(buffer);
    co_return text(buffer, n);
  }(server, client));
  run_for(1ms);
  EXPECT_EQ(job.result(), "x");
}

TEST_F(AsyncSocketTest, ATimeoutTakesNothing) {
  UdpSocket server = *UdpSocket::bound(stack, executor, kServer);
  auto job = spawn(executor, [](Executor& e, UdpSocket& s) -> Task<int> {
    std::array<uint8_t, 100> buffer;
    const Result<size_t> n = co_await with_timeout(e, 500ms, s.recv(buffer));
    co_return n ? 0 : n.error();
  }(executor, server));
  run_for(500ms - 1ns);
  EXPECT_FALSE(job.done());
  run_for(1ns);
  ASSERT_TRUE(job.done());
  EXPECT_EQ(job.result(), ETIMEDOUT);

  SocketAddress from;
  spawn(executor, send_datagram(server, "later", kServer));
  auto received = spawn(executor, receive(server, from));
  run_for(1ms);
  EXPECT_EQ(received.result(), "later");
}

TEST_F(AsyncSocketTest, ADestroyedReceiverLeavesTheDatagramToTheNext) {
  UdpSocket server = *UdpSocket::bound(stack, executor, kServer);
  SocketAddress from;
  auto first = spawn(executor, receive(server, from));
  run_for(1ms);
  spawn(executor, send_datagram(server, "for the second", kServer));
  (void)executor.poll(now);
  first.cancel();
  (void)executor.poll(now);  // destroyed before the datagram comes round
  EXPECT_TRUE(first.cancelled());
  run_for(1ms);
  auto second = spawn(executor, receive(server, from));
  run_for(1ms);
  EXPECT_EQ(second.result(), "for the second");
}

TEST_F(AsyncSocketTest, ADestroyedReceiverThatWasWokenAlreadyIsNotRun) {
  UdpSocket server = *UdpSocket::bound(stack, executor, kServer);
  SocketAddress from;
  auto first = spawn(executor, receive(server, from));
  run_for(1ms);
  first.cancel();  // queued first
  spawn(executor, send_datagram(server, "x", kServer));
  Sockets& sockets = stack.sockets();
  ASSERT_TRUE(sockets.sys_sendto(server.fd(), bytes_of("y"), 0, &kServer));
  while (stack.poll(now)) {
  }  // wakes the receiver
  run_for(1ms);
  EXPECT_TRUE(first.cancelled());
  auto second = spawn(executor, receive(server, from));
  run_for(1ms);
  EXPECT_EQ(second.result(), "y");
}

TEST_F(AsyncSocketTest, ClosingEndsWhatWaits) {
  UdpSocket server = *UdpSocket::bound(stack, executor, kServer);
  SocketAddress from;
  auto received = spawn(executor, receive(server, from));
  run_for(1ms);
  server.close();
  EXPECT_FALSE(received.done()) << "close() only marks";
  run_for(1ms);
  ASSERT_TRUE(received.done());
  EXPECT_EQ(received.result(), "error " + std::to_string(ECANCELED));
  EXPECT_TRUE(stack.sockets().open_fds().empty());
}

TEST_F(AsyncSocketTest, OneWaitInEachDirection) {
  UdpSocket server = *UdpSocket::bound(stack, executor, kServer);
  SocketAddress from, other;
  auto first = spawn(executor, receive(server, from));
  auto second = spawn(executor, receive(server, other));
  run_for(1ms);
  EXPECT_FALSE(first.done());
  ASSERT_TRUE(second.done());
  EXPECT_EQ(second.result(), "error " + std::to_string(EBUSY));
}

TEST_F(AsyncSocketTest, AClosedSocketSaysSo) {
  UdpSocket socket = *UdpSocket::bound(stack, executor, kServer);
  UdpSocket moved = std::move(socket);
  SocketAddress from;
  auto received = spawn(executor, receive(socket, from));
  run_for(1ms);
  EXPECT_EQ(received.result(), "error " + std::to_string(EBADF));
  EXPECT_EQ(socket.local().error(), EBADF);
  EXPECT_EQ(moved.local()->port, 3490);
}

TEST_F(AsyncSocketTest, AForeignAddressIsRefusedAndLeavesNoDescriptor) {
  const Result<UdpSocket> elsewhere = UdpSocket::bound(stack, executor, {IpAddress::v4(192, 0, 2, 1), 1});
  ASSERT_FALSE(elsewhere);
  EXPECT_EQ(elsewhere.error(), EADDRNOTAVAIL);
  EXPECT_TRUE(stack.sockets().open_fds().empty());
}

// --- TCP

Task<Result<void>> echo_once(TcpListener& listener) {
  Result<TcpStream> peer = co_await listener.accept();
  if (!peer) co_return Err(peer.error());
  std::array<uint8_t, 4096> buffer;
  for (;;) {
    const Result<size_t> n = co_await peer->recv(buffer);
    if (!n) co_return Err(n.error());
    if (*n == 0) co_return {};
    const Result<void> sent = co_await peer->send_all(std::span(buffer).first(*n));
    if (!sent) co_return Err(sent.error());
  }
}

Task<Result<std::vector<uint8_t>>> ask(Stack& stack, Executor& executor, std::span<const uint8_t> question) {
  Result<TcpStream> server = co_await TcpStream::connect(stack, executor, kServer);
  if (!server) co_return Err(server.error());
  auto sender = spawn(executor, [](TcpStream& s, std::span<const uint8_t> data) -> Task<Result<void>> {
    const Result<void> sent = co_await s.send_all(data);
    co_return sent ? s.shutdown_write() : sent;
  }(*server, question));
  std::vector<uint8_t> answer(question.size() + 1);
  const Result<size_t> n = co_await server->recv_all(answer);
  co_await sender.wait();
  if (!sender.result()) co_return Err(sender.result().error());
  if (!n) co_return Err(n.error());
  answer.resize(*n);
  co_return answer;
}

TEST_F(AsyncSocketTest, AMegabyteIsEchoed) {
  Result<TcpListener> listener = TcpListener::listen(stack, executor, kServer);
  ASSERT_TRUE(listener);
  std::vector<uint8_t> question(1'000'000);
  std::iota(question.begin(), question.end(), uint8_t{0});
  auto server = spawn(executor, echo_once(*listener));
  auto client = spawn(executor, ask(stack, executor, question));
  run_for(60s);
  ASSERT_TRUE(server.done() && client.done());
  EXPECT_TRUE(server.result());
  ASSERT_TRUE(client.result()) << "error " << client.result().error();
  EXPECT_TRUE(*client.result() == question);
}

TEST_F(AsyncSocketTest, ConnectingToNobodyIsRefused) {
  auto client = spawn(executor, ask(stack, executor, bytes_of("anyone?")));
  run_for(1s);
  ASSERT_TRUE(client.done());
  ASSERT_FALSE(client.result());
  EXPECT_EQ(client.result().error(), ECONNREFUSED);
  EXPECT_TRUE(stack.sockets().open_fds().empty());
}

TEST_F(AsyncSocketTest, AcceptCanBeCancelledAndTakenUpAgain) {
  Result<TcpListener> listener = TcpListener::listen(stack, executor, kServer);
  ASSERT_TRUE(listener);
  CancelSource stop;
  auto first = spawn(executor, [](Executor& e, TcpListener& l, CancelToken token) -> Task<int> {
    const Result<TcpStream> peer = co_await with_cancel(e, token, l.accept());
    co_return peer ? 0 : peer.error();
  }(executor, *listener, stop.token()));
  run_for(1ms);
  stop.cancel();
  run_for(1ms);
  ASSERT_TRUE(first.done());
  EXPECT_EQ(first.result(), ECANCELED);

  auto server = spawn(executor, echo_once(*listener));
  auto client = spawn(executor, ask(stack, executor, bytes_of("again")));
  run_for(1s);
  ASSERT_TRUE(server.done() && client.done());
  ASSERT_TRUE(client.result());
  EXPECT_EQ(client.result()->size(), 5u);
}

}  // namespace
}  // namespace glass
