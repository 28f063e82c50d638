#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "drill/icmp_names.h"
#include "drill/parse_parts.h"
#include "drill/parse_tcp_options.h"
#include "wire/tcp.h"

namespace glass::drill {

namespace {

EcnSpec ecn_of(std::string_view word) {
  if (word == "noecn") return EcnSpec::noecn;
  if (word == "ect0") return EcnSpec::ect0;
  if (word == "ect1") return EcnSpec::ect1;
  if (word == "ce") return EcnSpec::ce;
  if (word == "ect01") return EcnSpec::ect01;
  return EcnSpec::unchecked;
}

// One of what may stand in the brackets before the flags.
void parse_ip_field(Scanner& s, PacketEvent& packet) {
  const size_t begin = s.next_position();
  const std::string_view word = s.word("ect0, ect1, ce, noecn, ect01, tos, ttl or flowlabel");
  if (word == "tos") {
    packet.tos = static_cast<uint8_t>(s.number("tos", UINT8_MAX));
  } else if (word == "ttl") {
    packet.ttl = static_cast<uint8_t>(s.number("ttl", UINT8_MAX));
  } else if (word == "flowlabel") {
    packet.flow_label = s.number("flowlabel", 0xfffff);
  } else {
    packet.ecn = ecn_of(word);
    if (packet.ecn == EcnSpec::unchecked) s.fail_at(begin, fmt::format("'{}' is no field of the IP header", word));
    if (packet.ecn == EcnSpec::ect01 && packet.direction == Direction::inbound) {
      s.fail_at(begin, "ect01 means either of two: only an expected packet can have it");
    }
  }
}

void parse_ip_fields(Scanner& s, PacketEvent& packet) {
  const bool round = s.accept("(");
  if (!round && !s.accept("[")) return;
  do parse_ip_field(s, packet);
  while (s.accept(","));
  s.expect(round ? ")" : "]", "the fields of the IP header");
}

// `8080 > 80`, or nothing.
void parse_ports(Scanner& s, PacketEvent& packet) {
  const size_t begin = s.next_position();
  const std::string_view word = s.peek_word();
  if (word.empty() || !std::ranges::all_of(word, [](char c) { return c >= '0' && c <= '9'; })) return;
  s.accept_word(word);
  const bool ports = s.peek(">");
  s.go_back(begin);
  if (!ports) return;  // flags of a digit alone
  const auto source = static_cast<uint16_t>(s.number("a port", UINT16_MAX));
  s.accept(">");
  packet.ports = {source, static_cast<uint16_t>(s.number("a port", UINT16_MAX))};
}

void add_flag(Scanner& s, size_t begin, char letter, TcpSpec& tcp) {
  constexpr std::string_view kLetters = "FSRP.UEW";  // in the order of their bits
  const size_t bit = kLetters.find(letter);
  if (bit != kLetters.npos) {
    tcp.flags = static_cast<uint8_t>(tcp.flags | 1U << bit);
  } else if (letter == 'A') {
    tcp.ae = true;
  } else if (letter >= '0' && letter <= '7' && !tcp.ace) {
    tcp.ace = static_cast<uint8_t>(letter - '0');
  } else {
    s.fail_at(begin,
              fmt::format("'{}' is no TCP flag: they are FSRP.UEWA, or a digit 0-7 for the last three, or - for none",
                          letter));
  }
}

void parse_flags(Scanner& s, TcpSpec& tcp) {
  const size_t begin = s.next_position();
  if (s.accept("-")) return;
  size_t end = begin;
  for (; end < s.text().size() && (is_word_character(s.text()[end]) || s.text()[end] == '.'); ++end) {
    add_flag(s, begin, s.text()[end], tcp);
  }
  if (end == begin) s.fail(fmt::format("expected TCP flags, found {}", s.found()));
  s.go_back(end);
  if (!tcp.ace) return;
  if (tcp.ae || (tcp.flags & (TCPHDR_ECE | TCPHDR_CWR))) s.fail_at(begin, "E, W and A cannot stand beside a digit");
  tcp.flags = static_cast<uint8_t>(tcp.flags | (*tcp.ace & 1 ? TCPHDR_ECE : 0) | (*tcp.ace & 2 ? TCPHDR_CWR : 0));
  tcp.ae = *tcp.ace & 4;
}

// start:end(length)
void parse_sequence(Scanner& s, uint32_t& start, uint32_t& length) {
  const size_t begin = s.next_position();
  start = s.number("a sequence number", UINT32_MAX);
  s.expect(":", "the first sequence number");
  const uint32_t end = s.number("the end of the sequence numbers", UINT32_MAX);
  s.expect("(", "the sequence numbers");
  length = s.number("the length", UINT16_MAX);
  s.expect(")", "the length");
  if (end != start + length) {
    s.fail_at(begin, fmt::format("{}:{} is {} bytes long, not {}", start, end, end - start, length));
  }
}

TcpSpec parse_tcp(Scanner& s, Direction direction) {
  TcpSpec tcp;
  parse_flags(s, tcp);
  parse_sequence(s, tcp.seq, tcp.payload);
  tcp.has_ack = s.accept_word("ack");
  if (tcp.has_ack) tcp.ack = s.number("ack", UINT32_MAX);
  if (s.accept_word("win")) tcp.window = static_cast<uint16_t>(s.number("win", UINT16_MAX));
  if (s.accept_word("urg")) tcp.urgent = static_cast<uint16_t>(s.number("urg", UINT16_MAX));
  if (direction == Direction::inbound && !tcp.window) s.fail("an injected segment needs `win`");
  const size_t options = s.next_position();
  parse_tcp_options(s, tcp);
  if (tcp.any_options && direction == Direction::inbound) {
    s.fail_at(options, "<...> leaves the options open: only an expected segment can have it");
  }
  return tcp;
}

uint8_t parse_icmp_number(Scanner& s, std::string_view prefix, std::string_view word) {
  unsigned value = 0;
  for (char c : word.substr(prefix.size())) {
    if (c < '0' || c > '9' || (value = value * 10 + static_cast<unsigned>(c - '0')) > UINT8_MAX) {
      s.fail(fmt::format("'{}' has to end in a number from 0 to 255", word));
    }
  }
  return static_cast<uint8_t>(value);
}

void parse_icmp_type(Scanner& s, IcmpSpec& icmp, bool ipv6) {
  const std::string_view type = s.peek_word();
  if (type.starts_with("type_")) {
    icmp.type = parse_icmp_number(s, "type_", type);
  } else if (auto known = icmp_type_of(type, ipv6)) {
    icmp.type = *known;
  } else if (auto other = icmp_type_of(type, !ipv6)) {  // the version may be given outside the script
    icmp.type = *other;
    ipv6 = !ipv6;
  } else {
    s.fail(fmt::format("{} is no type of ICMP", s.found()));
  }
  s.accept_word(type);
  const std::string_view code = s.peek_word();
  if (code.empty() || code == "mtu" || code == "id" || (code[0] >= '0' && code[0] <= '9')) return;
  if (code.starts_with("code_")) {
    icmp.code = parse_icmp_number(s, "code_", code);
  } else if (auto known = icmp_code_of(icmp.type, code, ipv6)) {
    icmp.code = *known;
  } else {
    s.fail(fmt::format("'{}' is no code of ICMP type {}", code, icmp.type));
  }
  s.accept_word(code);
}

IcmpSpec parse_icmp(Scanner& s, bool ipv6) {
  IcmpSpec icmp;
  parse_icmp_type(s, icmp, ipv6);
  if (s.accept_word("mtu")) icmp.mtu = s.number("mtu", UINT32_MAX);
  if (s.accept_word("id")) icmp.id = static_cast<uint16_t>(s.number("id", UINT16_MAX));
  if (!s.accept("[")) return icmp;
  icmp.has_echoed = true;
  parse_sequence(s, icmp.echoed_seq, icmp.echoed_payload);
  s.expect("]", "the segment that is quoted");
  return icmp;
}

}  // namespace

PacketEvent parse_packet(Scanner& s, bool ipv6) {
  PacketEvent packet;
  packet.direction = s.accept("<") ? Direction::inbound : Direction::outbound;
  if (packet.direction == Direction::outbound) s.expect(">", "a time");
  parse_ip_fields(s, packet);
  constexpr auto kOthers = std::to_array<std::string_view>({"ipv4", "ipv6", "gre", "GREv0", "mpls", "udp", "encap"});
  if (std::ranges::find(kOthers, s.peek_word()) != kOthers.end()) {
    s.fail(fmt::format("{} packets are not understood: only TCP, and ICMP from outside, are", s.found()));
  }
  if (s.peek_word() == "icmp") {
    if (packet.direction == Direction::outbound) s.fail("an ICMP message can only be injected");
    s.accept_word("icmp");
    packet.what = parse_icmp(s, ipv6);
    return packet;
  }
  parse_ports(s, packet);
  packet.what = parse_tcp(s, packet.direction);
  return packet;
}

}  // namespace glass::drill
