// Plays one script on one target and says how it went.
//
//   auto target = make_glass_target(addresses_of(script, options));
//   RunResult r = run_script(script, *target, options);
//   if (!r.passed) fmt::print("{}", format_failure(r));
#pragma once
#include <functional>
#include <memory>

#include "drill/target.h"

namespace glass::drill {

struct RunOptions {
  bool strict_segments = false;  // also --strict_segments of the script
  bool lax = false;              // the original's checks only: no TSecr, checksum and window-scale checks of our own
  bool check_reasons = false;    // --reasons: the notes behind injected segments
  bool record = false;           // keep the script that the target's own answers make
  std::optional<int64_t> tolerance_us{};                         // else the script's, else 4000
  std::optional<double> tolerance_percent{};                     // likewise, else 12.5
  std::vector<std::pair<std::string, std::string>> overrides{};  // options that win over the script's own
};

// What a test may want to look at beside the script: called when an injected packet is due, before it is injected, and
// with null when the script is over.
using Onlooker = std::function<void(const Event*, Target&)>;

struct Failure {
  int line = 0;                   // of the script
  std::string event{};            // as written
  std::string what{};             // one sentence
  std::string expected{}, got{};  // packets in the script's own language; may be empty
  std::string socket{}, trace{};  // `ss -ti` line; ways of the last packets
};

struct RunResult {
  bool passed = false, skipped = false;
  std::string skip_reason{};
  std::optional<Failure> failure{};
  int64_t script_us = 0;   // the target's time that passed
  std::string recorded{};  // with RunOptions::record
};

Addresses addresses_of(const Script&, const RunOptions&);
RunResult run_script(const Script&, Target&, const RunOptions&, const Onlooker& = {});
std::string format_failure(const Script&, const RunResult&);

}  // namespace glass::drill
