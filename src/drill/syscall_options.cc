// Socket options and ioctl.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "drill/syscall_build.h"

namespace glass::drill {

namespace {

// A scripted option value as bytes: [number], "text", {onoff=,linger=}, {tv_sec=,tv_usec=}.
Bytes option_bytes(CallParts& c, const Value& v) {
  if (const std::string* text = v.string()) return {text->begin(), text->end()};
  const auto of = [](const auto& value) {
    const auto* p = reinterpret_cast<const uint8_t*>(&value);
    return Bytes(p, p + sizeof value);
  };
  const Value* record = &v;
  if (v.list() && v.list()->items.size() == 1 && v.list()->items[0].record()) record = &v.list()->items[0];
  if (record->field("onoff"))
    return of(linger{static_cast<int>(c.member(*record, "onoff")), static_cast<int>(c.member(*record, "linger"))});
  if (record->field("tv_sec")) return of(timeval{c.member(*record, "tv_sec"), c.member(*record, "tv_usec")});
  return of(static_cast<int>(c.bracketed(v)));
}

void build_setsockopt(CallParts& c) {
  const int fd = c.fd(0), level = c.integer32(1), name = c.integer32(2);
  const auto length = static_cast<socklen_t>(c.integer(4));
  const Value& v = c.argument(3);
  if (v.integer()) {  // an address
    c.make = [=, at = reinterpret_cast<const void*>(*v.integer())](Syscalls& s) {
      return s.setsockopt(fd, level, name, at, length);
    };
    return;
  }
  Bytes* const value = c.keep(v.ellipsis() ? Bytes{} : option_bytes(c, v));
  value->resize(std::max<size_t>(value->size(), std::min<socklen_t>(length, 65536)));
  c.make = [=](Syscalls& s) { return s.setsockopt(fd, level, name, value->data(), length); };
}

std::string shown(const Bytes& b, bool text) {
  if (text) return "\"" + std::string(b.begin(), b.end()) + "\"";
  if (b.size() == sizeof(int)) {
    int n;
    std::memcpy(&n, b.data(), sizeof n);
    return fmt::format("{}", n);
  }
  std::string out;
  for (const uint8_t byte : b) out += fmt::format("{:02x}", byte);
  return out;
}

void build_getsockopt(CallParts& c) {
  const int fd = c.fd(0), level = c.integer32(1), name = c.integer32(2);
  const auto length = static_cast<socklen_t>(c.bracketed(c.argument(4)));
  const Value& v = c.argument(3);
  auto* const value = c.keep(Bytes(std::min<socklen_t>(length, 65536)));
  auto* const got = c.keep(socklen_t{0});
  const bool text = v.string();
  const Bytes expected = v.ellipsis() ? Bytes{} : option_bytes(c, v);
  c.make = [=](Syscalls& s) {
    *got = length;
    return s.getsockopt(fd, level, name, value->data(), got);
  };
  c.after([=, any = v.ellipsis()](int64_t) -> std::optional<std::string> {
    if (*got != length) return fmt::format("the option is {} bytes long, expected {}", *got, length);
    if (any) return {};
    const size_t n = std::min<size_t>(expected.size(), *got);
    const Bytes begin(value->begin(), value->begin() + static_cast<ptrdiff_t>(n));
    const Bytes wanted(expected.begin(), expected.begin() + static_cast<ptrdiff_t>(n));
    if (begin == wanted) return {};
    return fmt::format("the option is {}, expected {}", shown(begin, text), shown(wanted, text));
  });
}

// ioctl(fd, SIOCINQ, [n]): the number that comes back.
void build_ioctl(CallParts& c) {
  const int64_t expected = c.event.arguments.size() > 2 ? c.bracketed(c.argument(2)) : 0;
  const bool has_value = c.event.arguments.size() > 2;
  constexpr unsigned long kFionbio = 0x5421;  // takes its number rather than giving one
  const auto request = static_cast<unsigned long>(c.integer(1));
  int* const value = c.keep(0);
  c.make = [=, fd = c.fd(0)](Syscalls& s) {
    *value = request == kFionbio ? static_cast<int>(expected) : 0;
    return s.ioctl(fd, request, value);
  };
  c.after([=](int64_t) -> std::optional<std::string> {
    if (!has_value || *value == expected) return {};
    return fmt::format("the value is {}, expected {}", *value, expected);
  });
}

constexpr CallBuilder kCalls[] = {
    {"setsockopt", 5, 5, build_setsockopt}, {"getsockopt", 5, 5, build_getsockopt}, {"ioctl", 2, 3, build_ioctl}};

}  // namespace

std::span<const CallBuilder> option_calls() { return kCalls; }

}  // namespace glass::drill
