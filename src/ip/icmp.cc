#include "ip/icmp.h"

#include "ip/ip_header.h"
#include "ip/ip_options.h"
#include "ip/state.h"
#include "wire/icmp.h"

namespace glass {

namespace {

// What became of a message: taken, or why not.
enum class Taken { good, too_small, bad_quote, ignored, no_socket };

void count_in(Trace& trace, uint8_t type) {
  switch (type) {
    case ICMP_ECHOREPLY: return trace.count(Mib::IcmpInEchoReps);
    case ICMP_DEST_UNREACH: return trace.count(Mib::IcmpInDestUnreachs);
    case ICMP_SOURCE_QUENCH: return trace.count(Mib::IcmpInSrcQuenchs);
    case ICMP_REDIRECT: return trace.count(Mib::IcmpInRedirects);
    case ICMP_ECHO: return trace.count(Mib::IcmpInEchos);
    case ICMP_TIME_EXCEEDED: return trace.count(Mib::IcmpInTimeExcds);
    case ICMP_PARAMETERPROB: return trace.count(Mib::IcmpInParmProbs);
    case ICMP_TIMESTAMP: return trace.count(Mib::IcmpInTimestamps);
    case ICMP_TIMESTAMPREPLY: return trace.count(Mib::IcmpInTimestampReps);
    case ICMP_ADDRESS: return trace.count(Mib::IcmpInAddrMasks);
    case ICMP_ADDRESSREPLY: return trace.count(Mib::IcmpInAddrMaskReps);
    default: return;
  }
}

Taken icmp_echo(Ip& ip, const Skb& skb, const icmphdr& icmph) {
  PROBE(ip.ns().trace, skb);
  if (ip.ns().sysctl.icmp_echo_ignore_all) return Taken::ignored;
  icmp_reply(ip, skb, {ICMP_ECHOREPLY, 0, icmph.un.gateway}, {}, true);
  return Taken::good;
}

// RFC 792: the asker's time comes back with ours of receiving and of sending.
Taken icmp_timestamp(Ip& ip, const Skb& skb, const icmphdr& icmph) {
  PROBE(ip.ns().trace, skb);
  if (skb->len < 4) return Taken::too_small;
  uint32_t times[3];
  skb_copy_bits(*skb, 0, times, 4);
  times[1] = times[2] = inet_current_timestamp(ip.ns());
  const std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(times), sizeof times);
  icmp_reply(ip, skb, {ICMP_TIMESTAMPREPLY, 0, icmph.un.gateway}, bytes, false);
  return Taken::good;
}

Taken ping_rcv(Ip& ip, const Skb& skb, const icmphdr& icmph) {
  PROBE(ip.ns().trace, skb);
  auto& pings = ip.state().icmp.pings;
  const auto found = pings.find(ntohs(icmph.un.echo.id));
  if (found == pings.end()) return Taken::no_socket;
  pskb_may_pull(skb, skb->len);
  const iphdr* iph = ip_hdr(skb);
  const Ip::EchoReply receiver = found->second;  // it may unregister itself
  receiver(IpAddress::v4_from_wire(iph->saddr), ntohs(icmph.un.echo.sequence), iph->ttl, {skb->data, skb->headlen()});
  return Taken::good;
}

// RFC 1122 section 3.2.2: to the transport the quoted packet came from. What it quotes too little of to be matched
// counts as an error.
void icmp_socket_deliver(Ip& ip, const Skb& skb, const icmphdr& icmph, uint32_t info) {
  PROBE(ip.ns().trace, skb);
  const auto quoted_header = static_cast<uint32_t>(reinterpret_cast<const iphdr*>(skb->data)->ihl());
  if (!pskb_may_pull(skb, quoted_header + 8)) {
    ip.ns().trace.count(Mib::IcmpInErrors);
    return;  // keeps
  }
  const net_protocol& p = ip.state().protos[reinterpret_cast<const iphdr*>(skb->data)->protocol];
  if (p.err_handler) p.err_handler(p.ctx, skb, icmph.type, icmph.code, info);
}

Taken icmp_redirect(Ip& ip, const Skb& skb, const icmphdr& icmph) {
  PROBE(ip.ns().trace, skb);
  if (!pskb_may_pull(skb, sizeof(iphdr))) return Taken::too_small;
  icmp_socket_deliver(ip, skb, icmph, ntohl(icmph.un.gateway));
  return Taken::good;
}

// The number that comes with the error; nothing if it is one nobody is told of.
std::optional<uint32_t> error_info(const icmphdr& icmph, const Sysctl& sysctl) {
  switch (icmph.type) {
    case ICMP_DEST_UNREACH:
      if (icmph.code > NR_ICMP_UNREACH) return std::nullopt;
      if (icmph.code != ICMP_FRAG_NEEDED) return 0;
      if (sysctl.ip_no_pmtu_disc >= 2) return std::nullopt;
      return ntohs(icmph.un.frag.mtu);
    case ICMP_PARAMETERPROB: return ntohl(icmph.un.gateway) >> 24;
    case ICMP_TIME_EXCEEDED:
      if (icmph.code == ICMP_EXC_FRAGTIME) return std::nullopt;
      return 0;
    default: return 0;
  }
}

Taken icmp_unreach(Ip& ip, const Skb& skb, const icmphdr& icmph) {
  PROBE(ip.ns().trace, skb);
  if (!pskb_may_pull(skb, sizeof(iphdr))) return Taken::too_small;
  const auto* quoted = reinterpret_cast<const iphdr*>(skb->data);
  if (quoted->ihl_words() < 5) return Taken::bad_quote;
  const std::optional<uint32_t> info = error_info(icmph, ip.ns().sysctl);
  if (!info) return Taken::good;
  icmp_socket_deliver(ip, skb, icmph, *info);
  return Taken::good;
}

Taken handle(Ip& ip, const Skb& skb, const icmphdr& icmph) {
  switch (icmph.type) {
    case ICMP_ECHO: return icmp_echo(ip, skb, icmph);
    case ICMP_ECHOREPLY: return ping_rcv(ip, skb, icmph);
    case ICMP_TIMESTAMP: return icmp_timestamp(ip, skb, icmph);
    case ICMP_REDIRECT: return icmp_redirect(ip, skb, icmph);
    case ICMP_DEST_UNREACH:
    case ICMP_SOURCE_QUENCH:
    case ICMP_TIME_EXCEEDED:
    case ICMP_PARAMETERPROB: return icmp_unreach(ip, skb, icmph);
    default: return Taken::good;  // known, obsolete, and not answered (RFC 6918)
  }
}

// RFC 1122 sections 3.2.2.6 and 3.2.2.8: what may come to a whole group.
bool allowed_to_group(const Sysctl& sysctl, uint8_t type) {
  if (type == ICMP_ECHO || type == ICMP_TIMESTAMP) return !sysctl.icmp_echo_ignore_broadcasts;
  return type == ICMP_ADDRESS || type == ICMP_ADDRESSREPLY;
}

}  // namespace

