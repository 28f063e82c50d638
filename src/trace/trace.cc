#include "trace/trace.h"

#include <algorithm>

namespace glass {

Trace::Trace() : drops_(drop_places().size()) {}

uint64_t Trace::drops_for(DropReason reason) const {
  uint64_t sum = 0;
  for (size_t i = 0; i < drops_.size(); ++i)
    if (drop_places()[i].reason == reason) sum += drops_[i];
  return sum;
}

uint64_t Trace::drops() const {
  uint64_t sum = 0;
  for (uint64_t n : drops_) sum += n;
  return sum;
}

void Trace::start(size_t ring_events) {
  ring_.assign(std::max<size_t>(ring_events, 1), TraceEvent{});
  written_ = 0;
  by_stack_.clear();
  on_ = true;
}

void Trace::clear_events() { written_ = 0; }

std::vector<TraceEvent> Trace::events() const {
  std::vector<TraceEvent> out;
  const uint64_t kept = std::min<uint64_t>(written_, ring_.size());
  out.reserve(kept);
  for (uint64_t i = written_ - kept; i < written_; ++i) out.push_back(ring_[i % ring_.size()]);
  return out;
}

void Trace::enter(const FunctionInfo* f, uint32_t skb, uint32_t len) {
  record(TraceEvent::Kind::enter, f, nullptr, skb, len);
  if (depth_ < kMaxDepth) shadow_[depth_] = f;
  ++depth_;
}

void Trace::record(TraceEvent::Kind kind, const FunctionInfo* function, const DropPlace* place, uint32_t skb,
                   uint32_t len) {
  if (ring_.empty()) return;
  TraceEvent& e = ring_[written_++ % ring_.size()];
  e = {now_, function, place, skb, len, kind, context_, depth_};
  if (sink_) sink_->on_event(e);
}

void Trace::record_drop(const DropPlace* place, uint32_t skb, uint32_t len, const uint8_t* packet, size_t size) {
  if (on_) {
    record(TraceEvent::Kind::drop, place, skb, len);
    ++by_stack_[{place, call_stack()}];
  }
  if (sink_) {
    const TraceEvent e{now_, innermost(), place, skb, len, TraceEvent::Kind::drop, context_, depth_};
    sink_->on_drop(e, packet, size);
  }
}

Trace::CallStack Trace::call_stack() const {
  CallStack stack;
  for (uint8_t i = std::min(depth_, kMaxDepth); i > 0; --i) stack.push_back(shadow_[i - 1]);
  return stack;
}

std::vector<Trace::StackCount> Trace::drops_by_stack() const {
  std::vector<StackCount> out;
  out.reserve(by_stack_.size());
  for (const auto& [key, count] : by_stack_) out.push_back({key.first, key.second, count});
  std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.count > b.count; });
  return out;
}

std::string_view name(Context c) {
  switch (c) {
    case Context::none: return "none";
    case Context::syscall: return "system call";
    case Context::softirq_rx: return "softirq receive";
    case Context::softirq_tx: return "softirq transmit";
    case Context::timer: return "timer";
    case Context::driver: return "driver";
  }
  return "none";
}

}  // namespace glass
