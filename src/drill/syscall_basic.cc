// The system calls that nearly every script makes; results are compared, structures are not.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "drill/parser.h"
#include "drill/syscall.h"

namespace glass::drill {

namespace {

sockaddr_in to_sockaddr(const IpAddress& address, uint16_t port) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(port);
  in.sin_addr.s_addr = address.v4_wire();
  return in;
}

class BasicCall final : public ScriptedCall {
 public:
  BasicCall(const SyscallEvent& event, Descriptors& descriptors, const CallContext& context)
      : event_(event), descriptors_(descriptors), context_(context), buffer_(std::max<int64_t>(number(2), 64)) {}

  int64_t invoke(Syscalls& s) override {
    const std::string& n = event_.name;
    if (n == "socket") return s.socket(AF_INET, static_cast<int>(number(1)), static_cast<int>(number(2)));
    const int fd = descriptors_.live(static_cast<int>(number(0)));
    if (n == "bind" || n == "connect") return with_address(s, fd);
    if (n == "listen") return s.listen(fd, static_cast<int>(number(1)));
    if (n == "accept") return s.accept(fd, nullptr, nullptr);
    if (n == "close") return s.close(fd);
    if (n == "shutdown") return s.shutdown(fd, static_cast<int>(number(1)));
    if (n == "fcntl") return s.fcntl(fd, static_cast<int>(number(1)), static_cast<int>(number(2)));
    if (n == "setsockopt") return set_option(s, fd);
    return transfer(s, fd);
  }

  std::optional<std::string> check(int64_t result) override {
    const int64_t expected = event_.result.integer() ? *event_.result.integer() : 0;
    const bool label = event_.name == "socket" || event_.name == "accept";
    if (label && result >= 0 && expected >= 0) {
      descriptors_.bind(static_cast<int>(expected), static_cast<int>(result));
      return std::nullopt;
    }
    if (expected == -1 && (event_.error ? result == -event_.error : result < 0)) return std::nullopt;
    if (result == expected) return std::nullopt;
    return fmt::format("the result is {}, expected {}", result_text(result), event_.result.text);
  }

  std::string result_text(int64_t result) const override {
    return result < 0 ? fmt::format("= -1 {}", errno_name(static_cast<int>(-result))) : fmt::format("= {}", result);
  }

 private:
  int64_t number(size_t i) const {
    if (i >= event_.arguments.size()) return 0;
    const Value* v = &event_.arguments[i];
    if (v->list() && !v->list()->items.empty()) v = &v->list()->items[0];
    return v->integer() ? *v->integer() : 0;
  }
  int64_t with_address(Syscalls& s, int fd) {
    const Addresses& a = context_.addresses;
    const bool bind = event_.name == "bind";
    const sockaddr_in in = bind ? to_sockaddr(a.local, a.bind_port) : to_sockaddr(a.remote, a.connect_port);
    const auto* address = reinterpret_cast<const sockaddr*>(&in);
    return bind ? s.bind(fd, address, sizeof(in)) : s.connect(fd, address, sizeof(in));
  }
  int64_t set_option(Syscalls& s, int fd) {
    const int level = static_cast<int>(number(1)), name = static_cast<int>(number(2));
    if (const std::string* text = event_.arguments[3].string())
      return s.setsockopt(fd, level, name, text->data(), static_cast<socklen_t>(text->size()));
    int value = static_cast<int>(number(3));
    return s.setsockopt(fd, level, name, &value, sizeof(value));
  }
  int64_t transfer(Syscalls& s, int fd) {
    iovec iov{buffer_.data(), static_cast<size_t>(number(2))};
    if (event_.name == "write") return s.writev(fd, &iov, 1);
    if (event_.name == "read") return s.readv(fd, &iov, 1);
    msghdr message{};
    message.msg_iov = &iov;
    message.msg_iovlen = 1;
    const int flags = static_cast<int>(number(3));
    return event_.name.starts_with("send") ? s.sendmsg(fd, &message, flags) : s.recvmsg(fd, &message, flags);
  }

  const SyscallEvent& event_;
  Descriptors& descriptors_;
  CallContext context_;
  std::vector<uint8_t> buffer_;
};

}  // namespace

std::expected<std::unique_ptr<ScriptedCall>, std::string> make_call(const SyscallEvent& event, Descriptors& descriptors,
                                                                    const CallContext& context) {
  static constexpr const char* kKnown[] = {"socket", "bind",       "connect", "listen", "accept", "close",  "shutdown",
                                           "fcntl",  "setsockopt", "write",   "read",   "send",   "sendto", "recv"};
  if (std::ranges::find(kKnown, event.name) == std::end(kKnown))
    return std::unexpected(fmt::format("no system call {}()", event.name));
  return std::make_unique<BasicCall>(event, descriptors, context);
}

}  // namespace glass::drill
