#include "cli/demo_record.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "async/socket.h"
#include "async/spawn.h"
#include "sim/world.h"

namespace glass {
namespace {

Task<void> send_datagrams(Stack& stack, Executor& executor, int count) {
  Result<UdpSocket> socket = UdpSocket::bound(stack, executor, {IpAddress::v4(0), 1000});
  for (int i = 0; socket && i < count; ++i)
    (void)co_await socket->send_to(bytes_of("hello"), {IpAddress::v4(10, 0, 0, 2), 2000});
}

struct Trial {
  explicit Trial(const std::string& netem, int count = 50) {
    const World::Link link =
        world.connect(a, "10.0.0.1/24", b, "10.0.0.2/24", {.netem_ab = netem, .netem_ba = "delay 1ms"});
    record.join(a, link.a, b, link.b);
    spawn(world, send_datagrams(a, world, count));
    EXPECT_TRUE(world.run(1min));
    record.leave();
  }
  size_t count(auto&& predicate) const {
    return static_cast<size_t>(std::ranges::count_if(record.events(), predicate));
  }
  LinkRecorder record;
  World world{{.seed = 5}};
  Stack& a = world.add_host("a");
  Stack& b = world.add_host("b");
};

bool from_a(const SequenceEvent& e) { return e.from_left; }

TEST(LinkRecorder, ArrivalsWithTheirTimes) {
  // Nobody listens: b answers with ICMP errors, and drops what came.
  Trial trial("delay 20ms", 1);
  ASSERT_EQ(trial.count(from_a), 1u);
  const SequenceEvent& e = trial.record.events()[0];
  ASSERT_TRUE(e.arrived);
  EXPECT_EQ(*e.arrived - e.sent, 20ms);
  EXPECT_TRUE(e.drop.starts_with("NO_SOCKET at ")) << e.drop;
  EXPECT_EQ(trial.count([](const SequenceEvent& f) { return !f.from_left; }), 1u) << "the port unreachable";
}

TEST(LinkRecorder, LossesWithTheirPlace) {
  Trial trial("delay 20ms loss 30%");
  const size_t lost = trial.count([](const SequenceEvent& e) { return e.from_left && !e.arrived; });
  EXPECT_GT(lost, 5u);
  EXPECT_LT(lost, 30u);
  EXPECT_EQ(lost, trial.a.trace().drops_for(DropReason::QDISC_DROP));
  for (const SequenceEvent& e : trial.record.events())
    EXPECT_TRUE(e.arrived || e.drop.starts_with("QDISC_DROP at ")) << e.drop;
  EXPECT_EQ(trial.record.drops().size(), trial.a.trace().drops() + trial.b.trace().drops());
}

TEST(LinkRecorder, DuplicatesAreMarked) {
  Trial trial("delay 20ms duplicate 100%", 4);
  EXPECT_EQ(trial.count([](const SequenceEvent& e) { return e.from_left && e.duplicate; }), 4u);
  EXPECT_EQ(trial.count(from_a), 8u);
}

TEST(LinkRecorder, CaptureHoldsCommentsAndIsTheSameEveryTime) {
  const auto capture = [] {
    Trial trial("delay 20ms loss 30%");
    std::ostringstream out;
    PcapngWriter writer(out);
    trial.record.write_capture(writer);
    writer.flush();
    EXPECT_EQ(writer.packets(), trial.record.events().size());
    return out.str();
  };
  const std::string first = capture();
  EXPECT_NE(first.find("dropped: QDISC_DROP at "), std::string::npos);
  EXPECT_NE(first.find("a eth0"), std::string::npos);
  EXPECT_EQ(first, capture());
}

}  // namespace
}  // namespace glass
