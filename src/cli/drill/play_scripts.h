// Runs script files, several at a time: each on a target of its own.
//
//   auto outcomes = play_scripts(files, settings, [](const ScriptOutcome& o) { ... });   // called in the files' order
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "drill/run.h"

namespace glass {

struct PlaySettings {
  drill::RunOptions run{};
  std::map<std::string, std::string> defines{};  // -D
  unsigned jobs = 1;
  std::function<std::unique_ptr<drill::Target>(const drill::Addresses&)> make_target{};
};

struct ScriptOutcome {
  std::string path{};
  drill::RunResult result{};
  std::string report{};  // what to print of a failure; "" if it did not fail
};

// The first failure of a script that cannot even be read is a failure like another.
ScriptOutcome play_script(const std::string& path, const PlaySettings&);

std::vector<ScriptOutcome> play_scripts(const std::vector<std::string>& paths, const PlaySettings&,
                                        const std::function<void(const ScriptOutcome&)>& done);

}  // namespace glass
