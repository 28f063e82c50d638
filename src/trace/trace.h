// What one stack knows about the ends and the ways of its packets.
//
// Always on: counters, and a count for every drop place. Switched on with start(): entries of probed functions, queue
// events and ends go into a ring, the shadow call stack is kept, and drops are counted by call stack as well.
//
//   Trace trace;   trace.start(1 << 16);  ...  for (const TraceEvent& e : trace.events()) ...
//   trace.drops_at(index_of(place));   trace.value(Mib::TcpInSegs);
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "base/time.h"
#include "trace/counter.h"
#include "trace/drop_place.h"
#include "trace/probe.h"

namespace glass {

struct TraceEvent {
  enum class Kind : uint8_t { enter, drop, consume, queue };
  Instant when;
  const FunctionInfo* function;  // entered; or the innermost probed function at the end or queueing
  const DropPlace* place;        // drops only
  uint32_t skb;                  // the packet's id (clones share it); 0 = none known
  uint32_t len;                  // its length then
  Kind kind;
  Context context;
  uint8_t depth;  // in the shadow call stack, 0 = outermost
};

// Receives events while they happen. Called from inside the stack: must not call back into it.
class TraceSink {
 public:
  virtual ~TraceSink() = default;
  // `packet` is the dropped data from the network header on as far as it is in one piece (may be empty).
  virtual void on_drop(const TraceEvent&, const uint8_t* packet, size_t size) = 0;
  virtual void on_event(const TraceEvent&) {}
};

class Trace {
 public:
  Trace();
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;

  // --- always on
  void count(Mib m, uint64_t n = 1) { counter_[static_cast<size_t>(m)] += n; }
  void set(Mib m, uint64_t n) { counter_[static_cast<size_t>(m)] = n; }
  uint64_t value(Mib m) const { return counter_[static_cast<size_t>(m)]; }
  uint64_t drops_at(size_t place_index) const { return drops_[place_index]; }
  uint64_t drops_for(DropReason) const;  // over all its places
  uint64_t drops() const;                // over all places
  uint64_t consumed() const { return consumed_; }
  uint64_t leaked() const { return leaked_; }  // handles that went out of scope (release builds)

  // --- switched on at run time
  void start(size_t ring_events = 1 << 14);  // keeps the newest events; counts of call stacks start from zero
  void stop() { on_ = false; }
  bool on() const { return on_; }
  void set_sink(TraceSink* sink) { sink_ = sink; }
  std::vector<TraceEvent> events() const;  // oldest first
  void clear_events();

  using CallStack = std::vector<const FunctionInfo*>;  // innermost first
  struct StackCount {
    const DropPlace* place;
    CallStack stack;
    uint64_t count;
  };
  std::vector<StackCount> drops_by_stack() const;  // most frequent first
  CallStack call_stack() const;

  // --- called by the stack itself
  void set_now(Instant now) { now_ = now; }
  Context context() const { return context_; }
  void enter(const FunctionInfo*, uint32_t skb, uint32_t len);  // only while on
  void leave() {
    if (depth_) --depth_;
  }
  void drop(const DropPlace* place, uint32_t skb, uint32_t len, const uint8_t* packet, size_t size) {
    ++drops_[index_of(place)];
    if (on_ || sink_) [[unlikely]]
      record_drop(place, skb, len, packet, size);
  }
  void consume(uint32_t skb, uint32_t len) {
    ++consumed_;
    if (on_) [[unlikely]]
      record(TraceEvent::Kind::consume, nullptr, skb, len);
  }
  void queued(uint32_t skb, uint32_t len) {
    if (on_) [[unlikely]]
      record(TraceEvent::Kind::queue, nullptr, skb, len);
  }
  void leak() { ++leaked_; }

 private:
  friend class ContextScope;
  static constexpr uint8_t kMaxDepth = 64;
  void record(TraceEvent::Kind kind, const DropPlace* place, uint32_t skb, uint32_t len) {
    record(kind, innermost(), place, skb, len);
  }
  void record(TraceEvent::Kind, const FunctionInfo*, const DropPlace*, uint32_t skb, uint32_t len);
  void record_drop(const DropPlace*, uint32_t skb, uint32_t len, const uint8_t* packet, size_t size);
  const FunctionInfo* innermost() const {
    return depth_ ? shadow_[(depth_ < kMaxDepth ? depth_ : kMaxDepth) - 1] : nullptr;
  }

  bool on_ = false;
  Context context_ = Context::none;
  uint8_t depth_ = 0;
  TraceSink* sink_ = nullptr;
  Instant now_{};
  uint64_t consumed_ = 0, leaked_ = 0;
  std::array<uint64_t, kMibCount> counter_{};
  std::vector<uint64_t> drops_;
  std::array<const FunctionInfo*, kMaxDepth> shadow_{};
  std::vector<TraceEvent> ring_;
  uint64_t written_ = 0;
  std::map<std::pair<const DropPlace*, CallStack>, uint64_t> by_stack_;
};

// Sets the execution context for a scope.
class ContextScope {
 public:
  ContextScope(Trace& t, Context c) : trace_(t), before_(t.context_) { t.context_ = c; }
  ~ContextScope() { trace_.context_ = before_; }
  ContextScope(const ContextScope&) = delete;
  ContextScope& operator=(const ContextScope&) = delete;

 private:
  Trace& trace_;
  Context before_;
};

class FunctionProbe {
 public:
  FunctionProbe(Trace& t, const FunctionInfo* f) : FunctionProbe(t, f, 0, 0) {}
  template <class SkbLike>
  FunctionProbe(Trace& t, const FunctionInfo* f, const SkbLike& skb) : trace_(t), entered_(t.on()) {
    if (entered_) [[unlikely]]
      t.enter(f, skb ? skb->id : 0, skb ? skb->len : 0);
  }
  ~FunctionProbe() {
    if (entered_) [[unlikely]]
      trace_.leave();
  }
  FunctionProbe(const FunctionProbe&) = delete;
  FunctionProbe& operator=(const FunctionProbe&) = delete;

 private:
  FunctionProbe(Trace& t, const FunctionInfo* f, uint32_t id, uint32_t len) : trace_(t), entered_(t.on()) {
    if (entered_) [[unlikely]]
      t.enter(f, id, len);
  }
  Trace& trace_;
  bool entered_;
};

}  // namespace glass

#define PROBE(trace, ...)                                                                   \
  static constexpr ::glass::FunctionInfo glass_function_here{__func__, __FILE__, __LINE__}; \
  const ::glass::FunctionProbe glass_probe_here(trace, &glass_function_here __VA_OPT__(, ) __VA_ARGS__)
