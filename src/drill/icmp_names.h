// ICMP's types and codes as scripts name them.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

namespace glass::drill {

std::optional<uint8_t> icmp_type_of(std::string_view name, bool ipv6);
std::optional<uint8_t> icmp_code_of(uint8_t type, std::string_view name, bool ipv6);
std::string_view icmp_type_name(uint8_t type, bool ipv6);  // empty: it has none
std::string_view icmp_code_name(uint8_t type, uint8_t code, bool ipv6);

}  // namespace glass::drill
