// The options that join the stack to the local kernel. They are the same for every subcommand with a network, and may
// stand before or after its name.
//
//   add_link_options(*cmd, session.link);                       // --tap, --tun, --addr, --host-addr, ... --control
//   auto plan = check_link_options(session.link);               // text -> addresses; one line if something is wrong
#pragma once
#include <cstdint>
#include <expected>
#include <optional>
#include <string>

#include "base/ip_address.h"
#include "dev/qdisc.h"

namespace CLI {
class App;
}

namespace glass {

struct LinkOptions {
  std::string tap, tun, addr, host_addr, gateway, netem, pcap, control;
  std::optional<uint64_t> seed;
};

void add_link_options(CLI::App&, LinkOptions&);
void add_simulation_options(CLI::App&, LinkOptions&);  // only --netem and --seed
void add_control_option(CLI::App&, LinkOptions&);      // only --control

// The options, understood.
struct LinkPlan {
  bool is_tap = true;
  std::string device;
  IpPrefix address;
  std::optional<IpPrefix> host_address;
  std::optional<IpAddress> gateway;
  std::optional<NetemConfig> netem;
};
std::expected<LinkPlan, std::string> check_link_options(const LinkOptions&);
// netem's words, with or without "netem" before them. nullopt: none were given.
std::expected<std::optional<NetemConfig>, std::string> check_netem(const std::string& words);

}  // namespace glass
