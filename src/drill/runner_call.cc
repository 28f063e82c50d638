// System calls: one under way at a time, and what they say about the connection under test.
#include <fmt/format.h>

#include "drill/runner.h"

namespace glass::drill {

namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kStuck = 10 * kSecond;  // a call without an end time that does not return

using Stage = Live::Stage;

int first_label(const SyscallEvent& call) {
  const int64_t* label = call.arguments.empty() ? nullptr : call.arguments[0].integer();
  return label ? static_cast<int>(*label) : -1;
}

int result_label(const SyscallEvent& call) {
  const int64_t* label = call.result.integer();
  return label ? static_cast<int>(*label) : -1;
}

// connect(fd, AF_UNSPEC, ...) and its longer forms take a connection apart.
bool disconnects(const SyscallEvent& call) {
  return call.arguments.size() > 1 && call.arguments[1].text.find("AF_UNSPEC") != std::string::npos;
}

// With an address these open a connection as connect() does (MSG_FASTOPEN).
bool may_open(const SyscallEvent& call) { return call.name == "sendto" || call.name == "sendmsg"; }

}  // namespace

Live& Runner::new_live(Stage stage) {
  sockets_.push_back(std::make_unique<Live>());
  under_test_ = sockets_.back().get();
  under_test_->stage = stage;
  offered_ = {};
  return *under_test_;
}

Live* Runner::by_label(int label) {
  for (auto it = sockets_.rbegin(); it != sockets_.rend(); ++it)
    if ((*it)->label == label) return it->get();
  return nullptr;
}

bool Runner::do_call(const SyscallEvent& call) {
  if (pending_ && !await_call(std::max(target_.now_us(), pending_->returns ? pending_->returns->end_us : 0) + kSecond))
    return false;
  if (!wait_for_event()) return false;
  const CallContext context{settings_.addresses, settings_.tolerance_us, settings_.tolerance_percent,
                            target_.epoch_ns()};
  auto scripted = make_call(call, descriptors_, context);
  if (!scripted) return fail(scripted.error());
  // Two calls that send are never made at one instant: what the first one sent is under way by the second.
  const bool sends = call.name.starts_with("write") || call.name.starts_with("send");
  if (sends && target_.virtual_time() && target_.now_us() == last_send_us_) target_.run_until(last_send_us_ + 1);
  if (sends) last_send_us_ = target_.now_us();
  before_call(call);
  ScriptedCall* made = scripted->get();
  if (recorder_) record_event(text_without_time(*event_));
  pending_ = Pending{event_, &call, std::move(*scripted), schedule_, std::nullopt, recorder_ ? recorder_->last() : 0};
  if (call.returns_at) pending_->returns = plan(*call.returns_at, schedule_.base_us);
  target_.start_call([made](Syscalls& s) { return made->invoke(s); });
  if (!take_finished()) return false;
  return call.returns_at || !pending_ || await_call(target_.now_us() + kStuck);
}

bool Runner::await_call(int64_t limit_us) {
  while (pending_ && target_.now_us() < limit_us) {
    target_.run_until(limit_us);
    if (!take_finished()) return false;
  }
  return !pending_ || fail_at(*pending_->event, "the call does not return");
}

// False if a call came back with something else than scripted.
bool Runner::take_finished() {
  auto done = target_.finished_call();
  if (!done || !pending_) return true;
  Pending call = std::move(*pending_);
  pending_.reset();
  // A zero-copy call's memory is the target's until it says otherwise.
  if (call.event->text.find("MSG_ZEROCOPY") != std::string::npos) lent_.push_back(call.scripted);
  const auto wrong = call.scripted->check(done->result);
  if (recorder_) {
    record_return(call, done->result, done->time_us, !wrong);
    return after_call(*call.call, done->result);
  }
  if (wrong) return fail_at(*call.event, *wrong);
  if (call.returns) {
    auto off = off_schedule(*call.returns, done->time_us, call.begins.at_us, tolerance(), "the call returned");
    if (off) return fail_at(*call.event, *off);
  }
  return after_call(*call.call, done->result);
}

// Before the call: its first packet leaves while it runs.
void Runner::before_call(const SyscallEvent& call) {
  Live* live = by_label(first_label(call));
  if (!live) return;
  if (call.name == "connect" && disconnects(call)) {
    live->stage = Stage::fresh;
  } else if (live->stage == Stage::fresh && (call.name == "connect" || may_open(call))) {
    live->stage = Stage::connecting;
    live->ends.remote = settings_.addresses.remote;
    live->ends.remote_port = settings_.addresses.connect_port;
  }
}

bool Runner::after_call(const SyscallEvent& call, int64_t result) {
  if (result < 0) return true;
  if (call.name == "socket") {
    Live& live = new_live(Stage::fresh);
    live.label = result_label(call);
    live.fd = static_cast<int>(result);
  } else if (call.name == "listen") {
    if (Live* live = by_label(first_label(call))) live->stage = Stage::listening;
  } else if (call.name.starts_with("accept")) {
    for (auto it = sockets_.rbegin(); it != sockets_.rend(); ++it) {
      Live& live = **it;
      if (live.fd >= 0 || (live.stage != Stage::synack_seen && live.stage != Stage::accepted)) continue;
      live.label = result_label(call);
      live.fd = static_cast<int>(result);
      break;
    }
  }
  return true;
}

}  // namespace glass::drill
