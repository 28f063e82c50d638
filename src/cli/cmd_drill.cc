// glass drill: plays packetdrill scripts on Glasstack in virtual time, or on the running kernel.
#include <fmt/format.h>

#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/command.h"
#include "cli/drill/find_scripts.h"
#include "cli/drill/kernel_target.h"
#include "cli/drill/outcome_report.h"
#include "cli/drill/play_scripts.h"

namespace glass {

namespace {

struct DrillOptions {
  std::vector<std::string> scripts, defines;
  std::string mode = "ipv4", target = "glass", junit;
  bool json = false, quiet = false, strict = false;
  drill::RunOptions run{};
  std::optional<int64_t> ts_tick_us{};
  unsigned jobs = 0;
};

std::map<std::string, std::string> defines_of(const std::vector<std::string>& words) {
  std::map<std::string, std::string> defines;
  for (const std::string& word : words) {
    const size_t at = word.find('=');
    if (at == 0 || at == std::string::npos) throw Failure(fmt::format("-D {}: write NAME=value", word), kExitUsage);
    defines[word.substr(0, at)] = word.substr(at + 1);
  }
  return defines;
}

void check_mode(const std::string& mode) {
  if (mode == "ipv6" || mode == "mapped")
    throw Failure(fmt::format("--mode {}: not yet; Glasstack's IPv6 is not there, use --mode ipv4", mode), kExitUsage);
}

PlaySettings settings_of(const DrillOptions& o) {
  PlaySettings settings{.run = o.run, .defines = defines_of(o.defines), .jobs = o.jobs};
  if (o.ts_tick_us) settings.run.overrides.emplace_back("tcp_ts_tick_usecs", std::to_string(*o.ts_tick_us));
  const bool kernel = o.target == "kernel";
  settings.make_target = kernel ? make_kernel_target : drill::make_glass_target;
  if (kernel) {
    check_or_fail(can_make_kernel_target());
    settings.jobs = 1;  // one clock: scripts beside each other would disturb it
  }
  if (!settings.jobs) settings.jobs = std::max(1u, std::thread::hardware_concurrency());
  return settings;
}

void write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) throw Failure(fmt::format("cannot write {}", path));
}

int drill_scripts(const DrillOptions& o) {
  check_mode(o.mode);
  const auto files = value_or_fail(find_scripts(o.scripts), kExitUsage);
  const auto settings = settings_of(o);
  const auto outcomes = play_scripts(files, settings, [&](const ScriptOutcome& outcome) {
    if (o.run.record) return print(outcome.result.recorded);
    if (o.json) return print(outcome_json(outcome).dump() + "\n");
    if (!outcome.report.empty() && !o.quiet) print(outcome.report);
    if (outcome.result.skipped) print(fmt::format("{}: skipped: {}\n", outcome.path, outcome.result.skip_reason));
  });
  const OutcomeCount count = count_outcomes(outcomes);
  if (!o.junit.empty()) write_file(o.junit, junit_xml(outcomes));
  if (o.json) {
    print(Json{{"passed", count.passed}, {"failed", count.failed}, {"skipped", count.skipped}}.dump() + "\n");
  } else if (!o.run.record) {
    print(summary_line(count) + "\n");
  }
  return count.failed ? kExitFailed : 0;
}

void add_run_options(CLI::App& cmd, DrillOptions& o) {
  auto* lax = cmd.add_flag("--lax", o.run.lax, "the original's checks only: no TSecr, TCP checksum, window offered");
  cmd.add_flag("--strict", o.strict, "all checks (the default)")->excludes(lax);
  cmd.add_flag("--strict_segments", o.run.strict_segments, "expect the very segments of the script, none in pieces");
  cmd.add_flag("--reasons", o.run.check_reasons, "check the notes `// ok` and `// drop: REASON @ place`");
  cmd.add_option("--tolerance_usecs", o.run.tolerance_us, "how far off an event may be; the script's, else 4000")
      ->type_name("N");
  cmd.add_option("--tolerance_percent", o.run.tolerance_percent, "or that share of the gap before it; else 12.5")
      ->type_name("N");
  cmd.add_option("--tcp_ts_tick_usecs", o.ts_tick_us, "compare TSval, with ticks of so many microseconds")
      ->type_name("N");
  cmd.add_option("-D,--define", o.defines, "what a bare word NAME of the script stands for")->type_name("NAME=VALUE");
}

}  // namespace

void add_drill(CLI::App& app, Session& session) {
  CLI::App* cmd = app.add_subcommand("drill", "play packetdrill scripts on the stack, in virtual time");
  auto o = std::make_shared<DrillOptions>();
  cmd->add_option("scripts", o->scripts, "script files, or directories with *.pkt below")
      ->type_name("PATH")
      ->required();
  cmd->add_option("--mode", o->mode, "the IP version")->check(CLI::IsMember({"ipv4", "ipv6", "mapped"}));
  cmd->add_option("--target", o->target, "what to play on: Glasstack, or the running kernel over TUN in real time")
      ->check(CLI::IsMember({"glass", "kernel"}));
  add_run_options(*cmd, *o);
  cmd->add_flag("--record", o->run.record, "write the script that the target's own answers make");
  cmd->add_option("-j,--jobs", o->jobs, "scripts at a time; 0: one a processor")->type_name("N");
  cmd->add_flag("--json", o->json, "one JSON object a script, then one with the counts");
  cmd->add_option("--junit", o->junit, "also write a JUnit report")->type_name("FILE");
  cmd->add_flag("-q,--quiet", o->quiet, "only the counts");
  cmd->footer(
      "Example: glass drill --reasons tests/recorded/receive\n"
      "Example: glass drill --target kernel tests/drill/three_way_handshake.pkt\n"
      "Exit code: 0, 1 if a script fails, 2 on wrong usage.");
  on_run(*cmd, session, [o] { return drill_scripts(*o); });
}

}  // namespace glass