void icmp_rcv(void* ctx, Skb skb) {
  Ip& ip = *static_cast<Ip*>(ctx);
  Trace& trace = ip.ns().trace;
  PROBE(trace, skb);
  trace.count(Mib::IcmpInMsgs);
  const bool to_group = SKB_CB<IpCb>(skb.get())->flags & (RTCF_BROADCAST | RTCF_MULTICAST);
  if (skb->ip_summed == IpSummed::none && csum_fold(skb_checksum(*skb, 0, skb->len, 0)) != 0) {
    trace.count(Mib::IcmpInCsumErrors);
    trace.count(Mib::IcmpInErrors);
    return kfree_skb_reason(std::move(skb), DROP(ICMP_CSUM));
  }
  Verdict why = nullptr;
  if (!pskb_may_pull(skb, sizeof(icmphdr))) {
    trace.count(Mib::IcmpInErrors);
    return kfree_skb_reason(std::move(skb), DROP(PKT_TOO_SMALL));
  }
  icmphdr icmph;
  std::memcpy(&icmph, skb->data, sizeof icmph);
  skb_pull(skb, sizeof icmph);
  count_in(trace, icmph.type);
  if (icmph.type > NR_ICMP_TYPES)
    why = DROP(UNHANDLED_PROTO);
  else if (to_group && !allowed_to_group(ip.ns().sysctl, icmph.type))
    why = DROP(INVALID_PROTO);
  if (why) {
    trace.count(Mib::IcmpInErrors);
    return kfree_skb_reason(std::move(skb), why);
  }
  const Taken taken = handle(ip, skb, icmph);
  if (taken == Taken::too_small || taken == Taken::bad_quote) trace.count(Mib::IcmpInErrors);
  switch (taken) {
    case Taken::good: return consume_skb(std::move(skb));
    case Taken::too_small: return kfree_skb_reason(std::move(skb), DROP(PKT_TOO_SMALL));
    case Taken::bad_quote: return kfree_skb_reason(std::move(skb), DROP(IP_INHDR));
    case Taken::ignored: return kfree_skb_reason(std::move(skb), DROP(ICMP_IGNORED));
    case Taken::no_socket: return kfree_skb_reason(std::move(skb), DROP(NO_SOCKET));
  }
}

// Errors as Linux's table has them (RFC 1122 section 4.2.3.9 for which are fatal).
IcmpErr icmp_err_convert(uint8_t code) {
  static constexpr IcmpErr kTable[] = {
      {ENETUNREACH, false},  {EHOSTUNREACH, false}, {ENOPROTOOPT, true},  {ECONNREFUSED, true},
      {EMSGSIZE, false},     {EOPNOTSUPP, false},   {ENETUNREACH, true},  {EHOSTDOWN, true},
      {ENONET, true},        {ENETUNREACH, true},   {EHOSTUNREACH, true}, {ENETUNREACH, false},
      {EHOSTUNREACH, false}, {EHOSTUNREACH, true},  {EHOSTUNREACH, true}, {EHOSTUNREACH, true},
  };
  return code < std::size(kTable) ? kTable[code] : IcmpErr{EHOSTUNREACH, false};
}

}  // namespace glass
