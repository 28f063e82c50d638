#include "view/path.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace glass {

namespace {

using Kind = TraceEvent::Kind;

bool is_entry_of(const TraceEvent& e, std::string_view function) {
  return e.kind == Kind::enter && e.function && e.function->name == function;
}

// Where the function entered at `begin` has returned: at the first event that is not deeper.
size_t scope_end(std::span<const TraceEvent> events, size_t begin) {
  size_t i = begin + 1;
  while (i < events.size() && events[i].depth > events[begin].depth) ++i;
  return i;
}

bool is_other_packet(const TraceEvent& e, uint32_t skb) { return e.skb != 0 && e.skb != skb; }

// Walks over the events and keeps those of one packet.
class PacketFilter {
 public:
  PacketFilter(std::span<const TraceEvent> events, uint32_t skb) : events_(events), skb_(skb) {}

  std::vector<TraceEvent> run(size_t from) {
    for (size_t i = from; i < events_.size();) i = step(i);
    return std::move(out_);
  }

 private:
  size_t step(size_t i) {
    const TraceEvent& e = events_[i];
    while (!open_.empty() && events_[open_.back().at].depth >= e.depth) close();
    if (is_other_packet(e, skb_)) return e.kind == Kind::enter && inside_ ? scope_end(events_, i) : enter(i, false);
    return enter(i, e.skb == skb_);
  }

  // Inside a function the packet entered, everything counts that is about no other packet.
  size_t enter(size_t i, bool ours) {
    const TraceEvent& e = events_[i];
    const bool keep = ours || (inside_ && !is_other_packet(e, skb_));
    if (keep) {
      for (Open& o : open_) put(o);
    }
    if (e.kind == Kind::enter) {
      open_.push_back({i, false, ours});
      if (ours) ++inside_;
      if (keep) put(open_.back());
    } else if (keep) {
      out_.push_back(e);
    }
    return i + 1;
  }

  struct Open {
    size_t at;
    bool written, ours;
  };
  void put(Open& o) {
    if (!std::exchange(o.written, true)) out_.push_back(events_[o.at]);
  }
  void close() {
    if (open_.back().ours) --inside_;
    open_.pop_back();
  }

  std::span<const TraceEvent> events_;
  uint32_t skb_;
  unsigned inside_ = 0;
  std::vector<Open> open_;
  std::vector<TraceEvent> out_;
};

}  // namespace

std::optional<CallScope> find_call(std::span<const TraceEvent> events, std::string_view function, size_t from) {
  for (size_t i = from; i < events.size(); ++i)
    if (is_entry_of(events[i], function)) return CallScope{i, scope_end(events, i)};
  return std::nullopt;
}

std::optional<CallScope> find_call_with(std::span<const TraceEvent> events, std::string_view function, size_t from,
                                        uint32_t skb) {
  for (auto call = find_call(events, function, from); call; call = find_call(events, function, call->end)) {
    const auto scope = events.subspan(call->begin, call->end - call->begin);
    if (std::ranges::any_of(scope, [&](const TraceEvent& e) { return e.skb == skb; })) return call;
  }
  return std::nullopt;
}

uint32_t packet_entering(std::span<const TraceEvent> events, const CallScope& scope, std::string_view function) {
  for (size_t i = scope.end; i > scope.begin; --i)
    if (is_entry_of(events[i - 1], function) && events[i - 1].skb) return events[i - 1].skb;
  return 0;
}

std::vector<TraceEvent> call_path(std::span<const TraceEvent> events, const CallScope& scope, uint32_t skb) {
  std::vector<TraceEvent> out;
  for (size_t i = scope.begin; i < scope.end;) {
    const bool other = is_other_packet(events[i], skb);
    if (other && events[i].kind == Kind::enter) {
      i = std::min(scope_end(events, i), scope.end);
      continue;
    }
    if (!other) out.push_back(events[i]);
    ++i;
  }
  return out;
}

std::vector<TraceEvent> packet_path(std::span<const TraceEvent> events, size_t from, uint32_t skb) {
  return PacketFilter(events, skb).run(from);
}

// --- text

namespace {

std::string event_text(const TraceEvent& e, const Style& style) {
  switch (e.kind) {
    case Kind::enter: return e.function->name;
    case Kind::queue: return style.green("· queued");
    case Kind::consume: return style.green("✓ consumed");
    case Kind::drop: return style.red(fmt::format("✗ dropped: {}", name(e.place->reason)));
  }
  return "";
}

std::string place_text(const TraceEvent& e) {
  if (e.place) return fmt::format("{}:{}", source_path(e.place->file), e.place->line);
  return e.kind == Kind::enter ? fmt::format("{}:{}", source_path(e.function->file), e.function->line) : "";
}

std::string event_line(const TraceEvent& e, unsigned base_depth, const Style& style) {
  constexpr size_t kPlaceColumn = 56;
  const size_t indent = 2 + size_t{2} * (e.depth - std::min<unsigned>(e.depth, base_depth));
  const size_t used = indent + display_width(event_text(e, {}));
  const std::string place = place_text(e);
  std::string line = std::string(indent, ' ') + event_text(e, style);
  if (!place.empty()) line += std::string(used < kPlaceColumn ? kPlaceColumn - used : 1, ' ') + style.dim(place);
  return line + "\n";
}

}  // namespace

std::string format_path(std::span<const PathPart> parts, Instant start, const Style& style) {
  std::string out;
  for (const PathPart& part : parts) {
    const TraceEvent* before = nullptr;
    unsigned base_depth = 0;
    for (const TraceEvent& e : part.events) {
      if (!before || before->context != e.context || before->when != e.when) {
        base_depth = e.depth;
        const std::string heading =
            fmt::format("{}, {}, at {}", part.host, name(e.context), format_milliseconds(e.when - start));
        out += style.bold(heading) + "\n";
      }
      out += event_line(e, base_depth, style);
      before = &e;
    }
  }
  return out;
}

}  // namespace glass
