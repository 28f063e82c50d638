// The runner against a target that only does what each test arranged.
#include <gtest/gtest.h>

#include "drill/fake_target.h"
#include "drill/run.h"

namespace glass::drill {

namespace {

// The beginning of a passive connection; events of a test follow from 20 ms on.
const std::string kAccepted = R"(
0    socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0   bind(3, ..., ...) = 0
+0   listen(3, 1) = 0
+.01 < S 0:0(0) win 1000
+0   > S. 0:0(0) ack 1
+.01 < . 1:1(0) ack 1 win 1000
+0   accept(3, ..., ...) = 4
)";

RunResult play(FakeTarget& target, const std::string& text, const RunOptions& options = {}) {
  auto script = parse_script("test.pkt", text);
  if (!script) {
    ADD_FAILURE() << "line " << script.error().line << ": " << script.error().text;
    return {};
  }
  return run_script(*script, target, options);
}

// After the handshake above, which the target has part in.
RunResult play_accepted(FakeTarget& target, const std::string& events, const RunOptions& options = {}) {
  return play(target, kAccepted + events, options);
}

FakeTarget accepting() {
  FakeTarget target;
  target.sends(10'000, "> S. 0:0(0) ack 1");
  return target;
}

std::string what(const RunResult& result) { return result.failure ? result.failure->what : "passed"; }

TcpHeader injected(const FakeTarget& target, size_t index) {
  return TcpHeader::parse(ByteSpan(target.injected.at(index)).subspan(20)).value();
}

}  // namespace

TEST(Runner, PlaysAHandshakeAndMapsItsNumbers) {
  FakeTarget target = accepting();
  EXPECT_EQ(what(play_accepted(target, "")), "passed");
  ASSERT_EQ(target.injected.size(), 2u);
  EXPECT_EQ(injected(target, 0).destination_port, 8080);
  EXPECT_EQ(injected(target, 1).ack_seq.v, kFakeIsn + 1);
  EXPECT_EQ(target.injected_at, (std::vector<int64_t>{10'000, 20'000}));
}

TEST(Runner, NumbersOfAnActiveConnectionAreLearnt) {
  FakeTarget target;
  target.live.ends.remote_port = 8080;
  target.live.ends.local_port = 51000;
  target.sends(0, "> S 0:0(0)");
  target.live.remote_isn = 900;
  target.sends(10'000, "> . 1:1(0) ack 1");
  EXPECT_EQ(what(play(target, R"(
0    socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0   connect(3, ..., ...) = 0
+0   > S 0:0(0)
+.01 < S. 900:900(0) ack 1 win 1000
+0   > . 1:1(0) ack 1
)")),
            "passed");
  EXPECT_EQ(injected(target, 0).destination_port, 51000);
  EXPECT_EQ(injected(target, 0).ack_seq.v, kFakeIsn + 1);
}

TEST(Runner, SaysWhichFieldDiffers) {
  FakeTarget target = accepting();
  target.sends(20'000, "> P. 1:11(10) ack 2");
  const RunResult result = play_accepted(target, "+0 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 1\n");
  EXPECT_EQ(what(result), "ack is 2 instead of 1");
  EXPECT_EQ(result.failure->line, 10);
  EXPECT_EQ(result.failure->socket, "ESTAB");
  EXPECT_EQ(result.failure->trace, "tcp_v4_rcv");
}

TEST(Runner, AnUnexpectedPacketIsTheNextExpectedOnesFailure) {
  FakeTarget target = accepting();
  target.sends(20'000, "> . 1:1(0) ack 1");
  target.sends(20'000, "> P. 1:11(10) ack 1");
  EXPECT_NE(what(play_accepted(target, "+0 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 1\n")), "passed");
}

TEST(Runner, AMissingPacketFailsInGoodTime) {
  FakeTarget target = accepting();
  const RunResult result = play_accepted(target, "+.5 > P. 1:11(10) ack 1\n");
  EXPECT_EQ(what(result), "no packet came");
  EXPECT_EQ(result.script_us, 20'000 + 500'000 + 2'000'000);
}

TEST(Runner, OutboundTimesAreChecked) {
  for (const auto& [at, verdict] : {std::pair{124'000, "passed"},
                                    {133'000, "the packet came at +0.113 s instead of +0.1 s (tolerance 0.0125 s)"},
                                    {107'000, "the packet came at +0.087 s instead of +0.1 s (tolerance 0.0125 s)"}}) {
    FakeTarget target = accepting();
    target.sends(at, "> . 1:1(0) ack 1");
    EXPECT_EQ(what(play_accepted(target, "+.1 > . 1:1(0) ack 1\n")), verdict) << at;
  }
}

TEST(Runner, AnyTimeAndRangesAccept) {
  for (const char* time : {"*", "+.2~+.3", "0.2~0.4"}) {
    FakeTarget target = accepting();
    target.sends(270'000, "> . 1:1(0) ack 1");
    EXPECT_EQ(what(play_accepted(target, std::string(time) + " > . 1:1(0) ack 1\n")), "passed") << time;
  }
}

TEST(Runner, OptionsOfTheScriptAndTheCommandLineSetTheTolerance) {
  FakeTarget target = accepting();
  target.sends(50'000, "> . 1:1(0) ack 1");
  EXPECT_EQ(what(play(target, "--tolerance_usecs=40000\n" + kAccepted + "+0 > . 1:1(0) ack 1\n")), "passed");
  FakeTarget again = accepting();
  again.sends(50'000, "> . 1:1(0) ack 1");
  EXPECT_NE(what(play(again, "--tolerance_usecs=40000\n" + kAccepted + "+0 > . 1:1(0) ack 1\n", {.tolerance_us = 10})),
            "passed");
}

TEST(Runner, UnknownOptionsAreErrors) {
  FakeTarget target;
  EXPECT_EQ(what(play(target, "--sped=up\n0 `true`\n")), "no option is called --sped");
}

TEST(Runner, ScriptsForIpv6AreSkipped) {
  FakeTarget target;
  const RunResult result = play(target, "--ip_version=ipv6\n0 `true`\n");
  EXPECT_TRUE(result.skipped);
  EXPECT_EQ(result.skip_reason, "the script is for IPv6");
  EXPECT_TRUE(target.commands.empty());
}

// Two injected packets in a row count from each other, not from when the first really went out.
TEST(Runner, TrainsOfInjectedPacketsDoNotDrift) {
  FakeTarget target = accepting();
  target.sends(33'000, "> . 1:1(0) ack 1");
  EXPECT_EQ(what(play_accepted(target,
                               "+.01 > . 1:1(0) ack 1\n+0.002 < . 1:1(0) ack 1 win 1000\n"
                               "+0.005 < . 1:1(0) ack 1 win 1000\n")),
            "passed");
  ASSERT_EQ(target.injected_at.size(), 4u);
  EXPECT_EQ(target.injected_at[2], 35'000);
  EXPECT_EQ(target.injected_at[3], 40'000);
}

TEST(Runner, PiecesMakeOneExpectedPacket) {
  const auto pieces = [](const RunOptions& options) {
    FakeTarget target = accepting();
    target.sends(20'000, "> . 1:401(400) ack 1");
    target.sends(20'000, "> P. 401:801(400) ack 1");
    return what(play_accepted(target, "+0 write(4, ..., 800) = 800\n+0 > P. 1:801(800) ack 1\n", options));
  };
  EXPECT_EQ(pieces({}), "passed");
  EXPECT_NE(pieces({.strict_segments = true}), "passed");
}

TEST(Runner, PacketsOfOthersAreSkipped) {
  FakeTarget target = accepting();
  FakeTarget other;
  other.live.ends.remote_port = 1;
  target.sends(20'000, other.bytes_of("> P. 1:11(10) ack 1"));
  target.sends(20'000, "> . 1:1(0) ack 1");
  EXPECT_EQ(what(play_accepted(target, "+0 > . 1:1(0) ack 1\n")), "passed");
}

TEST(Runner, NothingBeyondTheWindowOffered) {
  FakeTarget target = accepting();
  target.sends(20'000, "> P. 1:1002(1001) ack 1");
  const std::string events = "+0 write(4, ..., 1001) = 1001\n+0 > P. 1:1002(1001) ack 1\n";
  EXPECT_EQ(what(play_accepted(target, events)), "1 bytes lie beyond the window offered");
  FakeTarget lax = accepting();
  lax.sends(20'000, "> P. 1:1002(1001) ack 1");
  EXPECT_EQ(what(play_accepted(lax, events, {.lax = true})), "passed");
}

TEST(Runner, ResultsOfCallsAreChecked) {
  FakeTarget target = accepting();
  target.calls.results["write"] = 9;
  const RunResult result = play_accepted(target, "+0 write(4, ..., 10) = 10\n");
  ASSERT_TRUE(result.failure);
  EXPECT_EQ(result.failure->line, 9);
}

TEST(Runner, ABlockingCallReturnsWhenScripted) {
  const auto blocking = [](int64_t over_at) {
    FakeTarget target = accepting();
    target.returns("read", 0, over_at);
    return play_accepted(target, "+0...0.1 read(4, ..., 10) = 0\n+.05 < . 1:1(0) ack 1 win 1000\n+.2 `true`\n");
  };
  EXPECT_EQ(what(blocking(120'000)), "passed");
  const RunResult late = blocking(190'000);
  EXPECT_EQ(what(late), "the call returned at +0.17 s instead of +0.1 s (tolerance 0.0125 s)");
  EXPECT_EQ(late.failure->line, 9);
}

TEST(Runner, ACallThatNeverReturnsFails) {
  FakeTarget target = accepting();
  target.returns("read", 0, 1'000'000'000'000);
  EXPECT_EQ(what(play_accepted(target, "+0...0.1 read(4, ..., 10) = 0\n")), "the call does not return");
}

TEST(Runner, CommandsRunAndCleanUpIsAlwaysDone) {
  FakeTarget target;
  target.failing_command = "b";
  const RunResult result = play(target, "`a`\n0 `b`\n+0 `c`\n`d`\n");
  EXPECT_EQ(what(result), "no such command");
  EXPECT_EQ(result.failure->line, 2);
  EXPECT_EQ(target.commands, (std::vector<std::string>{"a", "b", "d"}));
}

TEST(Runner, CodeSeesTheSocket) {
  FakeTarget target = accepting();
  target.info.tcpi_snd_cwnd = 10;
  EXPECT_EQ(what(play_accepted(target, "+0 %{ assert tcpi_snd_cwnd == 10 }%\n")), "passed");
  FakeTarget other = accepting();
  other.info.tcpi_snd_cwnd = 9;
  const RunResult result = play_accepted(other, "+0 %{\nassert tcpi_snd_cwnd == 10\n}%\n");
  ASSERT_TRUE(result.failure);
  EXPECT_EQ(result.failure->line, 10);
}

TEST(Runner, NotesAreCheckedOnRequest) {
  const auto with = [](std::optional<DropReport> drop, const std::string& note, bool check = true) {
    FakeTarget target = accepting();
    target.drop = std::move(drop);
    return what(play_accepted(target, "+.01 < . 1:1(0) ack 1 win 1000 // " + note + "\n", {.check_reasons = check}));
  };
  const std::string wrong = "the injected segment did not end as Linux ends it";
  EXPECT_EQ(with({}, "ok"), "passed");
  EXPECT_EQ(with(DropReport{"TCP_OLD_ACK", "tcp_ack"}, "ok"), wrong);
  EXPECT_EQ(with(DropReport{"TCP_OLD_ACK", "tcp_ack"}, "ok", false), "passed");
  EXPECT_EQ(with(DropReport{"TCP_OLD_ACK", "tcp_ack"}, "drop: TCP_OLD_ACK @ tcp_rcv_established"), "passed");
  EXPECT_EQ(with(DropReport{"TCP_OLD_ACK", "tcp_ack"}, "drop: TCP_OLD_DATA @ tcp_rcv_established"), wrong);
  EXPECT_EQ(with({}, "drop: TCP_OLD_ACK @ tcp_rcv_established"), wrong);
  EXPECT_EQ(with(DropReport{"TCP_OLD_ACK", "tcp_ack"}, "drop: NOT_SPECIFIED @ tcp_v4_rcv"), "passed");
  EXPECT_EQ(with(DropReport{"NOT_SPECIFIED", "tcp_ack"}, "drop: NOT_SPECIFIED @ tcp_v4_rcv"), wrong);
  EXPECT_EQ(with({}, "drop: NOT_SPECIFIED @ tcp_v4_rcv"), wrong);
}

TEST(Runner, RecordsWhatTheTargetDoes) {
  FakeTarget target;
  target.sends(10'001, "> S. 0:0(0) ack 1");
  target.sends(20'002, "> P. 1:11(10) ack 1 win 77");
  target.sends(220'000, "> P. 1:11(10) ack 1 win 77");
  target.returns("read", 3, 140'000);
  const RunResult result = play_accepted(target,
                                         "+0 write(4, ..., 10) = 9\n+.1 > . 1:1(0) ack 5\n+0...0.1 read(4, ..., 10) = "
                                         "0\n+.1 `true`\n+0 %{ print(1, 'a') }%\n",
                                         {.record = true});
  EXPECT_EQ(what(result), "passed");
  EXPECT_EQ(result.recorded, R"(0         socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0        bind(3, ..., ...) = 0
+0        listen(3, 1) = 0
+0.01     < S 0:0(0) win 1000
+0.000001 > S. 0:0(0) ack 1 win 0
+0.01     < . 1:1(0) ack 1 win 1000
+0        accept(3, ..., ...) = 4
+0        write(4, ..., 10) = 10
+0.000001 > P. 1:11(10) ack 1 win 77
+0...+0.119998 read(4, ..., 10) = 3
+0.1      `true`
+0        %{ print(1, 'a') }%                                            // 1 a
)");
}

}  // namespace glass::drill
