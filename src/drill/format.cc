#include "drill/format.h"

#include <fmt/format.h>

#include "drill/icmp_names.h"
#include "wire/tcp.h"

namespace glass::drill {

namespace {

using Kind = TcpOptionSpec::Kind;

std::string_view ecn_name(EcnSpec ecn) {
  switch (ecn) {
    case EcnSpec::unchecked: return "";
    case EcnSpec::noecn: return "noecn";
    case EcnSpec::ect0: return "ect0";
    case EcnSpec::ect1: return "ect1";
    case EcnSpec::ce: return "ce";
    case EcnSpec::ect01: return "ect01";
  }
  return "";
}

std::string ip_fields(const PacketEvent& packet) {
  std::string fields(ecn_name(packet.ecn));
  const auto add = [&](const std::string& field) { fields += (fields.empty() ? "" : ",") + field; };
  if (packet.tos) add(fmt::format("tos {:#04x}", *packet.tos));
  if (packet.ttl) add(fmt::format("ttl {}", *packet.ttl));
  if (packet.flow_label) add(fmt::format("flowlabel {:#x}", *packet.flow_label));
  return fields.empty() ? fields : fmt::format("[{}] ", fields);
}

std::string flags(const TcpSpec& tcp) {
  std::string letters;
  const auto add = [&](uint16_t flag, char letter) {
    if (tcp.flags & flag) letters += letter;
  };
  add(TCPHDR_SYN, 'S');
  add(TCPHDR_FIN, 'F');
  add(TCPHDR_RST, 'R');
  add(TCPHDR_PSH, 'P');
  add(TCPHDR_URG, 'U');
  if (tcp.ace) {
    letters += fmt::format(".{}", *tcp.ace);
    if (!(tcp.flags & TCPHDR_ACK)) letters.erase(letters.size() - 2, 1);
    return letters;
  }
  add(TCPHDR_ECE, 'E');
  add(TCPHDR_CWR, 'W');
  if (tcp.ae) letters += 'A';
  add(TCPHDR_ACK, '.');
  return letters.empty() ? "-" : letters;
}

std::string hex(const std::vector<uint8_t>& bytes) {
  std::string digits;
  for (uint8_t byte : bytes) digits += fmt::format("{:02x}", byte);
  return digits;
}

std::string with_bytes(std::string_view name, const std::vector<uint8_t>& bytes) {
  return bytes.empty() ? std::string(name) : fmt::format("{} {}", name, hex(bytes));
}

std::string accecn(const TcpOptionSpec& option) {
  const std::string_view names[] = {option.e1_first ? "e1b" : "e0b", "ceb", option.e1_first ? "e0b" : "e1b"};
  std::string text = "ECN";
  for (size_t i = 0; i < option.counters.size() && i < 3; ++i) {
    text += fmt::format(" {} {}", names[i], option.counters[i]);
  }
  return text;
}

std::string one_option(const TcpOptionSpec& option) {
  switch (option.kind) {
    case Kind::nop: return "nop";
    case Kind::eol: return "eol";
    case Kind::mss: return fmt::format("mss {}", option.value);
    case Kind::wscale: return fmt::format("wscale {}", option.value);
    case Kind::sack_ok: return "sackOK";
    case Kind::sack: {
      std::string text = "sack";
      for (const auto& [left, right] : option.blocks) text += fmt::format(" {}:{}", left, right);
      return text;
    }
    case Kind::timestamp: return fmt::format("TS val {} ecr {}", option.value, option.echo);
    case Kind::md5: return with_bytes("md5", option.bytes);
    case Kind::fast_open: return with_bytes("FO", option.bytes);
    case Kind::fast_open_exp: return with_bytes("FOEXP", option.bytes);
    case Kind::accecn: return accecn(option);
  }
  return "";
}

std::string sequence(uint32_t start, uint32_t length) {
  return fmt::format("{}:{}({})", start, start + length, length);
}

std::string format_tcp(const TcpSpec& tcp) {
  std::string text = flags(tcp) + " " + sequence(tcp.seq, tcp.payload);
  if (tcp.has_ack) text += fmt::format(" ack {}", tcp.ack);
  if (tcp.window) text += fmt::format(" win {}", *tcp.window);
  if (tcp.urgent) text += fmt::format(" urg {}", *tcp.urgent);
  const std::string options = format_options(tcp);
  return options.empty() ? text : text + " " + options;
}

std::string format_icmp(const IcmpSpec& icmp, bool ipv6) {
  const std::string_view type = icmp_type_name(icmp.type, ipv6);
  const std::string_view code = icmp_code_name(icmp.type, icmp.code, ipv6);
  std::string text = type.empty() ? fmt::format("icmp type_{}", icmp.type) : fmt::format("icmp {}", type);
  if (!code.empty()) {
    text += fmt::format(" {}", code);
  } else if (icmp.code != 0) {
    text += fmt::format(" code_{}", icmp.code);
  }
  if (icmp.mtu) text += fmt::format(" mtu {}", icmp.mtu);
  if (icmp.id) text += fmt::format(" id {}", icmp.id);
  if (icmp.has_echoed) text += fmt::format(" [{}]", sequence(icmp.echoed_seq, icmp.echoed_payload));
  return text;
}

}  // namespace

std::string format_options(const TcpSpec& tcp) {
  if (tcp.any_options) return "<...>";
  if (tcp.options.empty()) return "";
  std::string text;
  for (const TcpOptionSpec& option : tcp.options) text += (text.empty() ? "<" : ",") + one_option(option);
  return text + ">";
}

std::string format_packet(const PacketEvent& packet, bool ipv6) {
  std::string text = packet.direction == Direction::inbound ? "< " : "> ";
  text += ip_fields(packet);
  if (const auto* icmp = std::get_if<IcmpSpec>(&packet.what)) return text + format_icmp(*icmp, ipv6);
  if (packet.ports) text += fmt::format("{} > {} ", packet.ports->first, packet.ports->second);
  return text + format_tcp(std::get<TcpSpec>(packet.what));
}

std::string format_seconds(int64_t us) {
  std::string text = fmt::format("{}{}.{:06}", us < 0 ? "-" : "", std::abs(us) / 1'000'000, std::abs(us) % 1'000'000);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

std::string format_time(const EventTime& time) {
  const std::string begin = format_seconds(time.begin_us), end = format_seconds(time.end_us);
  switch (time.kind) {
    case EventTime::Kind::absolute: return begin;
    case EventTime::Kind::relative: return "+" + begin;
    case EventTime::Kind::any: return "*";
    case EventTime::Kind::absolute_range: return begin + "~" + end;
    case EventTime::Kind::relative_range: return "+" + begin + "~+" + end;
  }
  return "";
}

std::string format_note(const DropNote& note) {
  if (!note.dropped) return "// ok";
  return note.place.empty() ? fmt::format("// drop: {}", note.reason)
                            : fmt::format("// drop: {} @ {}", note.reason, note.place);
}

}  // namespace glass::drill
