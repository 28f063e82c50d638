// glass trace: the functions that packets pass in a running glass, as they pass them.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/control_client.h"
#include "runtime/event_loop.h"
#include "view/events.h"
#include "view/json_fields.h"

namespace glass {

namespace {

struct TraceOptions {
  int pid = 0;
  double seconds = 0;
  uint64_t events = 0;
  uint32_t skb = 0;
  bool json = false;
};

int trace(Session& session, const TraceOptions& o) {
  ControlClient glass = ControlClient::connect(session.link, o.pid);
  std::optional<Instant> until;
  if (o.seconds > 0) until = EventLoop::clock() + Duration(static_cast<int64_t>(o.seconds * 1e9));
  const auto start = static_cast<int64_t>(number_field(glass.ask({{"cmd", "watch"}, {"what", "events"}}), "now_ns"));
  const Style style = style_for(1);
  for (uint64_t shown = 0; o.events == 0 || shown < o.events;) {
    const auto event = glass.next(until);
    if (!event) break;
    const uint64_t lost = number_field(*event, "lost");
    if (o.skb && !lost && number_field(*event, "skb") != o.skb) continue;
    if (o.json) {
      print(event->dump() + "\n");
    } else if (lost) {
      print(fmt::format("... {} events that could not be shown in time\n", lost));
    } else {
      print(format_event(event_from_json(*event), start, style) + "\n");
    }
    if (!lost) ++shown;
  }
  return 0;  // closing the connection switches the trace off
}

}  // namespace

void add_trace(CLI::App& app, Session& session) {
  CLI::App* cmd = app.add_subcommand("trace", "the functions packets pass in a running glass, live");
  auto o = std::make_shared<TraceOptions>();
  cmd->add_option("--seconds", o->seconds, "stop after so long")->type_name("N")->check(CLI::PositiveNumber);
  cmd->add_option("-n", o->events, "stop after so many events")->type_name("EVENTS")->check(CLI::PositiveNumber);
  cmd->add_option("--skb", o->skb, "only this packet's events")->type_name("ID");
  cmd->add_flag("--json", o->json, "one JSON object a line");
  add_client_options(*cmd, session.link, o->pid);
  cmd->footer(
      "Example: glass trace -n 200\n"
      "Exit code: 0, 1 if no running glass answers, 2 on wrong usage.");
  on_run(*cmd, session, [&session, o] { return trace(session, *o); });
}

}  // namespace glass
