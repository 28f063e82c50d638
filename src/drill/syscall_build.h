// Inside syscall*.cc: what a call is put together from.
#pragma once
#include <cerrno>
#include <deque>
#include <functional>
#include <vector>

#include "drill/syscall.h"

namespace glass::drill {

using Bytes = std::vector<uint8_t>;

// Memory that a call hands to the target, as the script describes it: `...` and strings are buffers, a number is an
// address (NULL most of all).
struct CallBuffer {
  void* address = nullptr;
  size_t size = 0;
  bool owned = false;     // the bytes are ours
  bool scripted = false;  // the script says what they are: they are compared after a read
};

// A call under construction and at work. Builders set `make` and add checks; the first thing that is wrong in the
// script is kept as an error.
class CallParts final : public ScriptedCall {
 public:
  CallParts(const SyscallEvent& e, Descriptors& d, const CallContext& c) : event(e), descriptors(d), context(c) {}

  int64_t invoke(Syscalls& s) override { return make(s); }
  std::optional<std::string> check(int64_t result) override;
  std::string result_text(int64_t result) const override;

  // --- arguments; what is wrong with one is noted in `error`
  const Value& argument(size_t i) const { return event.arguments[i]; }
  int64_t integer(const Value&);
  int64_t integer(size_t i) { return integer(argument(i)); }
  int integer32(size_t i) { return static_cast<int>(integer(argument(i))); }
  int64_t bracketed(const Value&);  // [v]
  int fd(size_t i) { return descriptors.live(integer32(i)); }
  CallBuffer buffer(const Value&, size_t size, bool out);
  std::vector<Value> list(const Value&);  // [a, b, ...]; a single value counts as a list of one
  int64_t member(const Value& record, std::string_view name);
  void fail(std::string what) {
    if (error.empty()) error = std::move(what);
  }

  // Memory that lives as long as the call.
  template <class T>
  T* keep(T value) {
    auto& kept = kept_.emplace_back(std::make_shared<T>(std::move(value)));
    return static_cast<T*>(kept.get());
  }
  // A sentence about a result that is not as scripted, or nothing. Run only if the call succeeded.
  using Check = std::function<std::optional<std::string>(int64_t result)>;
  void after(Check c) { checks_.push_back(std::move(c)); }
  // The result is a descriptor, which the scripted number becomes the label of.
  bool makes_descriptor = false;
  // After a read: the bytes are the scripted ones, or zeros.
  void check_content(const std::vector<CallBuffer>&);

  SyscallEvent event;
  Descriptors& descriptors;
  CallContext context;
  std::string error;
  std::function<int64_t(Syscalls&)> make;

 private:
  std::optional<std::string> check_result(int64_t result) const;
  std::deque<std::shared_ptr<void>> kept_;
  std::vector<Check> checks_;
};

struct CallBuilder {
  std::string_view name;
  size_t least, most;  // arguments
  void (*build)(CallParts&);
};

// Calls by kind: syscall_basic.cc, syscall_transfer.cc, syscall_options.cc, syscall_poll.cc.
std::span<const CallBuilder> basic_calls();
std::span<const CallBuilder> transfer_calls();
std::span<const CallBuilder> option_calls();
std::span<const CallBuilder> poll_calls();

// The scripted address at argument i, or `fallback` for `...`. It lives as long as the call.
struct NativeAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
};
NativeAddress* call_address(CallParts&, const Value&, const IpAddress& fallback, uint16_t port);

// struct msghdr and what it points to (syscall_message.cc). `make` fills it anew each time: calls change it.
struct CallMessage {
  std::vector<CallBuffer> pieces;
  std::vector<iovec> iov;
  NativeAddress* name = nullptr;
  Bytes control;  // room for, or the records themselves
  size_t control_size = 0;
  msghdr native{};
  void refill();
};
CallMessage* call_message(CallParts&, const Value&, bool receiving);
void check_message(CallParts&, const Value& scripted, CallMessage*);

}  // namespace glass::drill
