// What `glass drill` prints and writes about its runs.
#pragma once
#include <string>
#include <vector>

#include "cli/drill/play_scripts.h"
#include "view/json.h"

namespace glass {

struct OutcomeCount {
  size_t passed = 0, failed = 0, skipped = 0;
};

OutcomeCount count_outcomes(const std::vector<ScriptOutcome>&);
std::string summary_line(const OutcomeCount&);  // "3 passed, 1 failed, 0 skipped"

Json outcome_json(const ScriptOutcome&);
std::string junit_xml(const std::vector<ScriptOutcome>&);

}  // namespace glass
