#include "drill/icmp_names.h"

#include <algorithm>
#include <span>

#include "wire/icmp.h"

namespace glass::drill {

namespace {

struct Name {
  uint8_t number;
  std::string_view name;
};

// ICMPv6's (RFC 4443): nothing else of it is used here.
constexpr uint8_t kUnreach6 = 1, kTooBig6 = 2, kTimeExceeded6 = 3, kParameter6 = 4;

constexpr Name kTypes[] = {
    {ICMP_ECHOREPLY, "echo_reply"},
    {ICMP_DEST_UNREACH, "unreachable"},
    {ICMP_SOURCE_QUENCH, "source_quench"},
    {ICMP_REDIRECT, "redirect"},
    {ICMP_ECHO, "echo_request"},
    {ICMP_TIME_EXCEEDED, "time_exceeded"},
    {ICMP_PARAMETERPROB, "parameter_problem"},
    {ICMP_TIMESTAMP, "timestamp_request"},
    {ICMP_TIMESTAMPREPLY, "timestamp_reply"},
    {ICMP_INFO_REQUEST, "information_request"},
    {ICMP_INFO_REPLY, "information_reply"},
    {ICMP_ADDRESS, "address_mask_request"},
    {ICMP_ADDRESSREPLY, "address_mask_reply"},
};

constexpr Name kUnreachableCodes[] = {
    {ICMP_NET_UNREACH, "net_unreachable"},
    {ICMP_HOST_UNREACH, "host_unreachable"},
    {ICMP_PROT_UNREACH, "protocol_unreachable"},
    {ICMP_PORT_UNREACH, "port_unreachable"},
    {ICMP_FRAG_NEEDED, "frag_needed"},
    {ICMP_SR_FAILED, "source_route_failed"},
    {ICMP_NET_UNKNOWN, "net_unknown"},
    {ICMP_HOST_UNKNOWN, "host_unknown"},
    {ICMP_HOST_ISOLATED, "source_host_isolated"},
    {ICMP_NET_ANO, "net_prohibited"},
    {ICMP_HOST_ANO, "host_prohibited"},
    {ICMP_NET_UNR_TOS, "net_unreachable_for_tos"},
    {ICMP_HOST_UNR_TOS, "host_unreachable_for_tos"},
    {ICMP_PKT_FILTERED, "packet_filtered"},
    {ICMP_PREC_VIOLATION, "precedence_violation"},
    {ICMP_PREC_CUTOFF, "precedence_cutoff"},
};

constexpr Name kTypes6[] = {
    {kUnreach6, "unreachable"},         {kTooBig6, "packet_too_big"}, {kTimeExceeded6, "time_exceeded"},
    {kParameter6, "parameter_problem"}, {128, "echo_request"},        {129, "echo_reply"},
};

constexpr Name kUnreachableCodes6[] = {
    {0, "no_route"},      {0, "net_unreachable"},     {1, "admin_prohibited"},
    {2, "not_neighbour"}, {3, "address_unreachable"}, {4, "port_unreachable"},
};
constexpr Name kTimeExceededCodes6[] = {{0, "exceeded_hop_limit"}, {1, "exceeded_frag_time"}};
constexpr Name kParameterCodes6[] = {{0, "header_field"}, {1, "unknown_next_header"}, {2, "unknown_option"}};

std::span<const Name> types(bool ipv6) { return ipv6 ? std::span<const Name>(kTypes6) : kTypes; }

std::span<const Name> codes(uint8_t type, bool ipv6) {
  if (!ipv6) return type == ICMP_DEST_UNREACH ? std::span<const Name>(kUnreachableCodes) : std::span<const Name>();
  if (type == kUnreach6) return kUnreachableCodes6;
  if (type == kTimeExceeded6) return kTimeExceededCodes6;
  if (type == kParameter6) return kParameterCodes6;
  return {};
}

std::optional<uint8_t> number_of(std::span<const Name> names, std::string_view name) {
  const auto found = std::ranges::find(names, name, &Name::name);
  if (found == names.end()) return std::nullopt;
  return found->number;
}

std::string_view name_of(std::span<const Name> names, uint8_t number) {
  const auto found = std::ranges::find(names, number, &Name::number);
  return found == names.end() ? std::string_view() : found->name;
}

}  // namespace

std::optional<uint8_t> icmp_type_of(std::string_view name, bool ipv6) { return number_of(types(ipv6), name); }

std::optional<uint8_t> icmp_code_of(uint8_t type, std::string_view name, bool ipv6) {
  return number_of(codes(type, ipv6), name);
}

std::string_view icmp_type_name(uint8_t type, bool ipv6) { return name_of(types(ipv6), type); }

std::string_view icmp_code_name(uint8_t type, uint8_t code, bool ipv6) { return name_of(codes(type, ipv6), code); }

}  // namespace glass::drill
