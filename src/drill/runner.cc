#include "drill/runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "drill/code.h"
#include "drill/info_variables.h"

namespace glass::drill {

namespace {

constexpr uint16_t kFirstRemotePort = 40000;  // of connections the script opens

bool is_inbound(const Event& event) {
  const auto* packet = std::get_if<PacketEvent>(&event.what);
  return packet && packet->direction == Direction::inbound;
}

bool is_outbound(const Event& event) {
  const auto* packet = std::get_if<PacketEvent>(&event.what);
  return packet && packet->direction == Direction::outbound;
}

// IPv6 is not there yet, nor are IPv4 addresses in IPv6 sockets.
bool needs_ipv6(const Script& script) {
  return std::ranges::any_of(script.options,
                             [](const auto& o) { return o.first == "ip_version" && o.second != "ipv4"; });
}

const char* event_kind(const Event& event) {
  static constexpr const char* kCalls[] = {"the system call", "the command", "the code"};
  if (std::holds_alternative<PacketEvent>(event.what)) return "the packet";
  return kCalls[event.what.index() - 1];
}

}  // namespace

RunResult Runner::run() {
  if (needs_ipv6(script_)) {
    result_.skipped = true;
    result_.skip_reason = "the script is for IPv6";
    return std::move(result_);
  }
  const auto settings = settings_of(script_, options_);
  if (!settings) {
    fail(settings.error());
    return std::move(result_);
  }
  settings_ = *settings;
  next_port_ = kFirstRemotePort;
  if (options_.record) recorder_.emplace(script_);
  const bool begun = !script_.init || run_command(script_.init_line, *script_.init);
  result_.passed = begun && play() && finish();
  if (onlooker_) onlooker_(nullptr, target_);
  if (begun && script_.cleanup && !run_command(script_.cleanup_line, *script_.cleanup)) result_.passed = false;
  result_.script_us = target_.now_us();
  if (recorder_) {
    record_what_left();
    result_.recorded = recorder_->text();
  }
  return std::move(result_);
}

bool Runner::play() {
  for (const Event& event : script_.events) {
    event_ = &event;
    if (!previous_ && event.time.begin_us != 0) return fail("the first event has to be at time 0");
    schedule_ = plan_event(event);
    if (!step(event)) return false;
    previous_ = schedule_;
    previous_inbound_ = is_inbound(event);
  }
  return true;
}

bool Runner::step(const Event& event) {
  if (is_inbound(event)) return do_inbound(std::get<PacketEvent>(event.what));
  if (is_outbound(event)) return do_outbound(std::get<PacketEvent>(event.what));
  if (const auto* call = std::get_if<SyscallEvent>(&event.what)) return do_call(*call);
  if (const auto* command = std::get_if<CommandEvent>(&event.what)) return do_command(*command);
  return do_code(std::get<CodeEvent>(event.what));
}

// A relative time counts from now; that of an injected packet right behind another from when that one was due, so that
// a train of packets does not drift.
Schedule Runner::plan_event(const Event& event) const {
  const bool anchored = previous_ && previous_inbound_ && is_inbound(event);
  return plan(event.time, anchored ? previous_->at_us : target_.now_us());
}

bool Runner::wait_for_event() {
  while (target_.now_us() < schedule_.at_us) {
    target_.run_until(schedule_.at_us);
    if (!take_finished()) return false;
  }
  if (!previous_ || recorder_) return true;
  auto late = off_schedule(schedule_, target_.now_us(), previous_->at_us, tolerance(), event_kind(*event_));
  return !late || fail(*late);
}

bool Runner::do_command(const CommandEvent& command) {
  if (!wait_for_event()) return false;
  if (recorder_) record_event(text_without_time(*event_));
  return run_command(event_->line, command);
}

bool Runner::run_command(int line, const CommandEvent& command) {
  auto error = target_.command(command.text);
  if (!error) return true;
  if (result_.failure) return false;  // the first failure counts
  fail(*error);
  result_.failure->line = line;
  result_.failure->event = "`" + command.text + "`";
  return false;
}

bool Runner::do_code(const CodeEvent& code) {
  if (!wait_for_event()) return false;
  if (!under_test_ || under_test_->fd < 0) return fail("there is no socket that the code could ask about");
  if (auto error = add_info_variables(target_, under_test_->fd, variables_)) return fail(*error);
  if (recorder_) record_event(text_without_time(*event_));
  auto done = run_code(code.text, variables_);
  if (recorder_) {
    done ? record_printed(*done) : recorder_->note(recorder_->last(), done.error().text);
    return true;
  }
  if (done) return true;
  fail(done.error().text);
  result_.failure->line += std::max(0, done.error().line - 1);
  return false;
}

// A call still under way has to come back; then the script is over.
bool Runner::finish() { return !pending_ || await_call(target_.now_us() + 1'000'000); }

bool Runner::fail(std::string what, std::string expected, std::string got) {
  if (result_.failure) return false;
  Failure failure{.what = std::move(what), .expected = std::move(expected), .got = std::move(got)};
  if (event_) {
    failure.line = event_->line;
    failure.event = event_->text;
  }
  if (under_test_ && under_test_->fd >= 0) failure.socket = target_.socket_line(under_test_->fd);
  failure.trace = target_.last_trace();
  result_.failure = std::move(failure);
  return false;
}

bool Runner::fail_at(const Event& event, std::string what) {
  const Event* now = std::exchange(event_, &event);
  fail(std::move(what));
  event_ = now;
  return false;
}

RunResult run_script(const Script& script, Target& target, const RunOptions& options, const Onlooker& onlooker) {
  return Runner(script, target, options, onlooker).run();
}

}  // namespace glass::drill
