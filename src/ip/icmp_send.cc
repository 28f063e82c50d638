#include <algorithm>

#include "ip/icmp.h"
#include "ip/ip_header.h"
#include "ip/ip_options.h"
#include "ip/state.h"
#include "wire/icmp.h"

namespace glass {

namespace {

void icmp_out_count(Trace& trace, uint8_t type) {
  trace.count(Mib::IcmpOutMsgs);
  switch (type) {
    case ICMP_ECHOREPLY: return trace.count(Mib::IcmpOutEchoReps);
    case ICMP_DEST_UNREACH: return trace.count(Mib::IcmpOutDestUnreachs);
    case ICMP_SOURCE_QUENCH: return trace.count(Mib::IcmpOutSrcQuenchs);
    case ICMP_REDIRECT: return trace.count(Mib::IcmpOutRedirects);
    case ICMP_ECHO: return trace.count(Mib::IcmpOutEchos);
    case ICMP_TIME_EXCEEDED: return trace.count(Mib::IcmpOutTimeExcds);
    case ICMP_PARAMETERPROB: return trace.count(Mib::IcmpOutParmProbs);
    case ICMP_TIMESTAMP: return trace.count(Mib::IcmpOutTimestamps);
    case ICMP_TIMESTAMPREPLY: return trace.count(Mib::IcmpOutTimestampReps);
    default: return;
  }
}

// A message with its header in place and `size` bytes of body for the caller to fill.
Skb new_message(Ip& ip, const IcmpReply& r, size_t size) {
  Skb skb = alloc_skb(ip.ns().pool, ip.ns().trace, static_cast<uint32_t>(sizeof(icmphdr) + size));
  auto* icmph = reinterpret_cast<icmphdr*>(skb_put(skb, static_cast<uint32_t>(sizeof(icmphdr) + size)));
  icmph->type = r.type;
  icmph->code = r.code;
  icmph->checksum = 0;
  icmph->un.gateway = r.rest;
  skb_reset_transport_header(skb);
  return skb;
}

uint8_t* body(const Skb& skb) { return skb->data + sizeof(icmphdr); }

// Bytes of the packet from its network header on, wherever its data starts now.
uint32_t packet_length(const sk_buff& s) { return static_cast<uint32_t>(s.tail() - s.network()) + s.data_len; }
void copy_packet(const sk_buff& s, uint8_t* to, uint32_t n) {
  const uint32_t linear = std::min(n, static_cast<uint32_t>(s.tail() - s.network()));
  std::memcpy(to, s.network(), linear);
  if (n > linear) skb_copy_bits(s, s.headlen(), to + linear, n - linear);
}

// RFC 1122 section 3.2.2: what no error is ever sent about.
bool may_complain_about(Ip& ip, const sk_buff& s) {
  if (s.tail() - s.network() < static_cast<ptrdiff_t>(sizeof(iphdr)) || s.pkt_type != PacketType::host) return false;
  const iphdr* iph = ip_hdr(s);
  const AddressType to = ip.address_type(IpAddress::v4_from_wire(iph->daddr));
  const AddressType from = ip.address_type(IpAddress::v4_from_wire(iph->saddr));
  if (to == AddressType::broadcast || to == AddressType::multicast || iph->fragment_offset() != 0) return false;
  if (from == AddressType::broadcast || from == AddressType::multicast || iph->saddr == 0) return false;
  if (iph->protocol != IpProto::ICMP) return true;
  const auto type_at = static_cast<ptrdiff_t>(iph->ihl());
  if (s.tail() - s.network() <= type_at) return false;
  const uint8_t type = s.network()[type_at];
  return type <= NR_ICMP_TYPES && !icmp_is_error(type);
}

}  // namespace

Result<void> icmp_push_reply(Ip& ip, Skb skb, dst_entry* dst, const IpAddress& saddr, const IpTx& tx) {
  PROBE(ip.ns().trace, skb);
  auto* icmph = reinterpret_cast<icmphdr*>(skb->data);
  icmph->checksum = csum_fold(csum_partial(skb->data, skb->len, 0));
  icmp_out_count(ip.ns().trace, icmph->type);
  return ip.ip_send_skb(std::move(skb), dst, saddr, dst->daddr, tx);
}

void icmp_reply(Ip& ip, const Skb& skb, const IcmpReply& r, std::span<const uint8_t> head, bool with_data) {
  PROBE(ip.ns().trace, skb);
  const iphdr* iph = ip_hdr(skb);
  Icmp& limits = ip.state().icmp;
  if (!limits.icmpv4_global_allow(r.type, r.code)) return;  // keeps
  const IpAddress asked = IpAddress::v4_from_wire(iph->daddr);
  const Result<dst_entry*> dst =
      ip.route_output(IpAddress::v4_from_wire(iph->saddr), ip.is_local(asked) ? asked : IpAddress{});
  if (!dst || !limits.icmpv4_xrlim_allow(**dst, r.type, r.code)) return;  // keeps
  Skb answer = new_message(ip, r, head.size() + (with_data ? skb->len : 0));
  std::copy(head.begin(), head.end(), body(answer));
  if (with_data) skb_copy_bits(*skb, 0, body(answer) + head.size(), skb->len);
  IpTx tx{iph->tos, 0, false, static_cast<uint8_t>(IpProto::ICMP)};
  IpOptionBytes options;
  if (iph->ihl_words() > 5) options = ip_options_echo(ip, iph, (*dst)->saddr);
  tx.options = options.span();
  (void)icmp_push_reply(ip, std::move(answer), *dst, (*dst)->saddr, tx);
}

namespace {

void __icmp_send(Ip& ip, const Skb& skb, const IcmpReply& r) {
  PROBE(ip.ns().trace, skb);
  if (!may_complain_about(ip, *skb)) return;  // keeps
  Icmp& limits = ip.state().icmp;
  if (!limits.icmpv4_global_allow(r.type, r.code)) return;  // keeps
  const iphdr* iph = ip_hdr(skb);
  const IpAddress meant = IpAddress::v4_from_wire(iph->daddr);
  const Result<dst_entry*> found =
      ip.route_output(IpAddress::v4_from_wire(iph->saddr), ip.is_local(meant) ? meant : IpAddress{});
  if (!found || !limits.icmpv4_xrlim_allow(**found, r.type, r.code)) return;  // keeps
  const dst_entry& dst = **found;
  // RFC 1812 section 4.3.2.5: network control precedence, and the type of service of the packet at fault.
  IpTx tx{static_cast<uint8_t>((iph->tos & 0x1e) | 0xc0), 0, false, static_cast<uint8_t>(IpProto::ICMP)};
  IpOptionBytes options;
  if (iph->ihl_words() > 5 && r.type != ICMP_PARAMETERPROB) options = ip_options_echo(ip, iph, dst.saddr);
  tx.options = options.span();
  // RFC 1812 section 4.3.2.3: as much of the packet as fits into 576 bytes.
  const uint32_t room = std::min(dst.mtu, 576u) - static_cast<uint32_t>(sizeof(iphdr) + sizeof(icmphdr)) - options.size;
  const uint32_t quoted = std::min(room, packet_length(*skb));
  Skb error = new_message(ip, r, quoted);
  copy_packet(*skb, body(error), quoted);
  (void)icmp_push_reply(ip, std::move(error), *found, dst.saddr, tx);
}

}  // namespace

void Ip::icmp_send(const Skb& skb, uint8_t type, uint8_t code, uint32_t info) {
  __icmp_send(*this, skb, {type, code, info});
}

bool Icmp::limited(uint8_t type, uint8_t code) const {
  if (type > NR_ICMP_TYPES || (type == ICMP_DEST_UNREACH && code == ICMP_FRAG_NEEDED)) return false;
  return ip_.ns().sysctl.icmp_ratemask >> type & 1;
}

bool Icmp::icmpv4_global_allow(uint8_t type, uint8_t code) {
  const Sysctl& s = ip_.ns().sysctl;
  if (!limited(type, code)) return true;
  const Instant now = ip_.ns().now;
  const Duration passed = started_ ? std::min<Duration>(now - refilled_, 1s) : 1s;
  const int64_t more = s.icmp_msgs_per_sec * passed.count() / 1'000'000'000;
  if (more) {
    credit_ = std::min(credit_ + more, s.icmp_msgs_burst);
    refilled_ = now;
    started_ = true;
  }
  if (credit_ <= 0) {
    ip_.ns().trace.count(Mib::IcmpOutRateLimitGlobal);
    return false;
  }
  // One on average, but not exactly: else the limit tells an outsider what others were sent (CVE-2020-25705).
  credit_ -= ip_.ns().rng.below(3);
  return true;
}

bool Icmp::icmpv4_xrlim_allow(const dst_entry& dst, uint8_t type, uint8_t code) {
  const Duration timeout = std::chrono::milliseconds(ip_.ns().sysctl.icmp_ratelimit);
  if (!limited(type, code) || dst.is_local || timeout <= Duration{}) return true;
  if (peers_.size() >= kMaxPeers) peers_.clear();
  const Instant now = ip_.ns().now;
  const auto [found, fresh] = peers_.try_emplace(dst.daddr);
  Bucket& b = found->second;
  b.tokens = fresh ? kBurst * timeout : std::min<Duration>(b.tokens + (now - b.last), kBurst * timeout);
  b.last = now;
  if (b.tokens < timeout) {
    ip_.ns().trace.count(Mib::IcmpOutRateLimitHost);
    return false;
  }
  b.tokens -= timeout;
  return true;
}

void Ip::ping_register(uint16_t identifier, EchoReply receiver) {
  state_->icmp.pings[identifier] = std::move(receiver);
}
void Ip::ping_unregister(uint16_t identifier) { state_->icmp.pings.erase(identifier); }

Result<void> Ip::ping_send(const IpAddress& to, uint16_t identifier, uint16_t sequence, std::span<const uint8_t> data) {
  if (data.size() > kMaxPacket - sizeof(iphdr) - sizeof(icmphdr)) return Err(EMSGSIZE);
  const Result<dst_entry*> dst = route_output(to);
  if (!dst) return Err(dst.error());
  Skb skb = new_message(*this, {ICMP_ECHO, 0, htonl(uint32_t{identifier} << 16 | sequence)}, data.size());
  std::copy(data.begin(), data.end(), body(skb));
  return icmp_push_reply(*this, std::move(skb), *dst, (*dst)->saddr,
                         {0, 0, false, static_cast<uint8_t>(IpProto::ICMP)});
}

}  // namespace glass
