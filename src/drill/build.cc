#include "drill/build.h"

#include <fmt/format.h>

#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"

namespace glass::drill {

namespace {

constexpr uint8_t kDefaultTtl = 255;
constexpr uint8_t kAccEcn0 = 172, kAccEcn1 = 174;  // RFC 9768 section 3.2.3
constexpr size_t kQuotedTcp = 8;                   // of the segment an ICMP error quotes (RFC 792)

using Bytes = std::vector<uint8_t>;

void put(Bytes& out, uint32_t value, int bytes) {
  while (bytes-- > 0) out.push_back(static_cast<uint8_t>(value >> 8 * bytes));
}

void put_kind(Bytes& out, TcpOption kind, size_t length) {
  out.push_back(static_cast<uint8_t>(kind));
  out.push_back(static_cast<uint8_t>(length));
}

void put_bytes(Bytes& out, const Bytes& bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

void put_sack(Bytes& out, const TcpOptionSpec& option, const Live& live, bool syn) {
  put_kind(out, TcpOption::SACK, 2 + option.blocks.size() * TCPOLEN_SACK_PERBLOCK);
  for (auto [left, right] : option.blocks) {
    put(out, live.local_seq(left, syn), 4);
    put(out, live.local_seq(right, syn), 4);
  }
}

void put_accecn(Bytes& out, const TcpOptionSpec& option) {
  out.push_back(option.e1_first ? kAccEcn1 : kAccEcn0);
  out.push_back(static_cast<uint8_t>(2 + 3 * option.counters.size()));
  for (uint32_t counter : option.counters) put(out, counter, 3);
}

// A value echoed has to be one that was sent: only segments with ACK echo (RFC 7323 section 3.2).
std::expected<uint32_t, std::string> live_echo(const TcpSpec& tcp, uint32_t echo, const Live& live,
                                               const BuildOptions& options) {
  if (!(tcp.flags & TCPHDR_ACK)) return echo;
  if (auto found = live.tsecr(echo, options.ts_ecr_scaled)) return *found;
  return std::unexpected(fmt::format("`ecr {}` echoes a TS val that no expected packet had", echo));
}

void put_simple(Bytes& out, const TcpOptionSpec& o) {
  switch (o.kind) {
    case TcpOptionSpec::Kind::nop: out.push_back(static_cast<uint8_t>(TcpOption::NOP)); break;
    case TcpOptionSpec::Kind::eol: out.push_back(static_cast<uint8_t>(TcpOption::EOL)); break;
    case TcpOptionSpec::Kind::mss:
      put_kind(out, TcpOption::MSS, 4);
      put(out, o.value, 2);
      break;
    case TcpOptionSpec::Kind::wscale:
      put_kind(out, TcpOption::WINDOW, 3);
      put(out, o.value, 1);
      break;
    case TcpOptionSpec::Kind::sack_ok: put_kind(out, TcpOption::SACK_PERM, 2); break;
    case TcpOptionSpec::Kind::md5:
      put_kind(out, TcpOption::MD5SIG, 2 + o.bytes.size());
      put_bytes(out, o.bytes);
      break;
    case TcpOptionSpec::Kind::fast_open:
      put_kind(out, TcpOption::FASTOPEN, 2 + o.bytes.size());
      put_bytes(out, o.bytes);
      break;
    case TcpOptionSpec::Kind::fast_open_exp:
      put_kind(out, TcpOption::EXP, 4 + o.bytes.size());
      put(out, TCPOPT_FASTOPEN_MAGIC, 2);
      put_bytes(out, o.bytes);
      break;
    case TcpOptionSpec::Kind::accecn: put_accecn(out, o); break;
    default: break;  // sack and timestamp carry numbers of the connection
  }
}

uint8_t tos_of(const PacketEvent& event) {
  if (event.tos) return *event.tos;
  switch (event.ecn) {
    case EcnSpec::ect0: return INET_ECN_ECT_0;
    case EcnSpec::ect1: return INET_ECN_ECT_1;
    case EcnSpec::ce: return INET_ECN_CE;
    default: return INET_ECN_NOT_ECT;
  }
}

// The header in front of `size` bytes that are there already.
void put_ip_header(Bytes& packet, const PacketEvent& event, IpProto protocol, const Live& live) {
  Ipv4Header ip{.tos = tos_of(event),
                .total_length = static_cast<uint16_t>(packet.size()),
                .ttl = event.ttl.value_or(kDefaultTtl),
                .protocol = static_cast<uint8_t>(protocol),
                .source = live.ends.remote,
                .destination = live.ends.local};
  ip.emit(packet);
  ip_send_check(mutable_header_at<iphdr>(packet));
}

uint16_t wire_flags(const TcpSpec& tcp) {
  uint16_t flags = tcp.flags;
  if (!tcp.ace) return static_cast<uint16_t>(flags | (tcp.ae ? TCPHDR_AE : 0));
  flags = static_cast<uint16_t>(flags & ~(TCPHDR_ECE | TCPHDR_CWR));
  if (*tcp.ace & 1) flags |= TCPHDR_ECE;
  if (*tcp.ace & 2) flags |= TCPHDR_CWR;
  if (*tcp.ace & 4) flags |= TCPHDR_AE;
  return flags;
}

tcphdr tcp_header(const PacketEvent& event, const TcpSpec& tcp, const Live& live, size_t options_size) {
  const bool syn = tcp.flags & TCPHDR_SYN;
  const auto ports = event.ports.value_or(std::pair<uint16_t, uint16_t>{0, 0});
  tcphdr th{};
  th.source = htons(ports.first ? ports.first : live.ends.remote_port);
  th.dest = htons(ports.second ? ports.second : live.ends.local_port);
  th.seq = htonl(live.remote_seq(tcp.seq, syn));
  th.ack_seq = htonl(tcp.flags & TCPHDR_ACK ? live.local_seq(tcp.ack, syn) : tcp.ack);
  th.set_doff(sizeof(tcphdr) + options_size);
  th.set_all_flags(wire_flags(tcp));
  th.window = htons(tcp.window.value_or(0));
  th.urg_ptr = htons(tcp.urgent.value_or(0));
  return th;
}

std::expected<Bytes, std::string> build_tcp(const PacketEvent& event, const TcpSpec& tcp, const Live& live,
                                            const BuildOptions& options) {
  auto option_bytes = build_tcp_options(tcp, live, options);
  if (!option_bytes) return std::unexpected(option_bytes.error());
  const size_t headers = sizeof(iphdr) + sizeof(tcphdr) + option_bytes->size();
  if (headers + tcp.payload > 0xffff) return std::unexpected("the packet would be longer than 65535 bytes");
  Bytes packet(headers + tcp.payload);
  put_ip_header(packet, event, IpProto::TCP, live);
  tcphdr* th = mutable_header_at<tcphdr>(packet, sizeof(iphdr));
  *th = tcp_header(event, tcp, live, option_bytes->size());
  std::ranges::copy(*option_bytes, packet.begin() + sizeof(iphdr) + sizeof(tcphdr));
  const auto length = static_cast<uint32_t>(packet.size() - sizeof(iphdr));
  th->check = csum_fold(csum_pseudo(live.ends.remote, live.ends.local, length, static_cast<uint8_t>(IpProto::TCP),
                                    csum_partial(th, length, 0)));
  return packet;
}

// The segment that caused the error, as the local side sent it: its header and the first bytes behind.
void put_quoted(Bytes& packet, size_t at, const IcmpSpec& icmp, const Live& live) {
  Ipv4Header ip{.total_length = static_cast<uint16_t>(sizeof(iphdr) + sizeof(tcphdr) + icmp.echoed_payload),
                .ttl = kDefaultTtl,
                .protocol = static_cast<uint8_t>(IpProto::TCP),
                .source = live.ends.local,
                .destination = live.ends.remote};
  ip.emit(MutableByteSpan(packet).subspan(at));
  ip_send_check(mutable_header_at<iphdr>(packet, at));
  tcphdr th{};
  th.source = htons(live.ends.local_port);
  th.dest = htons(live.ends.remote_port);
  th.seq = htonl(live.local_seq(icmp.echoed_seq, false));
  std::memcpy(packet.data() + at + sizeof(iphdr), &th, kQuotedTcp);
}

Bytes build_icmp(const PacketEvent& event, const IcmpSpec& icmp, const Live& live) {
  const size_t quoted = sizeof(iphdr) + sizeof(icmphdr);
  Bytes packet(quoted + sizeof(iphdr) + kQuotedTcp);
  put_ip_header(packet, event, IpProto::ICMP, live);
  IcmpHeader header{.type = icmp.type, .code = icmp.code, .rest = icmp.mtu};
  header.emit(MutableByteSpan(packet).subspan(sizeof(iphdr)));
  put_quoted(packet, quoted, icmp, live);
  icmphdr* icmph = mutable_header_at<icmphdr>(packet, sizeof(iphdr));
  icmph->checksum = 0;
  icmph->checksum = csum_fold(csum_partial(icmph, packet.size() - sizeof(iphdr), 0));
  return packet;
}

}  // namespace

std::expected<Bytes, std::string> build_tcp_options(const TcpSpec& tcp, const Live& live, const BuildOptions& options) {
  Bytes out;
  for (const TcpOptionSpec& o : tcp.options) {
    if (o.kind == TcpOptionSpec::Kind::sack) {
      put_sack(out, o, live, tcp.flags & TCPHDR_SYN);
    } else if (o.kind == TcpOptionSpec::Kind::timestamp) {
      auto echo = live_echo(tcp, o.echo, live, options);
      if (!echo) return std::unexpected(echo.error());
      put_kind(out, TcpOption::TIMESTAMP, 10);
      put(out, o.value, 4);
      put(out, *echo, 4);
    } else {
      put_simple(out, o);
    }
  }
  if (out.size() % 4) return std::unexpected(fmt::format("TCP options of {} bytes: no multiple of 4", out.size()));
  if (out.size() > MAX_TCP_OPTION_SPACE) return std::unexpected("TCP options of more than 40 bytes");
  return out;
}

std::expected<Bytes, std::string> build_packet(const PacketEvent& event, const Live& live,
                                               const BuildOptions& options) {
  if (const auto* tcp = std::get_if<TcpSpec>(&event.what)) return build_tcp(event, *tcp, live, options);
  return build_icmp(event, std::get<IcmpSpec>(event.what), live);
}

}  // namespace glass::drill
