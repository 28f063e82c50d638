// A system call of the script: its arguments made real, and what came back held against the script.
//
//   auto call = make_call(event, descriptors, context);        // an error: the call or an argument is unknown
//   target.start_call([&](Syscalls& s) { return (*call)->invoke(s); });
//   ...                                                        // run_until() until finished_call()
//   if (auto wrong = (*call)->check(result)) say(*wrong);
//
// The call owns its buffers from making to check. Labels of the script ("= 3") are bound to live descriptors in
// check().
#pragma once
#include <expected>
#include <map>
#include <memory>
#include <string>

#include "drill/script.h"
#include "drill/target.h"

namespace glass::drill {

// The script's descriptor numbers and the live ones behind them.
class Descriptors {
 public:
  void bind(int label, int fd) { live_[label] = fd; }
  void forget(int label) { live_.erase(label); }
  int live(int label) const {  // a label nobody bound stands for itself, so that bad descriptors can be tried
    auto it = live_.find(label);
    return it == live_.end() ? label : it->second;
  }

 private:
  std::map<int, int> live_{};
};

struct CallContext {
  Addresses addresses{};        // what bind() and connect() get for `...`
  int64_t tolerance_us = 4000;  // of timestamps in control messages, which count from the script's beginning
  double tolerance_percent = 12.5;
  int64_t epoch_ns = 0;  // the target's wall clock when the script began
};

class ScriptedCall {
 public:
  virtual ~ScriptedCall() = default;
  virtual int64_t invoke(Syscalls&) = 0;  // once; the result, or -errno
  // After the call: one sentence if the result or a structure it filled is not as scripted. Binds labels.
  virtual std::optional<std::string> check(int64_t result) = 0;
  // `= 5`, `= -1 EAGAIN (Resource temporarily unavailable)`: how the script would state this result.
  virtual std::string result_text(int64_t result) const = 0;
};

std::expected<std::unique_ptr<ScriptedCall>, std::string> make_call(const SyscallEvent&, Descriptors&,
                                                                    const CallContext&);

}  // namespace glass::drill
