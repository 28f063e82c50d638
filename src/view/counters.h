// Counters as nstat prints them, and what moved between two looks; the receive side as /proc/net/softnet_stat counts
// it.
//
//   CounterSnapshot before = snapshot(stack.trace());   ...   format_nstat(difference(before,
//   snapshot(stack.trace())));
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "dev/netdevice.h"
#include "view/json.h"
#include "view/text.h"

namespace glass {

struct CounterValue {
  std::string name;
  uint64_t value = 0;
  bool operator==(const CounterValue&) const = default;
};
using CounterSnapshot = std::vector<CounterValue>;  // in the order of counters()

CounterSnapshot snapshot(const Trace&);
// Counters that moved, by how much. Gauges that fell (TcpCurrEstab) are left out.
CounterSnapshot difference(const CounterSnapshot& before, const CounterSnapshot& after);

// "#glass", then name, value and a rate column of 0.0 a line, as `nstat -az`; without `all` only what is not zero.
std::string format_nstat(const CounterSnapshot&, bool all);
// Name and the values of several hosts beside each other; only names that are not zero everywhere.
std::string format_counter_columns(const std::vector<std::pair<std::string, CounterSnapshot>>&, const Style& = {});

Json to_json(const CounterSnapshot&);  // {"IpInReceives": 9444, ...}
CounterSnapshot counters_from_json(const Json&);

struct DeviceRow {
  std::string name;
  uint32_t mtu = 0;
  net_device_stats stats;
  std::string qdisc, ingress;
};
struct SoftnetRow {
  uint64_t processed = 0, dropped = 0, time_squeeze = 0, backlog = 0;
  std::vector<DeviceRow> devices;
};
std::string format_softnet(const SoftnetRow&, const Style& = {});
Json to_json(const SoftnetRow&);
SoftnetRow softnet_from_json(const Json&);

}  // namespace glass
