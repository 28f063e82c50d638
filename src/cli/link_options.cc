#include "cli/link_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

namespace glass {

namespace {

using Error = std::unexpected<std::string>;
constexpr const char* kGroup = "Link";

std::expected<IpPrefix, std::string> check_prefix(const char* option, const std::string& text) {
  const auto prefix = parse_prefix(text);
  if (!prefix || text.find('/') == std::string::npos || !prefix->address.is_v4())
    return Error(
        fmt::format("{} '{}' is not an IPv4 address with a prefix length: write it as 10.0.0.2/24", option, text));
  if (prefix->address.is_unspecified() || prefix->address.is_multicast() || prefix->address.is_loopback())
    return Error(fmt::format("{} '{}' cannot be a host's address: choose one such as 10.0.0.2/24", option, text));
  return *prefix;
}

std::expected<void, std::string> check_device(const LinkOptions& o, LinkPlan& plan) {
  if (!o.tap.empty() && !o.tun.empty()) return Error("--tap and --tun exclude each other: leave one out");
  if (o.tap.empty() && o.tun.empty())
    return Error(
        "a network is needed: give a device, for example --tap tap0 --addr 10.0.0.2/24 --host-addr 10.0.0.1/24");
  plan.is_tap = o.tun.empty();
  plan.device = plan.is_tap ? o.tap : o.tun;
  if (o.addr.empty()) return Error("the stack needs an address: give --addr, for example --addr 10.0.0.2/24");
  return {};
}

std::expected<void, std::string> check_addresses(const LinkOptions& o, LinkPlan& plan) {
  const auto address = check_prefix("--addr", o.addr);
  if (!address) return Error(address.error());
  plan.address = *address;
  if (!o.host_addr.empty()) {
    const auto host = check_prefix("--host-addr", o.host_addr);
    if (!host) return Error(host.error());
    if (host->address == address->address)
      return Error(fmt::format("--addr and --host-addr are both {}: the stack and the kernel need one each",
                               to_string(host->address)));
    plan.host_address = *host;
  }
  if (o.gateway.empty()) return {};
  plan.gateway = parse_ip(o.gateway);
  if (!plan.gateway || !plan.gateway->is_v4())
    return Error(fmt::format("--gateway '{}' is not an IPv4 address", o.gateway));
  if (!plan.address.contains(*plan.gateway))
    return Error(fmt::format("--gateway {} is not on the link {}: choose an address within it", o.gateway, o.addr));
  return {};
}

}  // namespace

void add_simulation_options(CLI::App& app, LinkOptions& o) {
  app.add_option("--netem", o.netem, "impairments of the link in tc's words, both ways: 'delay 20ms 5ms loss 2%'")
      ->type_name("WORDS")
      ->group(kGroup);
  app.add_option("--seed", o.seed, "what everything random is made from")->type_name("N")->group(kGroup);
}

void add_control_option(CLI::App& app, LinkOptions& o) {
  app.add_option("--control", o.control, "the unix socket on which a running glass answers")
      ->type_name("PATH")
      ->group(kGroup);
}

void add_link_options(CLI::App& app, LinkOptions& o) {
  app.add_option("--tap", o.tap, "TAP device (Ethernet) to use, made if missing")->type_name("NAME")->group(kGroup);
  app.add_option("--tun", o.tun, "TUN device (IP packets) to use, made if missing")->type_name("NAME")->group(kGroup);
  app.add_option("--addr", o.addr, "the stack's own address")->type_name("A/LEN")->group(kGroup);
  app.add_option("--host-addr", o.host_addr, "address for the kernel's side of the device")
      ->type_name("A/LEN")
      ->group(kGroup);
  app.add_option("--gateway", o.gateway, "router to everything that is not on the link")->type_name("A")->group(kGroup);
  add_simulation_options(app, o);
  app.add_option("--pcap", o.pcap, "write every frame to this pcapng file")->type_name("FILE")->group(kGroup);
  add_control_option(app, o);
}

std::expected<std::optional<NetemConfig>, std::string> check_netem(const std::string& words) {
  std::string_view text = words;
  if (constexpr std::string_view kName = "netem"; text.starts_with(kName)) text.remove_prefix(kName.size());
  if (text.find_first_not_of(" \t") == std::string_view::npos) return std::nullopt;
  const auto config = parse_netem(text);
  if (!config) return Error("--netem: " + config.error());
  return *config;
}

std::expected<LinkPlan, std::string> check_link_options(const LinkOptions& o) {
  LinkPlan plan;
  for (auto step : {check_device, check_addresses})
    if (auto done = step(o, plan); !done) return Error(done.error());
  const auto netem = check_netem(o.netem);
  if (!netem) return Error(netem.error());
  plan.netem = *netem;
  return plan;
}

}  // namespace glass
