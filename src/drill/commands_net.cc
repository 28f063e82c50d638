// Devices, routes, queueing disciplines, counters: ip, tc, ethtool, nstat.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <regex>

#include "drill/commands.h"
#include "tcp/tcp_metrics.h"

namespace glass::drill {

namespace {

std::optional<uint32_t> number(const std::string& text) {
  uint32_t v = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(v) : std::nullopt;
}

std::string joined(const std::vector<std::string>& words, size_t from = 0) {
  std::string out;
  for (size_t i = from; i < words.size(); ++i) out += (i > from ? " " : "") + words[i];
  return out;
}

}  // namespace

// tc qdisc add|replace|change|delete dev DEV root KIND [OPTION ...]
int Commands::tc(ProgramRun& r) {
  const std::vector<std::string>& a = r.arguments;
  const auto not_understood = [&] { return r.fail("'" + joined(a) + "' is not understood", 127); };
  if (a.size() < 5 || a[0] != "qdisc" || a[2] != "dev" || a[4] != "root") return not_understood();
  net_device* dev = host_.stack.device(a[3]);
  if (!dev) return r.fail("Cannot find device \"" + a[3] + "\"");
  if (a[1] == "del" || a[1] == "delete") {
    dev->qdisc = nullptr;
    return 0;
  }
  if ((a[1] != "add" && a[1] != "replace" && a[1] != "change") || a.size() < 6) return not_understood();
  auto made = make_qdisc(host_.stack.ns(), joined(a, 5), 1);
  if (!made) return r.fail(made.error(), 127);
  dev->qdisc = std::move(*made);
  return 0;
}

// ethtool -K DEV FEATURE on|off ...
int Commands::ethtool(ProgramRun& r) {
  const std::vector<std::string>& a = r.arguments;
  if (a.size() < 4 || a.size() % 2 || a[0] != "-K") return r.fail("'" + joined(a) + "' is not understood", 127);
  net_device* dev = host_.stack.device(a[1]);
  if (!dev) return r.fail("Cannot get device information: No such device");
  for (size_t i = 2; i < a.size(); i += 2) {
    const bool on = a[i + 1] == "on";
    if (!on && a[i + 1] != "off") return r.fail("'" + a[i + 1] + "' is neither on nor off", 127);
    // TCP makes large packets whatever the device says, and without TSO they are cut before they reach it.
    if (a[i] == "gso" || a[i] == "generic-segmentation-offload") continue;
    if (a[i] == "tso" || a[i] == "tcp-segmentation-offload") {
      dev->features = on ? dev->features | NETIF_F_TSO : dev->features & ~uint32_t{NETIF_F_TSO};
    } else if (a[i] != "gro" && a[i] != "sg" && a[i] != "generic-receive-offload") {
      return r.fail("the feature " + a[i] + " is not known here", 127);
    }
  }
  return 0;
}

int Commands::ip(ProgramRun& r) {
  std::vector<std::string>& a = r.arguments;
  if (!a.empty() && a[0] == "-4") a.erase(a.begin());
  if (a.size() >= 2 && (a[0] == "route" || a[0] == "ro" || a[0] == "r")) return ip_route(r);
  if (a.size() >= 2 && (a[0] == "link" || a[0] == "li" || a[0] == "l")) return ip_link(r);
  if (joined(a) == "tcp_metrics flush all" || joined(a) == "tcp_metrics flush") {
    host_.stack.tcp().metrics().flush();
    return 0;
  }
  return r.fail("'" + joined(a) + "' is not understood", 127);
}

namespace {

// The metrics behind "... dev DEV": advmss N, mtu [lock] N, initcwnd N. False: something else.
bool parse_metrics(const std::vector<std::string>& a, size_t i, RouteMetrics& m) {
  for (; i + 1 < a.size(); i += 2) {
    const bool lock = a[i] == "mtu" && a[i + 1] == "lock" && i + 2 < a.size();
    const std::optional<uint32_t> n = number(a[i + (lock ? 2 : 1)]);
    if (!n) return false;
    if (a[i] == "mtu") {
      m.mtu = *n;
      m.mtu_locked = lock;
    } else if (a[i] == "advmss") {
      m.advmss = *n;
    } else if (a[i] == "initcwnd") {
      m.initcwnd = *n;
    } else {
      return false;
    }
    i += lock ? 1 : 0;
  }
  return i == a.size();
}

}  // namespace

// ip route add|change|replace PREFIX via GATEWAY dev DEV [METRIC N ...]
int Commands::ip_route(ProgramRun& r) {
  const std::vector<std::string>& a = r.arguments;
  RouteMetrics metrics;
  const std::optional<IpPrefix> prefix = a.size() > 2 ? parse_prefix(a[2]) : std::nullopt;
  const bool form = prefix && a.size() >= 7 && a[3] == "via" && a[5] == "dev" && parse_metrics(a, 7, metrics);
  const bool add = form && a[1] == "add", change = form && a[1] == "change", replace = form && a[1] == "replace";
  const std::optional<IpAddress> gateway = form ? parse_ip(a[4]) : std::nullopt;
  if (!gateway || !(add || change || replace)) return r.fail("'" + joined(a) + "' is not understood", 127);
  net_device* dev = host_.stack.device(a[6]);
  if (!dev) return r.fail("Cannot find device \"" + a[6] + "\"", 2);
  const auto& routes = host_.stack.ip().routes();
  const auto there = std::ranges::find_if(
      routes, [&](const RouteEntry& e) { return e.prefix == *prefix && e.dev == dev && e.gateway == *gateway; });
  if (there == routes.end()) {
    if (change) return r.fail("RTNETLINK answers: No such file or directory", 2);
    host_.stack.ip().add_route({*prefix, *gateway, dev, {}, 0, metrics});
    return 0;
  }
  if (add) return r.fail("RTNETLINK answers: File exists", 2);
  host_.stack.ip().change_route(*prefix, *dev, metrics);
  return 0;
}

// ip link set dev DEV [mtu N] [up|down]
int Commands::ip_link(ProgramRun& r) {
  const std::vector<std::string>& a = r.arguments;
  const auto not_understood = [&] { return r.fail("'" + joined(a) + "' is not understood", 127); };
  if (a.size() < 4 || a[1] != "set") return not_understood();
  size_t i = a[2] == "dev" ? 3 : 2;
  net_device* dev = host_.stack.device(a[i]);
  if (!dev) return r.fail("Cannot find device \"" + a[i] + "\"");
  for (++i; i < a.size(); ++i) {
    if (a[i] == "up" || a[i] == "down") {
      dev->up = a[i] == "up";
    } else if (a[i] == "mtu" && i + 1 < a.size()) {
      const std::optional<uint32_t> mtu = number(a[++i]);
      if (!mtu || *mtu < 68 || *mtu > 65535) return r.fail("'" + a[i] + "' is no MTU");
      dev->mtu = *mtu;
    } else {
      return not_understood();
    }
  }
  return 0;
}

// What moved since the last look, or with -a everything since the beginning; -n only looks, -z shows zeros, too.
int Commands::nstat(ProgramRun& r) {
  bool all = false, zeros = false, silent = false, keep = false;
  std::vector<std::regex> names;
  for (const std::string& a : r.arguments) {
    if (!a.starts_with('-')) {
      names.emplace_back(std::regex_replace(a, std::regex("\\*"), ".*"));
      continue;
    }
    for (const char flag : a.substr(1)) {
      bool* const known = flag == 'a'   ? &all
                          : flag == 'z' ? &zeros
                          : flag == 'n' ? &silent
                          : flag == 's' ? &keep
                                        : nullptr;
      if (!known) return r.fail(fmt::format("the option -{} is not understood", flag), 127);
      *known = true;
    }
  }
  const CounterSnapshot now = snapshot(host_.stack.trace());
  for (size_t i = 0; i < now.size() && !silent; ++i) {
    const uint64_t value = all ? now[i].value : now[i].value - counted_[i].value;
    const bool asked = names.empty() || std::ranges::any_of(names, [&](const std::regex& n) {
                         return std::regex_match(now[i].name, n);
                       });
    if (asked && (value || zeros)) r.output += fmt::format("{:<31} {:<18} 0.0\n", now[i].name, value);
  }
  if (!r.output.empty()) r.output.insert(0, "#kernel\n");
  if (!keep) counted_ = now;
  return 0;
}

}  // namespace glass::drill
