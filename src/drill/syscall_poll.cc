// poll and epoll.
#include <fmt/format.h>

#include "drill/syscall_build.h"

namespace glass::drill {

namespace {

// poll([{fd=3, events=POLLIN, revents=POLLIN}], 1, 100)
void build_poll(CallParts& c) {
  auto* const fds = c.keep(std::vector<pollfd>{});
  std::vector<short> expected;
  for (const Value& v : c.list(c.argument(0))) {
    const auto label = static_cast<int>(c.member(v, "fd"));
    fds->push_back({c.descriptors.live(label), static_cast<short>(c.member(v, "events")), 0});
    expected.push_back(v.field("revents") ? static_cast<short>(c.member(v, "revents")) : short{0});
  }
  const auto n = static_cast<nfds_t>(c.integer(1));
  if (n != fds->size()) c.fail("the number of descriptors is not as said");
  c.make = [=, timeout = c.integer32(2)](Syscalls& s) { return s.poll(fds->data(), n, timeout); };
  c.after([=](int64_t) -> std::optional<std::string> {
    for (size_t i = 0; i < expected.size(); ++i)
      if ((*fds)[i].revents != expected[i])
        return fmt::format("revents of entry {} are {:#x}, expected {:#x}", i, (*fds)[i].revents, expected[i]);
    return {};
  });
}

void build_epoll_create(CallParts& c) {
  c.makes_descriptor = true;
  c.make = [size = c.integer32(0)](Syscalls& s) { return s.epoll_create(size); };
}

// {events=EPOLLIN, fd=4}, or ptr=, u32=, u64= in place of fd.
epoll_event scripted_event(CallParts& c, const Value& v) {
  epoll_event e{};
  e.events = static_cast<uint32_t>(c.member(v, "events"));
  if (v.field("fd"))
    e.data.u64 = static_cast<uint32_t>(c.descriptors.live(static_cast<int>(c.member(v, "fd"))));
  else if (v.field("u32"))
    e.data.u64 = static_cast<uint32_t>(c.member(v, "u32"));
  else
    e.data.u64 = static_cast<uint64_t>(c.member(v, v.field("ptr") ? "ptr" : "u64"));
  return e;
}

void build_epoll_ctl(CallParts& c) {
  const Value& v = c.argument(3);
  epoll_event* const e = v.record() ? c.keep(scripted_event(c, v)) : nullptr;
  if (!e && !v.integer() && !v.ellipsis()) c.fail(fmt::format("'{}' is no event", v.text));
  c.make = [=, ep = c.fd(0), op = c.integer32(1), fd = c.fd(2)](Syscalls& s) { return s.epoll_ctl(ep, op, fd, e); };
}

void build_epoll_wait(CallParts& c) {
  std::vector<epoll_event> expected;
  for (const Value& v : c.list(c.argument(1)))
    if (v.record()) expected.push_back(scripted_event(c, v));
  const int n = c.integer32(2);
  auto* const events = c.keep(std::vector<epoll_event>(static_cast<size_t>(std::clamp(n, 1, 4096))));
  c.make = [=, ep = c.fd(0), timeout = c.integer32(3)](Syscalls& s) {
    return s.epoll_wait(ep, events->data(), n, timeout);
  };
  c.after([=](int64_t result) -> std::optional<std::string> {
    for (size_t i = 0; i < std::min(expected.size(), static_cast<size_t>(result)); ++i) {
      const epoll_event got = (*events)[i];
      const uint32_t got_events = got.events, want_events = expected[i].events;
      const uint64_t got_data = got.data.u64, want_data = expected[i].data.u64;
      if (got_events != want_events)
        return fmt::format("events of entry {} are {:#x}, expected {:#x}", i, got_events, want_events);
      if (got_data != want_data) return fmt::format("data of entry {} is {}, expected {}", i, got_data, want_data);
    }
    return {};
  });
}

constexpr CallBuilder kCalls[] = {{"poll", 3, 3, build_poll},
                                  {"epoll_create", 1, 1, build_epoll_create},
                                  {"epoll_ctl", 4, 4, build_epoll_ctl},
                                  {"epoll_wait", 4, 4, build_epoll_wait}};

}  // namespace

std::span<const CallBuilder> poll_calls() { return kCalls; }

}  // namespace glass::drill
