#include "drill/syscall.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "drill/parser.h"
#include "drill/syscall_build.h"

namespace glass::drill {

namespace {

std::string outcome(int64_t result, int error) {
  if (result >= 0 || !error) return fmt::format("{}", result);
  return fmt::format("-1 {} ({})", errno_name(error), std::strerror(error));
}

}  // namespace

// --- what came back

std::optional<std::string> CallParts::check_result(int64_t result) const {
  if (event.result.ellipsis()) return {};
  const int64_t expected = event.result.integer() ? *event.result.integer() : 0;
  const bool as_scripted = result < 0         ? expected == -1 && (!event.error || -result == event.error)
                           : makes_descriptor ? expected >= 0
                                              : result == expected;
  if (as_scripted) return {};
  return fmt::format("{}() returned {}, expected {}", event.name,
                     outcome(result, result < 0 ? static_cast<int>(-result) : 0),
                     outcome(expected, expected < 0 ? event.error : 0));
}

std::optional<std::string> CallParts::check(int64_t result) {
  if (auto wrong = check_result(result)) return wrong;
  if (result < 0) return {};
  if (makes_descriptor && event.result.integer())
    descriptors.bind(static_cast<int>(*event.result.integer()), static_cast<int>(result));
  for (const Check& c : checks_)
    if (auto wrong = c(result)) return fmt::format("{}(): {}", event.name, *wrong);
  return {};
}

std::string CallParts::result_text(int64_t result) const {
  if (makes_descriptor && result >= 0) return "= " + event.result.text;
  return "= " + outcome(result, result < 0 ? static_cast<int>(-result) : 0);
}

// --- arguments

int64_t CallParts::integer(const Value& v) {
  if (const int64_t* n = v.integer()) return *n;
  fail(fmt::format("'{}' is no number", v.text));
  return 0;
}

int64_t CallParts::bracketed(const Value& v) {
  const Value::List* l = v.list();
  if (l && l->items.size() == 1) return integer(l->items[0]);
  fail(fmt::format("'{}' is not of the form [number]", v.text));
  return 0;
}

std::vector<Value> CallParts::list(const Value& v) {
  if (const Value::List* l = v.list()) return l->items;
  return {v};
}

int64_t CallParts::member(const Value& record, std::string_view name) {
  if (const Value* v = record.field(name)) return integer(*v);
  fail(fmt::format("'{}' lacks {}", record.text, name));
  return 0;
}

CallBuffer CallParts::buffer(const Value& v, size_t size, bool out) {
  if (const int64_t* address = v.integer()) return {reinterpret_cast<void*>(*address), size};
  const std::string* text = v.string();
  if (!text && !v.ellipsis()) fail(fmt::format("'{}' is no buffer", v.text));
  if (size > (256u << 20)) {
    fail(fmt::format("a buffer of {} bytes is too large", size));
    size = 0;
  }
  constexpr uint8_t kUntouched = 0xa5;  // scripts send zeros, so what was not written shows
  Bytes* const bytes = keep(Bytes(std::max<size_t>(size, text ? text->size() : 1), out ? kUntouched : uint8_t{0}));
  if (text && !out) std::ranges::copy(*text, bytes->begin());
  return {bytes->data(), size, true, text != nullptr};
}

void CallParts::check_content(const std::vector<CallBuffer>& pieces) {
  const Value* const scripted =
      event.arguments.size() > 1 && event.arguments[1].string() ? &event.arguments[1] : nullptr;
  after([pieces, scripted](int64_t result) -> std::optional<std::string> {
    auto left = static_cast<size_t>(result);
    size_t at = 0;
    for (const CallBuffer& piece : pieces) {
      if (!piece.owned) continue;
      const auto* const bytes = static_cast<const uint8_t*>(piece.address);
      for (size_t i = 0; i < std::min(piece.size, left); ++i, ++at) {
        const std::string* const text = scripted ? scripted->string() : nullptr;
        const uint8_t expected = text && at < text->size() ? static_cast<uint8_t>((*text)[at]) : 0;
        if (bytes[i] != expected)
          return fmt::format("byte {} read is {:#04x}, expected {:#04x}", at, bytes[i], expected);
      }
      left -= std::min(piece.size, left);
    }
    return {};
  });
}

// --- making

std::expected<std::unique_ptr<ScriptedCall>, std::string> make_call(const SyscallEvent& event, Descriptors& descriptors,
                                                                    const CallContext& context) {
  for (const auto& kind : {basic_calls(), transfer_calls(), option_calls(), poll_calls()}) {
    const auto found = std::ranges::find(kind, event.name, &CallBuilder::name);
    if (found == kind.end()) continue;
    const size_t n = event.arguments.size();
    if (n < found->least || n > found->most)
      return std::unexpected(fmt::format("{}() takes {} arguments, not {}", event.name, found->least, n));
    if (!event.result.ellipsis() && !event.result.integer())
      return std::unexpected(fmt::format("the result '{}' is no number", event.result.text));
    auto call = std::make_unique<CallParts>(event, descriptors, context);
    found->build(*call);
    if (!call->error.empty()) return std::unexpected(fmt::format("{}(): {}", event.name, call->error));
    return call;
  }
  return std::unexpected(fmt::format("the system call {}() is not known", event.name));
}

}  // namespace glass::drill
