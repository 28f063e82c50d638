// glass explain: what a drop reason means, where its packets end, and what to do about it.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "view/explain.h"

namespace glass {

namespace {

struct ExplainOptions {
  std::string reason;
  bool json = false;
};

int explain(const ExplainOptions& o) {
  const auto catalogue = drop_catalogue();
  if (o.reason.empty()) {
    print(o.json ? reason_list_json(catalogue).dump(2) + "\n" : format_reason_list(style_for(1)));
    return 0;
  }
  const DropReasonRow* found = look_up_reason(o.reason);
  if (!found)
    throw Failure(fmt::format("there is no drop reason '{}'; nearest are {}", o.reason,
                              fmt::join(nearest_reasons(o.reason), ", ")),
                  kExitUsage);
  print(o.json ? reason_json(*found, catalogue).dump(2) + "\n" : format_reason(*found, catalogue, style_for(1)));
  return 0;
}

}  // namespace

void add_explain(CLI::App& app, Session& session) {
  CLI::App* cmd = app.add_subcommand("explain", "what a drop reason means and what to do; all of them without a name");
  auto o = std::make_shared<ExplainOptions>();
  cmd->add_option("reason", o->reason, "a drop reason, with or without SKB_DROP_REASON_")->type_name("REASON");
  cmd->add_flag("--json", o->json, "as JSON");
  cmd->footer(
      "Example: glass explain TCP_RFC7323_PAWS\n"
      "Exit code: 0, or 2 if there is no such reason.");
  on_run(*cmd, session, [o] { return explain(*o); });
}

}  // namespace glass
