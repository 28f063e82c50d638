#include "view/events.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "view/json_fields.h"

namespace glass {

std::string_view kind_name(TraceEvent::Kind kind) {
  switch (kind) {
    case TraceEvent::Kind::enter: return "enter";
    case TraceEvent::Kind::drop: return "drop";
    case TraceEvent::Kind::consume: return "consume";
    case TraceEvent::Kind::queue: return "queue";
  }
  return "";
}

EventRow event_row(const TraceEvent& e) {
  EventRow row{.when_ns = e.when.time_since_epoch().count(),
               .kind = std::string(kind_name(e.kind)),
               .context = std::string(name(e.context)),
               .function = {},
               .file = {},
               .line = 0,
               .depth = e.depth,
               .skb = e.skb,
               .len = e.len,
               .reason = {}};
  if (e.place) {
    const DropRow drop = drop_row(*e.place);
    row.function = drop.function;
    row.file = drop.file;
    row.line = drop.line;
    row.reason = drop.reason;
  } else if (e.function) {
    row.function = e.function->name;
    row.file = source_path(e.function->file);
    row.line = e.function->line;
  }
  return row;
}

namespace {

std::string seconds_since(int64_t when_ns, int64_t start_ns) {
  return fmt::format("{:>12.6f}", static_cast<double>(when_ns - start_ns) / 1e9);
}

std::string what_happened(const EventRow& e, const Style& style) {
  if (e.kind == "enter") return e.function;
  if (e.kind == "drop")
    return style.red(fmt::format("✗ dropped: {} at {}", e.reason, format_place(e.function, e.file, e.line)));
  return style.green(e.kind == "queue" ? "· queued" : "✓ consumed");
}

}  // namespace

std::string format_event(const EventRow& e, int64_t start_ns, const Style& style) {
  std::string out = fmt::format("{} {:<17}{}{}", seconds_since(e.when_ns, start_ns), e.context,
                                std::string(size_t{2} * e.depth, ' '), what_happened(e, style));
  if (e.skb) out += style.dim(fmt::format("  [skb {}, {} bytes]", e.skb, e.len));
  return out;
}

std::string format_live_drop(const EventRow& e, std::string_view packet, int64_t start_ns, const Style& style) {
  return fmt::format("{} {} at {}  {}", seconds_since(e.when_ns, start_ns), style.red(e.reason),
                     format_place(e.function, e.file, e.line), packet);
}

Json to_json(const EventRow& e) {
  Json j{{"when_ns", e.when_ns}, {"kind", e.kind}, {"context", e.context}, {"depth", e.depth}, {"function", e.function},
         {"file", e.file},       {"line", e.line}, {"skb", e.skb},         {"len", e.len}};
  if (!e.reason.empty()) j["reason"] = e.reason;
  return j;
}

EventRow event_from_json(const Json& j) {
  return {.when_ns = static_cast<int64_t>(number_field(j, "when_ns")),
          .kind = text_field(j, "kind"),
          .context = text_field(j, "context"),
          .function = text_field(j, "function"),
          .file = text_field(j, "file"),
          .line = static_cast<int>(number_field(j, "line")),
          .depth = static_cast<uint32_t>(number_field(j, "depth")),
          .skb = static_cast<uint32_t>(number_field(j, "skb")),
          .len = static_cast<uint32_t>(number_field(j, "len")),
          .reason = text_field(j, "reason")};
}

}  // namespace glass
