// What `glass drill` does around the runner: finding scripts, playing several at a time, reporting.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/drill/find_scripts.h"
#include "cli/drill/outcome_report.h"
#include "cli/drill/play_scripts.h"
#include "drill/fake_target.h"

namespace glass {

namespace {

namespace fs = std::filesystem;

// A directory with scripts, gone with the test.
class DrillScripts : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() / fmt::format("glass_{}_{}", test->name(), getpid());
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "sub");
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return (folder_ / name).string();
  }

  fs::path folder_;
};

PlaySettings on_fakes(unsigned jobs = 1) {
  PlaySettings settings{.jobs = jobs};
  settings.make_target = [](const drill::Addresses&) {
    auto target = std::make_unique<drill::FakeTarget>();
    target->failing_command = "fails";
    return target;
  };
  return settings;
}

ScriptOutcome failed() {
  ScriptOutcome outcome{.path = "a<b>.pkt", .report = "a<b>.pkt:3: ack is 2 & not 1\n"};
  outcome.result.failure = drill::Failure{.line = 3, .what = "ack is 2 & not 1"};
  return outcome;
}

}  // namespace

TEST_F(DrillScripts, DirectoriesStandForTheirScriptsInOrder) {
  const std::string b = write("b.pkt", ""), a = write("a.pkt", ""), c = write("sub/c.pkt", "");
  write("notes.txt", "");
  EXPECT_EQ(find_scripts({folder_.string()}), (std::vector<std::string>{a, b, c}));
  EXPECT_EQ(find_scripts({c, a}), (std::vector<std::string>{c, a}));
}

TEST_F(DrillScripts, WhatIsNotThereIsAnError) {
  EXPECT_FALSE(find_scripts({(folder_ / "none.pkt").string()}));
  EXPECT_FALSE(find_scripts({(folder_ / "sub").string()}));
}

TEST_F(DrillScripts, OutcomesComeInOrderWhateverTheJobs) {
  std::vector<std::string> files;
  for (int i = 0; i < 20; ++i) files.push_back(write(std::to_string(i) + ".pkt", i % 3 ? "0 `good`\n" : "0 `fails`\n"));
  std::vector<std::string> seen;
  const auto outcomes =
      play_scripts(files, on_fakes(4), [&](const ScriptOutcome& outcome) { seen.push_back(outcome.path); });
  EXPECT_EQ(seen, files);
  const OutcomeCount count = count_outcomes(outcomes);
  EXPECT_EQ(summary_line(count), "13 passed, 7 failed, 0 skipped");
  EXPECT_EQ(outcomes[3].report, files[3] + ":1: no such command\n  `fails`\n  the last packets\n    tcp_v4_rcv\n");
}

TEST_F(DrillScripts, AScriptThatCannotBeReadFails) {
  const std::string path = write("bad.pkt", "0 `good`\n+0 )\n");
  const ScriptOutcome outcome = play_script(path, on_fakes());
  EXPECT_FALSE(outcome.result.passed);
  ASSERT_TRUE(outcome.result.failure);
  EXPECT_EQ(outcome.result.failure->line, 2);
  EXPECT_TRUE(outcome.report.starts_with(path + ":2: ")) << outcome.report;
  EXPECT_EQ(play_script((folder_ / "none.pkt").string(), on_fakes()).result.failure->what, "cannot read the file");
}

TEST(DrillReport, JsonHasWhatIsKnown) {
  const Json json = outcome_json(failed());
  EXPECT_EQ(json["script"], "a<b>.pkt");
  EXPECT_EQ(json["verdict"], "failed");
  EXPECT_EQ(json["line"], 3);
  EXPECT_FALSE(json.contains("got"));
  ScriptOutcome good{.path = "a.pkt"};
  good.result.passed = true;
  good.result.script_us = 1'500'000;
  EXPECT_EQ(outcome_json(good).dump(), R"({"script":"a.pkt","verdict":"passed","seconds":1.5})");
}

TEST(DrillReport, JunitIsEscaped) {
  ScriptOutcome skipped{.path = "b.pkt"};
  skipped.result.skipped = true;
  skipped.result.skip_reason = "IPv6";
  EXPECT_EQ(junit_xml({failed(), skipped}),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<testsuite name=\"glass drill\" tests=\"2\" failures=\"1\" skipped=\"1\">\n"
            "  <testcase classname=\"drill\" name=\"a&lt;b&gt;.pkt\" time=\"0.000000\">\n"
            "    <failure message=\"ack is 2 &amp; not 1\">a&lt;b&gt;.pkt:3: ack is 2 &amp; not 1\n</failure>\n"
            "  </testcase>\n"
            "  <testcase classname=\"drill\" name=\"b.pkt\" time=\"0.000000\">\n"
            "    <skipped message=\"IPv6\"/>\n"
            "  </testcase>\n"
            "</testsuite>\n");
}

}  // namespace glass
