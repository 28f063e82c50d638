#include "trace/trace.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

namespace glass {
namespace {

// A stand-in with what probes read of a packet.
struct FakeSkb {
  uint32_t id, len;
};

Verdict place_a() { return DROP(TCP_CSUM); }
Verdict place_b() { return DROP(TCP_CSUM); }
Verdict place_c() { return DROP(IP_CSUM); }

void inner(Trace& t, const FakeSkb* skb, Verdict why) {
  PROBE(t, skb);
  t.drop(why, skb->id, skb->len, nullptr, 0);
}
void outer(Trace& t, const FakeSkb* skb, Verdict why) {
  PROBE(t, skb);
  inner(t, skb, why);
}

std::vector<std::string> names(const Trace::CallStack& stack) {
  std::vector<std::string> out;
  for (const FunctionInfo* f : stack) out.emplace_back(f->name);
  return out;
}

TEST(DropPlaces, AreKnownWithoutRunningAnything) {
  const auto all = drop_places();
  const auto here = [](const DropPlace& p) { return std::string_view(p.file).ends_with("trace_test.cc"); };
  std::set<std::string> functions;
  for (const DropPlace& p : all)
    if (here(p)) functions.insert(p.function);
  for (const char* f : {"place_a", "place_b", "place_c"}) EXPECT_TRUE(functions.contains(f)) << f;
}

TEST(DropPlaces, HaveReasonFunctionLineAndIndex) {
  const Verdict why = place_c();
  EXPECT_EQ(why->reason, DropReason::IP_CSUM);
  EXPECT_STREQ(why->function, "place_c");
  EXPECT_GT(why->line, 0);
  EXPECT_EQ(&drop_places()[index_of(why)], why);
  EXPECT_NE(place_a(), place_b());
  EXPECT_EQ(place_a(), place_a());
}

TEST(DropReasons, RowsStandInOrderAndAreFound) {
  for (size_t i = 0; i < drop_reasons().size(); ++i) {
    const DropReasonRow& r = drop_reasons()[i];
    EXPECT_EQ(static_cast<size_t>(r.reason), i);
    EXPECT_FALSE(r.meaning.empty()) << r.name;
    EXPECT_EQ(find_drop_reason(r.name), r.reason);
  }
  EXPECT_EQ(find_drop_reason("SKB_DROP_REASON_TCP_CSUM"), DropReason::TCP_CSUM);
  EXPECT_FALSE(find_drop_reason("TCP_CSU"));
  EXPECT_EQ(name(DropReason::TCP_RFC7323_PAWS), "TCP_RFC7323_PAWS");
}

TEST(DropReasons, NameOnlyCountersThatExist) {
  for (const DropReasonRow& r : drop_reasons()) {
    std::string_view rest = r.counters;
    while (!rest.empty()) {
      const size_t comma = std::min(rest.find(", "), rest.size());
      EXPECT_TRUE(find_counter(rest.substr(0, comma))) << r.name << ": " << rest.substr(0, comma);
      rest.remove_prefix(std::min(comma + 2, rest.size()));
    }
  }
}

TEST(Counters, HaveNstatNames) {
  EXPECT_EQ(counters().size(), kMibCount);
  EXPECT_EQ(name(Mib::TcpExtTCPLossProbes), "TcpExtTCPLossProbes");
  EXPECT_EQ(find_counter("TcpInSegs"), Mib::TcpInSegs);
  EXPECT_FALSE(find_counter("InSegs"));
  Trace t;
  t.count(Mib::TcpInSegs);
  t.count(Mib::TcpInSegs, 4);
  t.set(Mib::TcpCurrEstab, 7);
  EXPECT_EQ(t.value(Mib::TcpInSegs), 5u);
  EXPECT_EQ(t.value(Mib::TcpCurrEstab), 7u);
  EXPECT_EQ(t.value(Mib::TcpOutSegs), 0u);
}

TEST(Trace, CountsDropsByPlaceReasonAndAltogetherWhileOff) {
  Trace t;
  const FakeSkb skb{1, 10};
  outer(t, &skb, place_a());
  outer(t, &skb, place_a());
  outer(t, &skb, place_b());
  outer(t, &skb, place_c());
  EXPECT_EQ(t.drops_at(index_of(place_a())), 2u);
  EXPECT_EQ(t.drops_at(index_of(place_b())), 1u);
  EXPECT_EQ(t.drops_for(DropReason::TCP_CSUM), 3u);
  EXPECT_EQ(t.drops_for(DropReason::IP_CSUM), 1u);
  EXPECT_EQ(t.drops(), 4u);
  EXPECT_TRUE(t.events().empty());
  EXPECT_TRUE(t.drops_by_stack().empty());
}

TEST(Trace, RecordsEntriesDropsConsumptionAndQueueing) {
  Trace t;
  t.start();
  t.set_now(Instant(5ms));
  const FakeSkb skb{9, 77};
  {
    const ContextScope scope(t, Context::softirq_rx);
    outer(t, &skb, place_a());
  }
  t.queued(10, 1);
  t.consume(11, 2);
  const std::vector<TraceEvent> e = t.events();
  ASSERT_EQ(e.size(), 5u);
  using Kind = TraceEvent::Kind;
  const Kind kinds[] = {Kind::enter, Kind::enter, Kind::drop, Kind::queue, Kind::consume};
  for (size_t i = 0; i < e.size(); ++i) EXPECT_EQ(e[i].kind, kinds[i]) << i;
  EXPECT_STREQ(e[0].function->name, "outer");
  EXPECT_STREQ(e[1].function->name, "inner");
  EXPECT_STREQ(e[2].function->name, "inner");
  EXPECT_EQ(e[0].depth, 0);
  EXPECT_EQ(e[1].depth, 1);
  EXPECT_EQ(e[2].place, place_a());
  EXPECT_EQ(e[2].skb, 9u);
  EXPECT_EQ(e[2].len, 77u);
  EXPECT_EQ(e[2].when, Instant(5ms));
  EXPECT_EQ(e[0].context, Context::softirq_rx);
  EXPECT_EQ(e[3].context, Context::none);
  EXPECT_EQ(e[3].function, nullptr);
  EXPECT_EQ(t.consumed(), 1u);
}

TEST(Trace, RingKeepsTheNewestInOrder) {
  Trace t;
  t.start(8);
  for (uint32_t i = 0; i < 20; ++i) t.queued(i, 0);
  const auto e = t.events();
  ASSERT_EQ(e.size(), 8u);
  for (uint32_t i = 0; i < 8; ++i) EXPECT_EQ(e[i].skb, 12 + i);
  t.clear_events();
  EXPECT_TRUE(t.events().empty());
  t.queued(99, 0);
  ASSERT_EQ(t.events().size(), 1u);
  EXPECT_EQ(t.events()[0].skb, 99u);
}

TEST(Trace, CountsDropsByCallStackMostFrequentFirst) {
  Trace t;
  t.start();
  const FakeSkb skb{1, 1};
  inner(t, &skb, place_a());
  for (int i = 0; i < 3; ++i) outer(t, &skb, place_a());
  const auto stacks = t.drops_by_stack();
  ASSERT_EQ(stacks.size(), 2u);
  EXPECT_EQ(stacks[0].count, 3u);
  EXPECT_EQ(names(stacks[0].stack), (std::vector<std::string>{"inner", "outer"}));
  EXPECT_EQ(stacks[1].count, 1u);
  EXPECT_EQ(names(stacks[1].stack), std::vector<std::string>{"inner"});
  t.start();
  EXPECT_TRUE(t.drops_by_stack().empty()) << "start() begins from zero";
  EXPECT_EQ(t.drops_at(index_of(place_a())), 4u) << "but the counts of places are for good";
}

void recurse(Trace& t, int depth) {
  PROBE(t);
  if (depth > 1)
    recurse(t, depth - 1);
  else
    t.queued(1, 1);
}

TEST(Trace, DeepCallStacksAreCutAndUnwindCleanly) {
  Trace t;
  t.start(1000);
  recurse(t, 100);
  EXPECT_TRUE(t.call_stack().empty());
  const auto e = t.events();
  EXPECT_EQ(e.back().depth, 100);
  EXPECT_STREQ(e.back().function->name, "recurse");
}

void switch_in_the_middle(Trace& t, bool on) {
  PROBE(t);
  on ? t.start() : t.stop();
}

TEST(Trace, SwitchingInsideAFunctionKeepsTheShadowStackBalanced) {
  Trace t;
  switch_in_the_middle(t, true);
  EXPECT_TRUE(t.call_stack().empty());
  switch_in_the_middle(t, false);
  EXPECT_TRUE(t.call_stack().empty());
  t.queued(1, 1);
  EXPECT_EQ(t.events().size(), 1u) << "nothing is recorded after stop()";
}

struct Recorder : TraceSink {
  void on_drop(const TraceEvent& e, const uint8_t* packet, size_t size) override {
    drops.push_back(e);
    bytes.emplace_back(packet, packet + size);
  }
  void on_event(const TraceEvent& e) override { functions.emplace_back(e.function ? e.function->name : ""); }
  std::vector<TraceEvent> drops;
  std::vector<std::vector<uint8_t>> bytes;
  std::vector<std::string> functions;
};

TEST(Trace, SinkSeesDropsAlwaysAndEventsWhileOn) {
  Trace t;
  Recorder sink;
  t.set_sink(&sink);
  const uint8_t packet[] = {1, 2, 3};
  t.drop(place_a(), 4, 3, packet, sizeof packet);
  ASSERT_EQ(sink.drops.size(), 1u);
  EXPECT_EQ(sink.drops[0].place, place_a());
  EXPECT_EQ(sink.bytes[0], std::vector<uint8_t>({1, 2, 3}));
  EXPECT_TRUE(sink.functions.empty());
  t.start();
  const FakeSkb skb{1, 1};
  outer(t, &skb, place_b());
  EXPECT_EQ(sink.functions, (std::vector<std::string>{"outer", "inner", "inner"}));
  EXPECT_EQ(sink.drops.size(), 2u);
  t.set_sink(nullptr);
  outer(t, &skb, place_b());
  EXPECT_EQ(sink.drops.size(), 2u);
}

TEST(Trace, ContextsNestAndHaveNames) {
  Trace t;
  EXPECT_EQ(t.context(), Context::none);
  {
    const ContextScope a(t, Context::syscall);
    {
      const ContextScope b(t, Context::softirq_tx);
      EXPECT_EQ(t.context(), Context::softirq_tx);
    }
    EXPECT_EQ(t.context(), Context::syscall);
  }
  EXPECT_EQ(t.context(), Context::none);
  EXPECT_EQ(name(Context::softirq_rx), "softirq receive");
}

}  // namespace
}  // namespace glass
