#include "wire/icmp.h"

#include <fmt/format.h>

namespace glass {

std::optional<IcmpHeader> IcmpHeader::parse(ByteSpan message) {
  const icmphdr* icmph = header_at<icmphdr>(message);
  if (!icmph) return std::nullopt;
  return IcmpHeader{
      .type = icmph->type, .code = icmph->code, .checksum = ntohs(icmph->checksum), .rest = ntohl(icmph->un.gateway)};
}

bool IcmpHeader::emit(MutableByteSpan out) const {
  icmphdr* icmph = mutable_header_at<icmphdr>(out);
  if (!icmph) return false;
  icmph->type = type;
  icmph->code = code;
  icmph->checksum = htons(checksum);
  icmph->un.gateway = htonl(rest);
  return true;
}

namespace {

std::string format_unreachable(const IcmpHeader& h) {
  switch (h.code) {
    case ICMP_NET_UNREACH: return "network unreachable";
    case ICMP_HOST_UNREACH: return "host unreachable";
    case ICMP_PROT_UNREACH: return "protocol unreachable";
    case ICMP_PORT_UNREACH: return "port unreachable";
    case ICMP_FRAG_NEEDED: return fmt::format("fragmentation needed mtu {}", h.mtu());
    case ICMP_SR_FAILED: return "source route failed";
    case ICMP_NET_UNKNOWN: return "network unknown";
    case ICMP_HOST_UNKNOWN: return "host unknown";
    case ICMP_HOST_ISOLATED: return "source host isolated";
    case ICMP_NET_ANO: return "network prohibited";
    case ICMP_HOST_ANO: return "host prohibited";
    case ICMP_NET_UNR_TOS: return "network unreachable for tos";
    case ICMP_HOST_UNR_TOS: return "host unreachable for tos";
    case ICMP_PKT_FILTERED: return "packet filtered";
    case ICMP_PREC_VIOLATION: return "precedence violation";
    case ICMP_PREC_CUTOFF: return "precedence cutoff";
    default: return fmt::format("unreachable code {}", h.code);
  }
}

std::string format_query(const char* name, const IcmpHeader& h) {
  return fmt::format("{} id {} seq {}", name, h.id(), h.sequence());
}

std::string format_message(const IcmpHeader& h) {
  switch (h.type) {
    case ICMP_ECHOREPLY: return format_query("echo reply", h);
    case ICMP_DEST_UNREACH: return format_unreachable(h);
    case ICMP_SOURCE_QUENCH: return "source quench";
    case ICMP_REDIRECT: return fmt::format("redirect code {} to {}", h.code, to_string(IpAddress::v4(h.rest)));
    case ICMP_ECHO: return format_query("echo request", h);
    case ICMP_TIME_EXCEEDED:
      if (h.code == ICMP_EXC_TTL) return "time exceeded in transit";
      if (h.code == ICMP_EXC_FRAGTIME) return "reassembly time exceeded";
      return fmt::format("time exceeded code {}", h.code);
    case ICMP_PARAMETERPROB: return fmt::format("parameter problem code {} at byte {}", h.code, h.rest >> 24);
    case ICMP_TIMESTAMP: return format_query("timestamp request", h);
    case ICMP_TIMESTAMPREPLY: return format_query("timestamp reply", h);
    case ICMP_INFO_REQUEST: return format_query("information request", h);
    case ICMP_INFO_REPLY: return format_query("information reply", h);
    case ICMP_ADDRESS: return format_query("address mask request", h);
    case ICMP_ADDRESSREPLY: return format_query("address mask reply", h);
    default: return fmt::format("type {} code {}", h.type, h.code);
  }
}

}  // namespace

std::string format_icmp(const IcmpHeader& h) { return "ICMP " + format_message(h); }

}  // namespace glass
