#include "drill/seen.h"

#include <fmt/format.h>

#include <algorithm>

#include "wire/format_packet.h"
#include "wire/ipv4.h"

namespace glass::drill {

namespace {

constexpr uint8_t kAccEcn0 = 172, kAccEcn1 = 174;

using Kind = TcpOptionSpec::Kind;

uint32_t load_be24(const uint8_t* p) { return uint32_t{p[0]} << 16 | load_be16(p + 1); }

std::vector<std::pair<uint32_t, uint32_t>> sack_blocks(ByteSpan body, const Live* live, bool syn) {
  std::vector<std::pair<uint32_t, uint32_t>> blocks;
  for (size_t i = 0; i + TCPOLEN_SACK_PERBLOCK <= body.size(); i += TCPOLEN_SACK_PERBLOCK) {
    const uint32_t left = load_be32(body.data() + i), right = load_be32(body.data() + i + 4);
    blocks.emplace_back(live ? live->script_remote_seq(left, syn) : left,
                        live ? live->script_remote_seq(right, syn) : right);
  }
  return blocks;
}

TcpOptionSpec accecn(uint8_t kind, ByteSpan body) {
  TcpOptionSpec option{.kind = Kind::accecn, .e1_first = kind == kAccEcn1};
  for (size_t i = 0; i + 3 <= body.size(); i += 3) option.counters.push_back(load_be24(body.data() + i));
  return option;
}

std::optional<TcpOptionSpec> sized_option(uint8_t kind, ByteSpan body, const Live* live, bool syn) {
  const std::vector<uint8_t> bytes(body.begin(), body.end());
  if (kind == TcpOption::MSS && body.size() == 2)
    return TcpOptionSpec{.kind = Kind::mss, .value = load_be16(body.data())};
  if (kind == TcpOption::WINDOW && body.size() == 1) return TcpOptionSpec{.kind = Kind::wscale, .value = body[0]};
  if (kind == TcpOption::SACK_PERM && body.empty()) return TcpOptionSpec{.kind = Kind::sack_ok};
  if (kind == TcpOption::SACK && body.size() % TCPOLEN_SACK_PERBLOCK == 0)
    return TcpOptionSpec{.kind = Kind::sack, .blocks = sack_blocks(body, live, syn)};
  if (kind == TcpOption::TIMESTAMP && body.size() == 8) {
    const uint32_t val = load_be32(body.data());
    return TcpOptionSpec{
        .kind = Kind::timestamp, .value = live ? live->script_tsval(val) : val, .echo = load_be32(body.data() + 4)};
  }
  if (kind == TcpOption::MD5SIG) return TcpOptionSpec{.kind = Kind::md5, .bytes = bytes};
  if (kind == TcpOption::FASTOPEN) return TcpOptionSpec{.kind = Kind::fast_open, .bytes = bytes};
  if (kind == TcpOption::EXP && body.size() >= 2 && load_be16(body.data()) == TCPOPT_FASTOPEN_MAGIC)
    return TcpOptionSpec{.kind = Kind::fast_open_exp, .bytes = {bytes.begin() + 2, bytes.end()}};
  if ((kind == kAccEcn0 || kind == kAccEcn1) && body.size() % 3 == 0) return accecn(kind, body);
  return std::nullopt;
}

struct OptionList {
  std::vector<TcpOptionSpec> options{};
  std::optional<std::string> unreadable{};
};

OptionList read_options(ByteSpan rest, const Live* live, bool syn) {
  OptionList list;
  while (!rest.empty()) {
    if (rest[0] == TcpOption::NOP || rest[0] == TcpOption::EOL) {
      list.options.push_back({.kind = rest[0] == TcpOption::NOP ? Kind::nop : Kind::eol});
      rest = rest.subspan(1);
      continue;
    }
    const size_t length = rest.size() < 2 ? 0 : rest[1];
    if (length < 2 || length > rest.size()) {
      list.unreadable = fmt::format("TCP option {} has no valid length", rest[0]);
      break;
    }
    if (auto option = sized_option(rest[0], rest.subspan(2, length - 2), live, syn)) {
      list.options.push_back(*option);
    } else {
      list.unreadable = fmt::format("TCP option {} of {} bytes has no name in the language", rest[0], length);
    }
    rest = rest.subspan(length);
  }
  return list;
}

void read_tcp(const tcphdr* th, ByteSpan segment, SeenPacket& seen) {
  seen.ends.local_port = ntohs(th->source);
  seen.ends.remote_port = ntohs(th->dest);
  seen.seq = th->seq_nr().v;
  seen.ack = th->ack_nr().v;
  seen.flags = th->all_flags();
  seen.reserved = th->doff_res >> 1 & 7;
  seen.window = ntohs(th->window);
  seen.urgent = ntohs(th->urg_ptr);
  const ByteSpan options = th->option_bytes(), payload = segment.subspan(th->doff());
  seen.option_bytes.assign(options.begin(), options.end());
  seen.unreadable_option = read_options(options, nullptr, false).unreadable;
  seen.payload = static_cast<uint32_t>(payload.size());
  seen.zero_payload = std::ranges::all_of(payload, [](uint8_t byte) { return byte == 0; });
}

}  // namespace

std::optional<SeenPacket> read_packet(const OutboundPacket& out) {
  const ByteSpan packet(out.bytes);
  const auto ip = Ipv4Header::parse(packet);
  if (!ip || !(ip->protocol == IpProto::TCP) || ip->more_fragments || ip->fragment_offset) return std::nullopt;
  if (ip->total_length != packet.size()) return std::nullopt;
  const ByteSpan segment = packet.subspan(ip->size());
  const tcphdr* th = header_at<tcphdr>(segment);
  if (!th || th->doff() < sizeof(tcphdr) || th->doff() > segment.size()) return std::nullopt;
  SeenPacket seen{.time_us = out.time_us, .tos = ip->tos, .ttl = ip->ttl};
  seen.ends.local = ip->source;
  seen.ends.remote = ip->destination;
  seen.ip_checksum_ok = ip_fast_csum(header_at<iphdr>(packet)) == 0;
  const uint32_t sum = csum_pseudo(ip->source, ip->destination, static_cast<uint32_t>(segment.size()), ip->protocol,
                                   csum_partial(segment.data(), segment.size(), 0));
  seen.tcp_checksum_ok = csum_fold(sum) == 0;
  read_tcp(th, segment, seen);
  seen.line = glass::format_packet(packet);
  return seen;
}

PacketEvent scripted(const SeenPacket& seen, const Live& live) {
  const bool syn = seen.syn();
  TcpSpec tcp{.flags = static_cast<uint8_t>(seen.flags),
              .ae = (seen.flags & TCPHDR_AE) != 0,
              .seq = live.script_local_seq(seen.seq, syn),
              .payload = seen.payload,
              .ack = seen.flags & TCPHDR_ACK ? live.script_remote_seq(seen.ack, syn) : seen.ack,
              .has_ack = (seen.flags & TCPHDR_ACK) != 0,
              .window = seen.window,
              .options = read_options(seen.option_bytes, &live, syn).options};
  if (seen.urgent || seen.flags & TCPHDR_URG) tcp.urgent = seen.urgent;
  return {.direction = Direction::outbound, .what = std::move(tcp)};
}

std::optional<std::string> why_no_continuation(const SeenPacket& last, const SeenPacket& next, uint32_t last_payload,
                                               uint32_t missing) {
  constexpr uint16_t kFree = TCPHDR_FIN | TCPHDR_PSH | TCPHDR_CWR;
  if ((last.flags | kFree) != (next.flags | kFree)) return "the flags changed within a run of segments";
  if (next.seq != last.seq + last.payload) return "a segment does not continue the one before";
  if (next.ack != last.ack || next.window != last.window || next.urgent != last.urgent)
    return "acknowledgment, window or urgent pointer changed within a run of segments";
  if (next.option_bytes.size() != last.option_bytes.size()) return "the options changed within a run of segments";
  if (next.payload < missing && next.payload != last_payload)
    return fmt::format("a segment of {} bytes after one of {} within a run", next.payload, last_payload);
  return std::nullopt;
}

SeenPacket joined(const SeenPacket& first, const SeenPacket& next) {
  SeenPacket all = next;
  all.seq = first.seq;
  all.flags = static_cast<uint16_t>((next.flags & ~TCPHDR_CWR) | (first.flags & TCPHDR_CWR));
  all.payload = first.payload + next.payload;
  all.zero_payload = first.zero_payload && next.zero_payload;
  all.ip_checksum_ok = first.ip_checksum_ok && next.ip_checksum_ok;
  all.tcp_checksum_ok = first.tcp_checksum_ok && next.tcp_checksum_ok;
  if (!all.unreadable_option) all.unreadable_option = first.unreadable_option;
  return all;
}

}  // namespace glass::drill
