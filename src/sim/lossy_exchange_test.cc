// A megabyte each way at the same time over a link that loses, reorders, duplicates and damages packets: whatever the
// seed, both sides have to end with what the other sent, and the same seed has to make the same frames at the same
// instants.
//
// The seeds come from GLASS_SEED (one) or GLASS_SEEDS ("1-25"); without either it is 1 to 10.
#include <errno.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <optional>
#include <vector>

#include "async/socket.h"
#include "async/spawn.h"
#include "sim/world.h"

namespace glass {
namespace {

constexpr size_t kBytes = 1 << 20;
constexpr const char* kImpairment = "loss 20% reorder 20% duplicate 5% corrupt 1% delay 10ms";
constexpr Duration kPatience = 24h;  // of virtual time
const SocketAddress kServer{IpAddress::v4(10, 0, 0, 2), 3490};

struct Seeds {
  uint64_t first = 1, last = 10;
};

Seeds seeds_from_environment() {
  if (const char* one = std::getenv("GLASS_SEED"))
    return {std::strtoull(one, nullptr, 10), std::strtoull(one, nullptr, 10)};
  Seeds seeds;
  if (const char* range = std::getenv("GLASS_SEEDS")) {
    char* dash = nullptr;
    seeds.first = std::strtoull(range, &dash, 10);
    seeds.last = *dash == '-' ? std::strtoull(dash + 1, nullptr, 10) : seeds.first;
  }
  return seeds;
}

std::vector<uint8_t> content(uint64_t seed) {
  Rng rng(seed);
  std::vector<uint8_t> bytes(kBytes);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(rng.next_u32());
  return bytes;
}

Task<Result<void>> send_and_finish(TcpStream& stream, std::span<const uint8_t> data) {
  const Result<void> sent = co_await stream.send_all(data);
  co_return sent ? stream.shutdown_write() : sent;
}

// One end. The connection stays open until both ends have everything: one that is closed early becomes an orphan, and
// the stack gives those up sooner than this link allows.
struct End {
  std::optional<TcpStream> stream = {};
  std::vector<uint8_t> mine, theirs = std::vector<uint8_t>(kBytes + 1);
};

// Sends and receives, both at once.
Task<Result<void>> exchange(Executor& executor, End& end) {
  auto sender = spawn(executor, send_and_finish(*end.stream, end.mine));
  const Result<size_t> n = co_await end.stream->recv_all(end.theirs);
  co_await sender.wait();
  if (!n) co_return Err(n.error());
  end.theirs.resize(*n);
  co_return sender.result();
}

Task<Result<void>> server(Stack& stack, Executor& executor, End& end) {
  Result<TcpListener> listener = TcpListener::listen(stack, executor, kServer);
  if (!listener) co_return Err(listener.error());
  Result<TcpStream> peer = co_await listener->accept();
  if (!peer) co_return Err(peer.error());
  end.stream = std::move(*peer);
  co_return co_await exchange(executor, end);
}

Task<Result<void>> client(Stack& stack, Executor& executor, End& end) {
  Result<TcpStream> stream = co_await TcpStream::connect(stack, executor, kServer);
  if (!stream) co_return Err(stream.error());
  end.stream = std::move(*stream);
  co_return co_await exchange(executor, end);
}

std::string how_to_repeat(uint64_t seed) {
  return fmt::format("to repeat: GLASS_SEED={} {}", seed, program_invocation_name);
}

void expect_received(Spawned<Result<void>>& job, const End& end, const std::vector<uint8_t>& sent, const char* who) {
  ASSERT_TRUE(job.done()) << "the " << who << " has not finished";
  ASSERT_TRUE(job.result()) << "the " << who << " ended with: " << strerror(job.result().error());
  ASSERT_EQ(end.theirs.size(), sent.size()) << "at the " << who;
  EXPECT_TRUE(end.theirs == sent) << "the " << who << " got other bytes than were sent";
}

// With every third round trip lost, time-outs grow long enough for the default 924 seconds without an answer to be too
// few.
void be_patient(Stack& host) {
  Sysctl& sysctl = host.ns().sysctl;
  sysctl.tcp_syn_retries = sysctl.tcp_synack_retries = 20;
  sysctl.tcp_retries2 = 100;
}

// The digest of the run.
uint64_t run_exchange(uint64_t seed) {
  World world({.seed = seed, .record = Recording::digest});
  Stack& a = world.add_host("a");
  Stack& b = world.add_host("b");
  world.connect(a, "10.0.0.1/24", b, "10.0.0.2/24", {.netem = kImpairment});
  be_patient(a);
  be_patient(b);
  End end_a{.mine = content(2 * seed)}, end_b{.mine = content(2 * seed + 1)};
  auto job_b = spawn(world, server(b, world, end_b));
  auto job_a = spawn(world, client(a, world, end_a));
  (void)world.run_until([&] { return job_a.done() && job_b.done(); }, kPatience);
  expect_received(job_a, end_a, end_b.mine, "client");
  expect_received(job_b, end_b, end_a.mine, "server");
  end_a.stream.reset();
  end_b.stream.reset();
  EXPECT_TRUE(world.run(kPatience)) << "something goes on for ever";
  for (Stack* host : {&a, &b})
    EXPECT_EQ(host->trace().leaked(), 0u) << "a packet of " << host->hostname() << " had no end";
  EXPECT_EQ(world.pool().skbs_in_use(), 0u) << "packets are left over";
  return world.digest();
}

TEST(LossyExchangeTest, BothSidesGetWhatTheOtherSent) {
  const Seeds seeds = seeds_from_environment();
  for (uint64_t seed = seeds.first; seed <= seeds.last; ++seed) {
    SCOPED_TRACE(how_to_repeat(seed));
    run_exchange(seed);
    if (HasFailure()) break;  // one is enough to look into
  }
}

TEST(LossyExchangeTest, TheSameSeedGivesTheSameFrames) {
  const uint64_t seed = seeds_from_environment().first;
  SCOPED_TRACE(how_to_repeat(seed));
  const uint64_t first = run_exchange(seed);
  EXPECT_EQ(run_exchange(seed), first);
  EXPECT_NE(run_exchange(seed + 1000), first) << "the digest does not depend on the seed";
}

}  // namespace
}  // namespace glass
