// glass drops: which packets a running glass dropped, where and why; and the catalogue of all places.
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

struct DropsOptions {
  int pid = 0;
  bool list = false, stacks = false, live = false, json = false;
  double seconds = 0;
};

std::optional<Instant> end_of(const DropsOptions& o) {
  if (!(o.seconds > 0)) return std::nullopt;
  return EventLoop::clock() + Duration(static_cast<int64_t>(o.seconds * 1e9));
}

int list(const DropsOptions& o) {
  const auto catalogue = drop_catalogue();
  print(o.json ? catalogue_json(catalogue).dump(2) + "\n" : format_drop_catalogue(catalogue, style_for(1)));
  return 0;
}

int live(ControlClient glass, const DropsOptions& o) {
  const auto until = end_of(o);
  const auto start = static_cast<int64_t>(number_field(glass.ask({{"cmd", "watch"}, {"what", "drops"}}), "now_ns"));
  while (const auto event = glass.next(until)) {
    if (o.json) {
      print(event->dump() + "\n");
    } else if (const uint64_t lost = number_field(*event, "lost")) {
      print(fmt::format("... {} more that could not be shown in time\n", lost));
    } else {
      print(format_live_drop(event_from_json(*event), text_field(*event, "packet"), start, style_for(1)) + "\n");
    }
  }
  return 0;
}

int stacks(ControlClient glass, const DropsOptions& o) {
  const auto until = end_of(o);
  if (until) {
    (void)glass.ask({{"cmd", "trace"}});
    while (glass.next(until)) {
    }
  }
  const Json reply = glass.ask({{"cmd", "stacks"}});
  if (!bool_field(reply, "tracing"))
    throw Failure(
        "call stacks are kept only while tracing is on: add --seconds N to switch it on for so long, or run `glass "
        "trace` beside");
  const auto rows = drop_stack_rows_from_json(array_field(reply, "stacks"));
  print(o.json ? to_json(rows).dump(2) + "\n" : format_drops_by_stack(rows, style_for(1)));
  return 0;
}

int counts(ControlClient glass, const DropsOptions& o) {
  const auto rows = drop_rows_from_json(array_field(glass.ask({{"cmd", "drops"}}), "drops"));
  if (o.json) {
    print(to_json(rows).dump(2) + "\n");
  } else if (rows.empty()) {
    print(format_drops_by_place(rows));
  } else {
    print(format_drops_by_reason(rows, style_for(1)) + "\n" + format_drops_by_place(rows, style_for(1)));
  }
  return 0;
}

int drops(Session& session, const DropsOptions& o) {
  if (o.list + o.stacks + o.live > 1) throw Failure("--list, --stacks and --live exclude each other", kExitUsage);
  if (o.list) return list(o);
  ControlClient glass = ControlClient::connect(session.link, o.pid);
  if (o.live) return live(std::move(glass), o);
  return o.stacks ? stacks(std::move(glass), o) : counts(std::move(glass), o);
}

}  // namespace

void add_drops(CLI::App& app, Session& session) {
  CLI::App* cmd = app.add_subcommand("drops", "packets a running glass dropped, by reason and place");
  auto o = std::make_shared<DropsOptions>();
  cmd->add_flag("--list", o->list, "every place in the program where a packet can end early; needs no running glass");
  cmd->add_flag("--stacks", o->stacks, "by call stack, counted while tracing is on");
  cmd->add_flag("--live", o->live, "print each drop as it happens");
  cmd->add_option("--seconds", o->seconds, "with --live or --stacks: for so long")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  cmd->add_flag("--json", o->json, "as JSON; with --live one object a line");
  add_client_options(*cmd, session.link, o->pid);
  cmd->footer(
      "Example: glass drops --live --seconds 10\n"
      "Example: glass drops --list --json\n"
      "Exit code: 0, 1 if no running glass answers, 2 on wrong usage.");
  on_run(*cmd, session, [&session, o] { return drops(session, *o); });
}

}  // namespace glass
