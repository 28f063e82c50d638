// The counters that Linux moved for each injected segment of receive/*.pkt (receive/reasons.tsv), against Glasstack's.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "drill/parser.h"
#include "drill/run.h"

namespace glass::drill {

namespace {

using Counters = std::map<std::string, int64_t>;

// Segments whose counters are right, of 2804. Raise it with what is gained.
constexpr size_t kRight = 2400;

const std::string kFolder = "tests/recorded/receive/";

// "PassiveOpens+1,TW+1"; "-": none.
Counters parse_delta(const std::string& text) {
  Counters delta;
  std::istringstream words(text);
  for (std::string word; std::getline(words, word, ',');) {
    const size_t at = word.find_last_of("+-");
    if (at != std::string::npos && at > 0) delta[word.substr(0, at)] = std::stoll(word.substr(at));
  }
  return delta;
}

// {script: {line: counters}}.
std::map<std::string, std::map<int, Counters>> recorded() {
  std::map<std::string, std::map<int, Counters>> rows;
  std::ifstream file(kFolder + "reasons.tsv");
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::vector<std::string> cells;
    std::istringstream in(line);
    for (std::string cell; std::getline(in, cell, '\t');) cells.push_back(cell);
    rows[cells.at(0)][std::stoi(cells.at(2))] = parse_delta(cells.at(8));
  }
  return rows;
}

std::string text(const Counters& counters) {
  std::string out;
  for (const auto& [name, value] : counters)
    if (value) out += fmt::format("{}{}{:+}", out.empty() ? "" : ",", name, value);
  return out.empty() ? "-" : out;
}

std::string read(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// Counters that moved between one injected segment and the next, by the line of the first.
std::map<int, Counters> played(const std::string& path, const std::set<std::string>& names) {
  const auto script = parse_script(path, read(path));
  EXPECT_TRUE(script) << path;
  std::map<int, Counters> moved;
  Counters before;
  int line = 0;
  const auto look = [&](const Event* event, Target& target) {
    Counters now;
    for (const auto& [name, value] : target.counters()) {
      const std::string bare = name.starts_with("TcpExt") ? name.substr(6)
                               : name.starts_with("Tcp")  ? name.substr(3)
                                                          : "";
      if (names.contains(bare)) now[bare] = static_cast<int64_t>(value);
    }
    for (const auto& [name, value] : now)
      if (line) moved[line][name] = value - before[name];
    before = now;
    line = event ? event->line : 0;
  };
  const auto target = make_glass_target(addresses_of(*script, {}));
  run_script(*script, *target, {}, look);
  return moved;
}

}  // namespace

TEST(RecordedCounters, MoveAsInLinux) {
  const auto rows = recorded();
  ASSERT_FALSE(rows.empty());
  std::set<std::string> names;
  for (const auto& [script, lines] : rows)
    for (const auto& [line, counters] : lines)
      for (const auto& [name, value] : counters) names.insert(name);
  size_t right = 0, all = 0;
  for (const auto& [script, lines] : rows) {
    auto moved = played(kFolder + script, names);
    for (const auto& [line, expected] : lines) {
      ++all;
      const std::string want = text(expected), got = text(moved[line]);
      right += want == got;
      if (want != got) fmt::print("{}:{}: {} instead of {}\n", script, line, got, want);
    }
  }
  fmt::print("{} of {} segments\n", right, all);
  EXPECT_GE(right, kRight);
}

}  // namespace glass::drill
