// Calls about descriptors and their names.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "drill/syscall_build.h"

namespace glass::drill {

namespace {

NativeAddress native(const IpAddress& a, uint16_t port) {
  NativeAddress out;
  if (a.is_v4()) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    in.sin_addr.s_addr = a.v4_wire();
    std::memcpy(&out.storage, &in, out.length = sizeof in);
  } else {
    sockaddr_in6 in6{};
    in6.sin6_family = AF_INET6;
    in6.sin6_port = htons(port);
    std::memcpy(&in6.sin6_addr, a.bytes.data(), 16);
    std::memcpy(&out.storage, &in6, out.length = sizeof in6);
  }
  return out;
}

const sockaddr* name_of(const NativeAddress* a) { return reinterpret_cast<const sockaddr*>(&a->storage); }

// name("text") or name(number), as in htons(80): the single argument.
const Value* argument_of(const Value* v, std::string_view name) {
  const auto* call = v ? std::get_if<Value::Call>(&v->what) : nullptr;
  return call && call->name == name && call->arguments.size() == 1 ? &call->arguments[0] : nullptr;
}

// {sa_family = AF_INET, sin_port = htons(80), sin_addr = inet_addr("192.0.2.1")}
NativeAddress scripted_address(CallParts& c, const Value& v) {
  const Value* const port = argument_of(v.field("sin_port"), "htons");
  const Value* const address = argument_of(v.field("sin_addr"), "inet_addr");
  const auto ip = address && address->string() ? parse_ip(*address->string()) : std::nullopt;
  if (!port || !ip || !v.field("sa_family")) {
    c.fail(fmt::format("'{}' is no address: {{sa_family = AF_INET, sin_port = htons(N), sin_addr = inet_addr(\"A\")}}",
                       v.text));
    return {};
  }
  return native(*ip, static_cast<uint16_t>(c.integer(*port)));
}

void build_socket(CallParts& c) {
  const bool given = !c.argument(0).ellipsis();
  const int domain = given ? c.integer32(0) : c.context.addresses.domain;
  const int type = c.integer32(1), protocol = c.integer32(2);
  c.makes_descriptor = true;
  c.make = [=](Syscalls& s) { return s.socket(domain, type, protocol); };
}

void build_bind(CallParts& c) {
  const int fd = c.fd(0);
  const Addresses& a = c.context.addresses;
  const NativeAddress* name = call_address(c, c.argument(1), a.local, a.bind_port);
  c.make = [=](Syscalls& s) { return s.bind(fd, name_of(name), name->length); };
}

void build_connect(CallParts& c) {
  const int fd = c.fd(0);
  const Addresses& a = c.context.addresses;
  const NativeAddress* name = call_address(c, c.argument(1), a.remote, a.connect_port);
  c.make = [=](Syscalls& s) { return s.connect(fd, name_of(name), name->length); };
}

void build_listen(CallParts& c) {
  c.make = [fd = c.fd(0), backlog = c.integer32(1)](Syscalls& s) { return s.listen(fd, backlog); };
}

void build_accept(CallParts& c) {
  const int fd = c.fd(0);
  NativeAddress* const peer = c.keep(NativeAddress{});
  c.makes_descriptor = true;
  c.make = [=](Syscalls& s) {
    peer->length = sizeof peer->storage;
    return s.accept(fd, reinterpret_cast<sockaddr*>(&peer->storage), &peer->length);
  };
  c.after([peer, remote = c.context.addresses.remote](int64_t) -> std::optional<std::string> {
    const auto* in = reinterpret_cast<const sockaddr_in*>(&peer->storage);
    if (in->sin_family != AF_INET || !remote.is_v4() || in->sin_addr.s_addr == remote.v4_wire()) return {};
    return "the peer is not the script's remote side";
  });
}

void build_close(CallParts& c) {
  const int label = c.integer32(0);
  c.make = [fd = c.fd(0)](Syscalls& s) { return s.close(fd); };
  c.after([&c, label](int64_t) -> std::optional<std::string> {
    c.descriptors.forget(label);
    return {};
  });
}

void build_shutdown(CallParts& c) {
  c.make = [fd = c.fd(0), how = c.integer32(1)](Syscalls& s) { return s.shutdown(fd, how); };
}

void build_fcntl(CallParts& c) {
  const int argument = c.event.arguments.size() > 2 ? c.integer32(2) : 0;
  c.make = [fd = c.fd(0), command = c.integer32(1), argument](Syscalls& s) { return s.fcntl(fd, command, argument); };
}

void build_open(CallParts& c) {
  const std::string* const path = c.argument(0).string();
  if (!path) return c.fail("the first argument is no path");
  c.makes_descriptor = true;
  c.make = [path = *path, flags = c.integer32(1)](Syscalls& s) { return s.open(path.c_str(), flags); };
}

void build_pipe(CallParts& c) {
  const std::vector<Value> labels = c.list(c.argument(0));
  if (labels.size() != 2) return c.fail("two descriptors are needed: [a, b]");
  const int reader = static_cast<int>(c.integer(labels[0])), writer = static_cast<int>(c.integer(labels[1]));
  auto* const fds = c.keep(std::array<int, 2>{});
  c.make = [fds](Syscalls& s) { return s.pipe(fds->data()); };
  c.after([=, &c](int64_t) -> std::optional<std::string> {
    c.descriptors.bind(reader, (*fds)[0]);
    c.descriptors.bind(writer, (*fds)[1]);
    return {};
  });
}

// Capabilities are the kernel's affair; the scripts that drop them look at what becomes possible, not at the call.
void build_cap_set(CallParts& c) {
  c.make = [](Syscalls&) { return int64_t{0}; };
}

constexpr CallBuilder kCalls[] = {
    {"socket", 3, 3, build_socket}, {"bind", 3, 3, build_bind},         {"listen", 2, 2, build_listen},
    {"accept", 3, 4, build_accept}, {"connect", 3, 3, build_connect},   {"close", 1, 1, build_close},
    {"fcntl", 2, 3, build_fcntl},   {"shutdown", 2, 2, build_shutdown}, {"open", 2, 3, build_open},
    {"pipe", 1, 1, build_pipe},     {"cap_set", 1, 9, build_cap_set}};

}  // namespace

NativeAddress* call_address(CallParts& c, const Value& v, const IpAddress& fallback, uint16_t port) {
  if (v.ellipsis()) return c.keep(native(fallback, port));
  if (v.record()) return c.keep(scripted_address(c, v));
  NativeAddress a = native(fallback, port);
  a.storage.ss_family = static_cast<sa_family_t>(c.integer(v));  // AF_UNSPEC
  return c.keep(a);
}

std::span<const CallBuilder> basic_calls() { return kCalls; }

}  // namespace glass::drill
