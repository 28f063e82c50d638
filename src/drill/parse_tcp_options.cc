#include "drill/parse_tcp_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "wire/tcp_options.h"

namespace glass::drill {

namespace {

using Kind = TcpOptionSpec::Kind;

constexpr uint32_t kMostCounter = 0xffffff;
constexpr size_t kMostOptionBytes = 253;  // behind kind and length

int hex_value(char c) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const size_t at = kDigits.find(static_cast<char>(c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c));
  return at == kDigits.npos ? -1 : static_cast<int>(at);
}

// Digits without 0x, two a byte; none are no bytes.
std::vector<uint8_t> parse_hex(Scanner& s, std::string_view what) {
  const size_t begin = s.next_position();
  const std::string_view digits = s.peek_word();
  s.accept_word(digits);
  if (digits.size() % 2 || !std::ranges::all_of(digits, [](char c) { return hex_value(c) >= 0; })) {
    s.fail_at(begin, fmt::format("{} has to be pairs of hex digits, not '{}'", what, digits));
  }
  if (digits.size() / 2 > kMostOptionBytes) s.fail_at(begin, fmt::format("{} is too long", what));
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i < digits.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(hex_value(digits[i]) * 16 + hex_value(digits[i + 1])));
  }
  return bytes;
}

void parse_sack(Scanner& s, TcpOptionSpec& option) {
  do {
    const uint32_t left = s.number("the left edge of a SACK block", UINT32_MAX);
    s.expect(":", "the left edge of a SACK block");
    option.blocks.emplace_back(left, s.number("the right edge of a SACK block", UINT32_MAX));
  } while (s.peek() >= '0' && s.peek() <= '9');
}

void parse_timestamp(Scanner& s, TcpOptionSpec& option) {
  if (!s.accept_word("val")) s.fail(fmt::format("expected 'val' after TS, found {}", s.found()));
  option.value = s.number("TS val", UINT32_MAX);
  if (!s.accept_word("ecr")) s.fail(fmt::format("expected 'ecr' after TS val, found {}", s.found()));
  option.echo = s.number("TS ecr", UINT32_MAX);
}

// Counters in the order of the option's kind, the last ones left out at will.
void parse_accecn(Scanner& s, TcpOptionSpec& option) {
  option.e1_first = s.peek_word() == "e1b";
  const std::string_view names[] = {option.e1_first ? "e1b" : "e0b", "ceb", option.e1_first ? "e0b" : "e1b"};
  for (std::string_view name : names) {
    if (!s.accept_word(name)) break;
    option.counters.push_back(s.number(name, kMostCounter));
  }
  if (option.counters.empty()) s.fail(fmt::format("expected 'e0b' or 'e1b' after ECN, found {}", s.found()));
}

TcpOptionSpec parse_option(Scanner& s) {
  TcpOptionSpec option;
  const size_t begin = s.next_position();
  const std::string_view name = s.word("a TCP option");
  if (name == "nop") {
    option.kind = Kind::nop;
  } else if (name == "eol") {
    option.kind = Kind::eol;
  } else if (name == "mss") {
    option.kind = Kind::mss;
    option.value = s.number("mss", UINT16_MAX);
  } else if (name == "wscale") {
    option.kind = Kind::wscale;
    option.value = s.number("wscale", UINT8_MAX);
  } else if (name == "sackOK") {
    option.kind = Kind::sack_ok;
  } else if (name == "sack") {
    option.kind = Kind::sack;
    parse_sack(s, option);
  } else if (name == "TS") {
    option.kind = Kind::timestamp;
    parse_timestamp(s, option);
  } else if (name == "md5") {
    option.kind = Kind::md5;
    option.bytes = parse_hex(s, "md5");
  } else if (name == "FO" || name == "FOEXP") {
    option.kind = name == "FO" ? Kind::fast_open : Kind::fast_open_exp;
    option.bytes = parse_hex(s, "the Fast Open cookie");
  } else if (name == "ECN") {
    option.kind = Kind::accecn;
    parse_accecn(s, option);
  } else {
    s.fail_at(begin, fmt::format("unknown TCP option '{}'", name));
  }
  return option;
}

}  // namespace

size_t option_size(const TcpOptionSpec& option) {
  switch (option.kind) {
    case Kind::nop:
    case Kind::eol: return 1;
    case Kind::mss: return 4;
    case Kind::wscale: return 3;
    case Kind::sack_ok: return 2;
    case Kind::sack: return 2 + 8 * option.blocks.size();
    case Kind::timestamp: return 10;
    case Kind::md5: return 2 + option.bytes.size();
    case Kind::fast_open: return TCPOLEN_FASTOPEN_BASE + option.bytes.size();
    case Kind::fast_open_exp: return TCPOLEN_EXP_FASTOPEN_BASE + option.bytes.size();
    case Kind::accecn: return 2 + 3 * option.counters.size();
  }
  return 0;
}

void parse_tcp_options(Scanner& s, TcpSpec& tcp) {
  const size_t begin = s.next_position();
  if (!s.accept("<")) return;
  if (s.accept("...")) {
    tcp.any_options = true;
    s.expect(">", "<...");
    return;
  }
  size_t bytes = 0;
  do {
    tcp.options.push_back(parse_option(s));
    bytes += option_size(tcp.options.back());
  } while (s.accept(","));
  s.expect(">", "the TCP options");
  if (bytes % 4) s.fail_at(begin, fmt::format("these TCP options take {} bytes: nop has to fill up four", bytes));
  if (bytes > MAX_TCP_OPTION_SPACE) s.fail_at(begin, fmt::format("these TCP options take {} bytes: 40 fit", bytes));
}

}  // namespace glass::drill
