#include "drill/settings.h"

#include <fmt/format.h>

#include <bit>
#include <charconv>

namespace glass::drill {

namespace {

template <class T>
std::optional<T> number(std::string_view text) {
  T value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

template <class T>
bool set_number(T& field, std::string_view text) {
  auto value = number<T>(text);
  if (value) field = *value;
  return value.has_value();
}

bool set_address(IpAddress& field, std::string_view text) {
  auto address = parse_ip(text);
  if (address) field = *address;
  return address.has_value();
}

bool set_netmask(uint8_t& prefix_len, std::string_view text) {
  const auto mask = parse_ip(text);
  if (!mask || !mask->is_v4()) return false;
  prefix_len = static_cast<uint8_t>(std::countl_one(mask->v4_host()));
  return true;
}

// Known, and of no consequence to what is run here.
bool of_no_consequence(std::string_view name) {
  return name == "verbose" || name == "debug" || name == "speed" || name == "code_command" || name == "code_format" ||
         name == "code_sockopt" || name == "define";
}

// False: the value cannot be read. Nothing: nobody knows the option.
std::optional<bool> apply(const std::string& name, const std::string& value, Settings& s) {
  Addresses& a = s.addresses;
  if (name == "local_ip") return set_address(a.local, value);
  if (name == "remote_ip") return set_address(a.remote, value);
  if (name == "gateway_ip") return set_address(a.gateway, value);
  if (name == "netmask_ip") return set_netmask(a.prefix_len, value);
  if (name == "bind_port") return set_number(a.bind_port, value);
  if (name == "connect_port") return set_number(a.connect_port, value);
  if (name == "mtu") return set_number(a.mtu, value);
  if (name == "tolerance_usecs") return set_number(s.tolerance_us, value);
  if (name == "tolerance_percent") return set_number(s.tolerance_percent, value);
  if (name == "tcp_ts_tick_usecs") return set_number(s.ts_tick_us, value);
  if (name == "mss") return set_number(s.mss, value);
  if (name == "tcp_ts_ecr_scaled") return s.ts_ecr_scaled = true;
  if (name == "strict_segments") return s.strict_segments = true;
  if (name == "ip_version") return value == "ipv4";
  if (of_no_consequence(name)) return true;
  return std::nullopt;
}

std::optional<std::string> apply_all(const std::vector<std::pair<std::string, std::string>>& options, Settings& s) {
  for (const auto& [name, value] : options) {
    const auto applied = apply(name, value, s);
    if (!applied) return fmt::format("no option is called --{}", name);
    if (!*applied) return fmt::format("--{} cannot be '{}'", name, value);
  }
  return std::nullopt;
}

}  // namespace

std::expected<Settings, std::string> settings_of(const Script& script, const RunOptions& options) {
  Settings s;
  if (auto error = apply_all(script.options, s)) return std::unexpected(*error);
  if (auto error = apply_all(options.overrides, s)) return std::unexpected(*error);
  s.strict_segments |= options.strict_segments;
  s.lax = options.lax;
  if (options.tolerance_us) s.tolerance_us = *options.tolerance_us;
  if (options.tolerance_percent) s.tolerance_percent = *options.tolerance_percent;
  return s;
}

Addresses addresses_of(const Script& script, const RunOptions& options) {
  const auto settings = settings_of(script, options);
  return settings ? settings->addresses : Addresses{};  // run_script() says what is wrong with them
}

}  // namespace glass::drill
