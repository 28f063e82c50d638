// struct msghdr: pieces, flags, and control messages both ways.
#include <fmt/format.h>
#include <linux/errqueue.h>

#include <algorithm>
#include <cstring>

#include "drill/syscall_build.h"

namespace glass::drill {

namespace {

constexpr size_t kControlRoom = 4096;

template <class T>
Bytes bytes_of_value(const T& v) {
  const auto* p = reinterpret_cast<const uint8_t*>(&v);
  return {p, p + sizeof v};
}

// cmsg_data: a number, an extended error or time stamps.
Bytes control_data(CallParts& c, const Value& v) {
  if (v.integer()) return bytes_of_value(static_cast<int>(c.integer(v)));
  if (v.field("ee_origin")) {
    sock_extended_err e{};
    e.ee_errno = static_cast<uint32_t>(c.member(v, "ee_errno"));
    e.ee_origin = static_cast<uint8_t>(c.member(v, "ee_origin"));
    e.ee_type = static_cast<uint8_t>(c.member(v, "ee_type"));
    e.ee_code = static_cast<uint8_t>(c.member(v, "ee_code"));
    e.ee_info = static_cast<uint32_t>(c.member(v, "ee_info"));
    e.ee_data = static_cast<uint32_t>(c.member(v, "ee_data"));
    return bytes_of_value(e);
  }
  if (v.field("scm_sec")) {
    scm_timestamping t{};
    t.ts[0].tv_sec = c.member(v, "scm_sec");
    t.ts[0].tv_nsec = c.member(v, "scm_nsec");
    return bytes_of_value(t);
  }
  c.fail(fmt::format("'{}' is no content of a control message", v.text));
  return {};
}

struct ControlRecord {
  int level = 0, type = 0;
  Bytes data;
};

std::vector<ControlRecord> scripted_records(CallParts& c, const Value& message) {
  std::vector<ControlRecord> out;
  const Value* const control = message.field("msg_control");
  if (!control) return out;
  for (const Value& v : c.list(*control)) {
    const Value* const data = v.field("cmsg_data");
    if (!data) {
      c.fail(fmt::format("'{}' lacks cmsg_data", v.text));
      break;
    }
    out.push_back({static_cast<int>(c.member(v, "cmsg_level")), static_cast<int>(c.member(v, "cmsg_type")),
                   control_data(c, *data)});
  }
  return out;
}

std::vector<ControlRecord> received_records(const CallMessage& m) {
  std::vector<ControlRecord> out;
  size_t at = 0;
  while (m.native.msg_controllen >= at + sizeof(cmsghdr)) {
    cmsghdr h;
    std::memcpy(&h, m.control.data() + at, sizeof h);
    if (h.cmsg_len < CMSG_LEN(0) || at + h.cmsg_len > m.native.msg_controllen) break;
    const auto begin = m.control.begin() + static_cast<ptrdiff_t>(at);
    out.push_back({h.cmsg_level, h.cmsg_type,
                   Bytes(begin + static_cast<ptrdiff_t>(CMSG_LEN(0)), begin + static_cast<ptrdiff_t>(h.cmsg_len))});
    at += CMSG_ALIGN(h.cmsg_len);
  }
  return out;
}

Bytes packed(const std::vector<ControlRecord>& records) {
  Bytes out;
  for (const ControlRecord& r : records) {
    cmsghdr h{};
    h.cmsg_len = CMSG_LEN(r.data.size());
    h.cmsg_level = r.level;
    h.cmsg_type = r.type;
    const size_t at = out.size();
    out.resize(at + CMSG_SPACE(r.data.size()));
    std::memcpy(out.data() + at, &h, sizeof h);
    std::ranges::copy(r.data, out.begin() + static_cast<ptrdiff_t>(at + CMSG_LEN(0)));
  }
  return out;
}

std::string error_text(const sock_extended_err& e) {
  return fmt::format("{{ee_errno={},ee_origin={},ee_type={},ee_code={},ee_info={},ee_data={}}}", e.ee_errno,
                     e.ee_origin, e.ee_type, e.ee_code, e.ee_info, e.ee_data);
}

std::optional<std::string> compare_error(const Bytes& expected, const Bytes& got) {
  sock_extended_err want, have;
  if (got.size() < sizeof have) return fmt::format("an extended error of {} bytes", got.size());
  std::memcpy(&want, expected.data(), sizeof want);
  std::memcpy(&have, got.data(), sizeof have);
  if (error_text(want) == error_text(have)) return {};
  return fmt::format("the error queue gave {}, expected {}", error_text(have), error_text(want));
}

// Stamps count from the script's beginning; one of zero is not looked at.
std::optional<std::string> compare_stamps(const CallContext& c, const Bytes& expected, const Bytes& got) {
  scm_timestamping want, have;
  if (got.size() < sizeof have) return fmt::format("time stamps of {} bytes", got.size());
  std::memcpy(&want, expected.data(), sizeof want);
  std::memcpy(&have, got.data(), sizeof have);
  const int64_t wanted_ns = want.ts[0].tv_sec * 1'000'000'000 + want.ts[0].tv_nsec;
  if (!wanted_ns) return {};
  const int64_t got_ns = have.ts[0].tv_sec * 1'000'000'000 + have.ts[0].tv_nsec - c.epoch_ns;
  if (std::abs(got_ns - wanted_ns) <= c.tolerance_us * 1000) return {};
  return fmt::format("a time stamp of {:.6f} s, expected {:.6f} s", static_cast<double>(got_ns) / 1e9,
                     static_cast<double>(wanted_ns) / 1e9);
}

std::string hex(const Bytes& b) {
  std::string out;
  for (const uint8_t byte : b) out += fmt::format("{:02x}", byte);
  return out;
}

bool is_error(const ControlRecord& r) {
  return (r.level == IPPROTO_IP && r.type == IP_RECVERR) || (r.level == IPPROTO_IPV6 && r.type == IPV6_RECVERR);
}

std::optional<std::string> compare_record(const CallContext& c, const ControlRecord& want, const ControlRecord& got) {
  constexpr int kScmTimestamping = 37;
  if (want.level != got.level || want.type != got.type)
    return fmt::format("a control message of level {} type {}, expected level {} type {}", got.level, got.type,
                       want.level, want.type);
  if (is_error(want) && want.data.size() == sizeof(sock_extended_err)) return compare_error(want.data, got.data);
  if (want.level == SOL_SOCKET && want.type == kScmTimestamping) return compare_stamps(c, want.data, got.data);
  if (want.data == got.data) return {};
  if (want.data.size() == sizeof(int) && got.data.size() == sizeof(int)) {
    int a, b;
    std::memcpy(&a, got.data.data(), sizeof a);
    std::memcpy(&b, want.data.data(), sizeof b);
    return fmt::format("a control message says {}, expected {}", a, b);
  }
  return fmt::format("a control message says {}, expected {}", hex(got.data), hex(want.data));
}

}  // namespace

CallMessage* call_message(CallParts& c, const Value& v, bool receiving) {
  CallMessage* const m = c.keep(CallMessage{});
  const Value* const iov = v.field("msg_iov");
  if (!iov) {
    c.fail(fmt::format("'{}' lacks msg_iov", v.text));
    return m;
  }
  for (const Value& piece : c.list(*iov)) {
    const Value::Record* const r = piece.record();
    if (!r || r->fields.size() != 2) {
      c.fail(fmt::format("'{}' is not of the form {{buffer, size}}", piece.text));
      return m;
    }
    m->pieces.push_back(c.buffer(*r->fields[0].value, static_cast<size_t>(c.integer(*r->fields[1].value)), receiving));
  }
  const Addresses& a = c.context.addresses;
  if (const Value* const name = v.field("msg_name"); name && receiving)
    m->name = c.keep(NativeAddress{{}, sizeof(sockaddr_storage)});
  else if (name)
    m->name = call_address(c, *name, a.remote, a.connect_port);
  if (receiving) {
    m->control.resize(m->control_size = kControlRoom);
  } else {
    m->control = packed(scripted_records(c, v));
    m->control_size = m->control.size();
  }
  return m;
}

void check_message(CallParts& c, const Value& scripted, CallMessage* m) {
  const std::vector<ControlRecord> records = scripted_records(c, scripted);
  const Value* const flags = scripted.field("msg_flags");
  const auto expected_flags = flags && !flags->ellipsis() ? std::optional(c.integer(*flags)) : std::nullopt;
  c.after([&c, records, expected_flags, m](int64_t) -> std::optional<std::string> {
    if (expected_flags && m->native.msg_flags != *expected_flags)
      return fmt::format("msg_flags are {:#x}, expected {:#x}", m->native.msg_flags, *expected_flags);
    const std::vector<ControlRecord> got = received_records(*m);
    for (size_t i = 0; i < std::min(got.size(), records.size()); ++i)
      if (auto wrong = compare_record(c.context, records[i], got[i])) return wrong;
    if (got.size() != records.size())
      return fmt::format("{} control messages came, expected {}", got.size(), records.size());
    return {};
  });
}

}  // namespace glass::drill
