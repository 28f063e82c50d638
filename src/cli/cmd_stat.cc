// glass stat: counters, connections and the receive side of a running glass.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/control_client.h"
#include "view/counters.h"
#include "view/json_fields.h"
#include "view/sockets.h"

namespace glass {

namespace {

struct StatOptions {
  int pid = 0;
  bool all = false, sockets = false, softnet = false, json = false;
};

Json field(const Json& reply, const char* key) { return reply.contains(key) ? reply[key] : Json(); }

int stat(Session& session, const StatOptions& o) {
  if (o.sockets && o.softnet) throw Failure("--sockets and --softnet exclude each other", kExitUsage);
  ControlClient glass = ControlClient::connect(session.link, o.pid);
  const std::string what = o.sockets ? "sockets" : o.softnet ? "softnet" : "counters";
  const Json data = field(glass.ask({{"cmd", what}}), what.c_str());
  if (o.json) {
    print(data.dump(2) + "\n");
  } else if (o.sockets) {
    print(format_sockets(socket_rows_from_json(data), o.all, style_for(1)));
  } else if (o.softnet) {
    print(format_softnet(softnet_from_json(data), style_for(1)));
  } else {
    print(format_nstat(counters_from_json(data), o.all));
  }
  return 0;
}

}  // namespace

void add_stat(CLI::App& app, Session& session) {
  CLI::App* cmd = app.add_subcommand("stat", "counters (as nstat) and connections (as ss -ti) of a running glass");
  auto o = std::make_shared<StatOptions>();
  cmd->add_flag("-a,--all", o->all, "counters that are zero too; listeners and TIME-WAIT too");
  cmd->add_flag("--sockets", o->sockets, "TCP connections, as ss -tni; with -a as ss -tani");
  cmd->add_flag("--softnet", o->softnet, "the receive side and the devices");
  cmd->add_flag("--json", o->json, "as JSON");
  add_client_options(*cmd, session.link, o->pid);
  cmd->footer(
      "Example: glass stat --sockets -a\n"
      "Exit code: 0, 1 if no running glass answers, 2 on wrong usage.");
  on_run(*cmd, session, [&session, o] { return stat(session, *o); });
}

}  // namespace glass
