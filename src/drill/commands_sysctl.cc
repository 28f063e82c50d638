// Settings: sysctl, the files under /proc/sys and /sys/module, and the two scripts that the suites share.
#include <fmt/format.h>

#include <algorithm>

#include "drill/commands.h"
#include "tcp/tcp_cong.h"

namespace glass::drill {

namespace {

constexpr std::string_view kPortRange = "net.ipv4.ip_local_port_range";
constexpr std::string_view kCongestion = "net.ipv4.tcp_congestion_control";

// "/proc/sys/net/ipv4/tcp_sack", "net/ipv4/tcp_sack" and "net.ipv4.tcp_sack" are one name;
// "/sys/module/tcp_cubic/parameters/beta" is "module.tcp_cubic.beta".
std::string setting_name(std::string path) {
  if (path.starts_with("/proc/sys/")) path.erase(0, 10);
  if (path.starts_with("/sys/")) path.erase(0, 5);
  std::ranges::replace(path, '/', '.');
  constexpr std::string_view kParameters = ".parameters.";
  if (const size_t at = path.find(kParameters); path.starts_with("module.") && at != path.npos)
    path.erase(at, kParameters.size() - 1);  // its last dot stays
  return path;
}

// What a machine in production has set, as far as it differs from the kernel's own defaults or might.
constexpr std::pair<std::string_view, std::string_view> kDefaults[] = {
    {"net.ipv4.tcp_rmem", "4096 540000 15728640"},
    {"net.ipv4.tcp_wmem", "4096 262144 4194304"},
    {"net.ipv4.tcp_timestamps", "1"},
    {"net.ipv4.tcp_syn_retries", "5"},
    {"net.ipv4.tcp_synack_retries", "5"},
    {"net.ipv4.tcp_frto", "2"},
    {"net.ipv4.tcp_sack", "1"},
    {"net.ipv4.tcp_dsack", "1"},
    {"net.ipv4.tcp_fack", "0"},
    {"net.ipv4.tcp_reordering", "3"},
    {"net.ipv4.tcp_congestion_control", "cubic"},
    {"net.ipv4.tcp_slow_start_after_idle", "0"},
    {"net.ipv4.tcp_early_retrans", "4"},
    {"net.ipv4.tcp_recovery", "1"},
    {"net.ipv4.tcp_tso_win_divisor", "3"},
    {"net.ipv4.tcp_ecn", "0"},
    {"net.ipv4.tcp_ecn_option", "2"},
    {"net.ipv4.tcp_pacing_ss_ratio", "200"},
    {"net.ipv4.tcp_pacing_ca_ratio", "120"},
    {"net.ipv4.tcp_notsent_lowat", "4294967295"},
    {"net.ipv4.tcp_fastopen", "0x70403"},
    {"net.ipv4.tcp_fastopen_key", "a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4"},
    {"net.ipv4.tcp_syncookies", "1"},
};

}  // namespace

std::string Commands::set_setting(std::string name, const std::string& value) {
  name = setting_name(std::move(name));
  Sysctl& settings = host_.stack.ns().sysctl;
  if (name == kPortRange) {
    const size_t gap = value.find_first_of(" \t");
    if (gap == value.npos || !set_sysctl(settings, "net.ipv4.ip_local_port_range_low", value.substr(0, gap)) ||
        !set_sysctl(settings, "net.ipv4.ip_local_port_range_high", value.substr(gap)))
      return fmt::format("setting key \"{}\": Invalid argument", name);
    return {};
  }
  if (name == kCongestion && !tcp_ca_find(value.substr(0, value.find_last_not_of(" \n") + 1)))
    return fmt::format("setting key \"{}\": {} is not known", name, value);
  const Result<void> r = set_sysctl(settings, name, value);
  if (r) return {};
  return r.error() == ENOENT ? fmt::format("the setting {} is not known here", name)
                             : fmt::format("setting key \"{}\": '{}' is not a value for it", name, value);
}

std::optional<std::string> Commands::get_setting(std::string name) const {
  name = setting_name(std::move(name));
  const Sysctl& settings = host_.stack.ns().sysctl;
  if (name == kPortRange)
    return fmt::format("{}\t{}", settings.ip_local_port_range_low, settings.ip_local_port_range_high);
  Result<std::string> value = get_sysctl(settings, name);
  return value ? std::optional(*value) : std::nullopt;
}

int Commands::sysctl(ProgramRun& r) {
  bool quiet = false, lenient = false, values_only = false;
  int status = 0;
  for (const std::string& a : r.arguments) {
    if (a.starts_with('-')) {
      for (const char flag : a.substr(1)) {
        if (flag == 'q')
          quiet = true;
        else if (flag == 'e')
          lenient = true;
        else if (flag == 'n')
          values_only = true;
        else if (flag != 'w')
          return r.fail(fmt::format("the option -{} is not understood", flag), 127);
      }
      continue;
    }
    const size_t eq = a.find('=');
    if (eq == a.npos) {
      const std::optional<std::string> value = get_setting(a);
      if (!value && !lenient) status = r.fail(fmt::format("the setting {} is not known here", setting_name(a)), 255);
      if (value) r.output += values_only ? *value + '\n' : fmt::format("{} = {}\n", setting_name(a), *value);
      continue;
    }
    const std::string wrong = set_setting(a.substr(0, eq), a.substr(eq + 1));
    if (!wrong.empty() && !lenient) status = r.fail(wrong, 255);
    if (wrong.empty() && !quiet) r.output += fmt::format("{} = {}\n", setting_name(a.substr(0, eq)), a.substr(eq + 1));
  }
  return status;
}

// PATH=VALUE ...; what was there before is kept for /tmp/sysctl_restore_PID.sh.
int Commands::set_sysctls(ProgramRun& r) {
  saved_.clear();
  int status = 0;
  for (const std::string& a : r.arguments) {
    const size_t eq = a.find('=');
    if (eq == a.npos) return r.fail("'" + a + "' is not PATH=VALUE", 127);
    const std::string path = a.substr(0, eq);
    if (const std::optional<std::string> before = get_setting(path)) saved_.emplace_back(path, *before);
    const std::string wrong = set_setting(path, a.substr(eq + 1));
    if (!wrong.empty()) status = r.fail(wrong);
  }
  return status;
}

int Commands::restore_sysctls(ProgramRun&) {
  for (const auto& [path, value] : saved_) (void)set_setting(path, value);
  return 0;
}

// The settings of production machines that both suites begin with, and a queueing discipline that does not pace.
int Commands::defaults(ProgramRun& r) {
  for (const auto& [name, value] : kDefaults) {
    const std::string wrong = set_setting(std::string(name), std::string(value));
    if (!wrong.empty()) return r.fail(wrong);
  }
  ProgramRun flush{{"tcp_metrics", "flush", "all"}, {}, {}, {}};
  ProgramRun queue{{"qdisc", "add", "dev", host_.device.name, "root", "pfifo"}, {}, {}, {}};
  if (ip(flush) || tc(queue)) return r.fail(flush.complaint + queue.complaint);
  return 0;
}

}  // namespace glass::drill
