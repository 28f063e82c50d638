#include "cli/drill/play_scripts.h"

#include <fmt/format.h>

#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <thread>

#include "drill/parser.h"

namespace glass {

namespace {

std::optional<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// The comment that a script begins with says what it shows: a recorded one keeps it.
std::string opening_comment(std::string_view text) {
  size_t end = 0;
  while (text.substr(end).starts_with("//")) end = std::min(text.find('\n', end), text.size() - 1) + 1;
  return std::string(text.substr(0, end));
}

ScriptOutcome failed_early(const std::string& path, int line, const std::string& what) {
  ScriptOutcome outcome{.path = path};
  outcome.result.failure = drill::Failure{.line = line, .what = what};
  outcome.report = line ? fmt::format("{}:{}: {}\n", path, line, what) : fmt::format("{}: {}\n", path, what);
  return outcome;
}

// Hands out the files to threads, and the outcomes in the files' order to the caller's thread.
class Crew {
 public:
  Crew(const std::vector<std::string>& paths, const PlaySettings& settings)
      : paths_(paths), settings_(settings), outcomes_(paths.size()), ready_(paths.size()) {
    const size_t size = std::min<size_t>(std::max(1u, settings.jobs), paths.size());
    for (size_t i = 0; i < size; ++i) threads_.emplace_back([this] { work(); });
  }

  ScriptOutcome take(size_t index) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ready_[index]; });
    return std::move(outcomes_[index]);
  }

 private:
  void work() {
    for (;;) {
      size_t index;
      {
        const std::lock_guard lock(mutex_);
        if (next_ == paths_.size()) return;
        index = next_++;
      }
      ScriptOutcome outcome = play_script(paths_[index], settings_);
      const std::lock_guard lock(mutex_);
      outcomes_[index] = std::move(outcome);
      ready_[index] = true;
      changed_.notify_all();
    }
  }

  const std::vector<std::string>& paths_;
  const PlaySettings& settings_;
  std::vector<ScriptOutcome> outcomes_;
  std::vector<bool> ready_;
  size_t next_ = 0;
  std::mutex mutex_{};
  std::condition_variable changed_{};
  std::vector<std::jthread> threads_{};  // joined first
};

}  // namespace

ScriptOutcome play_script(const std::string& path, const PlaySettings& settings) {
  const auto text = read_file(path);
  if (!text) return failed_early(path, 0, "cannot read the file");
  const auto script = drill::parse_script(path, *text, settings.defines);
  if (!script) return failed_early(path, script.error().line, script.error().text);
  const auto target = settings.make_target(drill::addresses_of(*script, settings.run));
  target->set_directory(std::filesystem::absolute(path).parent_path().string());
  ScriptOutcome outcome{.path = path, .result = drill::run_script(*script, *target, settings.run)};
  outcome.report = drill::format_failure(*script, outcome.result);
  if (settings.run.record) outcome.result.recorded.insert(0, opening_comment(*text));
  return outcome;
}

std::vector<ScriptOutcome> play_scripts(const std::vector<std::string>& paths, const PlaySettings& settings,
                                        const std::function<void(const ScriptOutcome&)>& done) {
  Crew crew(paths, settings);
  std::vector<ScriptOutcome> outcomes;
  for (size_t i = 0; i < paths.size(); ++i) {
    outcomes.push_back(crew.take(i));
    done(outcomes.back());
  }
  return outcomes;
}

}  // namespace glass
