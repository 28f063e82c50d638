#include "drill/compare.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdlib>

#include "wire/ipv4.h"

namespace glass::drill {

namespace {

using Kind = TcpOptionSpec::Kind;

class Differences {
 public:
  template <class T>
  void check(const char* field, const T& expected, const T& got) {
    if (expected != got) add(field, fmt::format("{}", expected), fmt::format("{}", got));
  }
  void add(std::string field, std::string expected, std::string got) {
    found_.push_back({std::move(field), std::move(expected), std::move(got)});
  }
  std::vector<Difference> take() { return std::move(found_); }

 private:
  std::vector<Difference> found_{};
};

const char* ecn_name(uint8_t bits) {
  static constexpr const char* kNames[] = {"noecn", "ect1", "ect0", "ce"};
  return kNames[bits & INET_ECN_MASK];
}

void compare_ip(const PacketEvent& expected, const SeenPacket& seen, Differences& out) {
  const std::string got = ecn_name(seen.tos);
  switch (expected.ecn) {
    case EcnSpec::unchecked: break;
    case EcnSpec::noecn: out.check("ecn", std::string("noecn"), got); break;
    case EcnSpec::ect0: out.check("ecn", std::string("ect0"), got); break;
    case EcnSpec::ect1: out.check("ecn", std::string("ect1"), got); break;
    case EcnSpec::ce: out.check("ecn", std::string("ce"), got); break;
    case EcnSpec::ect01:
      if (got != "ect0" && got != "ect1") out.add("ecn", "ect01", got);
      break;
  }
  if (expected.tos) out.check("tos", *expected.tos, seen.tos);
  if (expected.ttl) out.check("ttl", *expected.ttl, seen.ttl);
  if (!seen.ip_checksum_ok) out.add("IP header checksum", "right", "wrong");
}

uint8_t ace_bits(const TcpSpec& tcp) {
  return static_cast<uint8_t>((tcp.ae ? 4 : 0) | (tcp.flags & TCPHDR_CWR ? 2 : 0) | (tcp.flags & TCPHDR_ECE ? 1 : 0));
}

// With a digit for ACE, those three bits are compared as the number they are (RFC 9768). A zero leaves them unchecked
// as bits: it stands for none of the letters.
void compare_flags(const TcpSpec& expected, const TcpSpec& got, Differences& out) {
  constexpr uint8_t kEcnBits = TCPHDR_ECE | TCPHDR_CWR;
  const bool ace = expected.ace && *expected.ace;
  const auto mask = static_cast<uint8_t>(ace ? ~kEcnBits : 0xff);
  if ((expected.flags & mask) != (got.flags & mask) || (!ace && expected.ae != got.ae)) {
    const auto name = [&](const TcpSpec& t) {
      return format_tcp_flags(static_cast<uint16_t>((t.flags & mask) | (!ace && t.ae ? TCPHDR_AE : 0)));
    };
    out.add("flags", name(expected), name(got));
  }
  if (ace) out.check("ace", *expected.ace, ace_bits(got));
}

const char* kind_name(Kind kind) {
  static constexpr const char* kNames[] = {"nop", "eol", "mss", "wscale", "sackOK", "sack",
                                           "TS",  "md5", "FO",  "FOEXP",  "ECN"};
  return kNames[static_cast<size_t>(kind)];
}

std::string blocks_text(const TcpOptionSpec& option) {
  std::string text;
  for (auto [left, right] : option.blocks) text += fmt::format("{}{}:{}", text.empty() ? "" : " ", left, right);
  return text;
}

void compare_timestamp(const TcpOptionSpec& expected, const TcpOptionSpec& got, const CompareOptions& options,
                       Differences& out) {
  const int64_t ticks = std::abs(static_cast<int64_t>(static_cast<int32_t>(got.value - expected.value)));
  if (options.ts_tick_us && ticks * options.ts_tick_us > options.ts_tolerance_us)
    out.add("TS val", fmt::format("{}", expected.value), fmt::format("{}", got.value));
  if (!options.lax) out.check("TS ecr", expected.echo, got.echo);
}

void compare_option(const TcpOptionSpec& expected, const TcpOptionSpec& got, const CompareOptions& options,
                    Differences& out) {
  switch (expected.kind) {
    case Kind::nop:
    case Kind::eol:
    case Kind::sack_ok: break;
    case Kind::mss:
    case Kind::wscale: out.check(kind_name(expected.kind), expected.value, got.value); break;
    case Kind::sack:
      if (expected.blocks != got.blocks) out.add("sack", blocks_text(expected), blocks_text(got));
      break;
    case Kind::timestamp: compare_timestamp(expected, got, options, out); break;
    case Kind::md5:
    case Kind::fast_open:
    case Kind::fast_open_exp:
      if (expected.bytes != got.bytes)
        out.add(kind_name(expected.kind), fmt::format("{:02x}", fmt::join(expected.bytes, "")),
                fmt::format("{:02x}", fmt::join(got.bytes, "")));
      break;
    case Kind::accecn:
      if (expected.e1_first != got.e1_first || expected.counters != got.counters)
        out.add("ECN", fmt::format("{} {}", expected.e1_first ? "e1b first" : "e0b first", expected.counters),
                fmt::format("{} {}", got.e1_first ? "e1b first" : "e0b first", got.counters));
      break;
  }
}

std::string kinds_text(const std::vector<TcpOptionSpec>& options) {
  std::string text;
  for (const TcpOptionSpec& option : options) text += (text.empty() ? "" : ",") + std::string(kind_name(option.kind));
  return "<" + text + ">";
}

void compare_options(const TcpSpec& expected, const TcpSpec& got, const SeenPacket& seen, const CompareOptions& options,
                     Differences& out) {
  if (expected.any_options) return;
  if (seen.unreadable_option) return out.add("options", kinds_text(expected.options), *seen.unreadable_option);
  if (!std::ranges::equal(expected.options, got.options, {}, &TcpOptionSpec::kind, &TcpOptionSpec::kind))
    return out.add("options", kinds_text(expected.options), kinds_text(got.options));
  for (size_t i = 0; i < expected.options.size(); ++i)
    compare_option(expected.options[i], got.options[i], options, out);
}

}  // namespace

std::vector<Difference> compare_packet(const PacketEvent& expected, const SeenPacket& seen, const Live& live,
                                       const CompareOptions& options) {
  Differences out;
  const auto* tcp = std::get_if<TcpSpec>(&expected.what);
  if (!tcp) {
    out.add("protocol", "ICMP", "TCP");
    return out.take();
  }
  const TcpSpec got = std::get<TcpSpec>(scripted(seen, live).what);
  compare_ip(expected, seen, out);
  compare_flags(*tcp, got, out);
  out.check("seq", tcp->seq, got.seq);
  out.check("length", tcp->payload, got.payload);
  out.check("ack", tcp->ack, got.ack);
  if (tcp->window) out.check("win", *tcp->window, *got.window);
  out.check("urg", tcp->urgent.value_or(0), got.urgent.value_or(0));
  out.check("reserved bits", uint8_t{0}, seen.reserved);
  compare_options(*tcp, got, seen, options, out);
  if (!seen.zero_payload) out.add("payload", "zeros", "other bytes");
  if (!options.lax && !seen.tcp_checksum_ok) out.add("TCP checksum", "right", "wrong");
  return out.take();
}

}  // namespace glass::drill
