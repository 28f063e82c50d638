#include "view/counters.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "view/json_fields.h"

namespace glass {

CounterSnapshot snapshot(const Trace& trace) {
  CounterSnapshot out;
  for (const CounterRow& r : counters()) out.push_back({std::string(r.name), trace.value(r.id)});
  return out;
}

CounterSnapshot difference(const CounterSnapshot& before, const CounterSnapshot& after) {
  CounterSnapshot out;
  for (const CounterValue& now : after) {
    const auto was = std::ranges::find(before, now.name, &CounterValue::name);
    const uint64_t base = was == before.end() ? 0 : was->value;
    if (now.value > base) out.push_back({now.name, now.value - base});
  }
  return out;
}

std::string format_nstat(const CounterSnapshot& counters, bool all) {
  std::string out = "#glass\n";
  for (const CounterValue& c : counters)
    if (all || c.value) out += fmt::format("{:<32}{:<16}{:>6}\n", c.name, c.value, "0.0");
  return out;
}

std::string format_counter_columns(const std::vector<std::pair<std::string, CounterSnapshot>>& hosts,
                                   const Style& style) {
  std::vector<Table::Column> columns{{"COUNTER"}};
  for (const auto& host : hosts) columns.push_back({host.first, Table::Align::right});
  Table table(columns);
  for (const CounterRow& row : counters()) {
    std::vector<std::string> cells{std::string(row.name)};
    bool moved = false;
    for (const auto& host : hosts) {
      const auto at = std::ranges::find(host.second, row.name, &CounterValue::name);
      const uint64_t value = at == host.second.end() ? 0 : at->value;
      moved |= value != 0;
      cells.push_back(value ? std::to_string(value) : "-");
    }
    if (moved) table.add(std::move(cells));
  }
  return table.text(style);
}

Json to_json(const CounterSnapshot& counters) {
  Json j = Json::object();
  for (const CounterValue& c : counters) j[c.name] = c.value;
  return j;
}

CounterSnapshot counters_from_json(const Json& j) {
  CounterSnapshot out;
  if (!j.is_object()) return out;
  for (const auto& [key, value] : j.items())
    if (value.is_number_integer()) out.push_back({key, number_field(j, key.c_str())});
  return out;
}

// --- softnet

std::string format_softnet(const SoftnetRow& s, const Style& style) {
  Table table({{"PROCESSED", Table::Align::right},
               {"DROPPED", Table::Align::right},
               {"TIME_SQUEEZE", Table::Align::right},
               {"BACKLOG", Table::Align::right}});
  table.add({std::to_string(s.processed), std::to_string(s.dropped), std::to_string(s.time_squeeze),
             std::to_string(s.backlog)});
  Table devices({{"DEVICE"},
                 {"MTU", Table::Align::right},
                 {"RX-PACKETS", Table::Align::right},
                 {"RX-BYTES", Table::Align::right},
                 {"RX-DROPPED", Table::Align::right},
                 {"TX-PACKETS", Table::Align::right},
                 {"TX-BYTES", Table::Align::right},
                 {"TX-DROPPED", Table::Align::right},
                 {"QDISC"},
                 {"INGRESS"}});
  for (const DeviceRow& d : s.devices)
    devices.add({d.name, std::to_string(d.mtu), std::to_string(d.stats.rx_packets), std::to_string(d.stats.rx_bytes),
                 std::to_string(d.stats.rx_dropped), std::to_string(d.stats.tx_packets),
                 std::to_string(d.stats.tx_bytes), std::to_string(d.stats.tx_dropped), d.qdisc, d.ingress});
  return table.text(style) + "\n" + devices.text(style);
}

Json to_json(const SoftnetRow& s) {
  Json devices = Json::array();
  for (const DeviceRow& d : s.devices)
    devices.push_back({{"name", d.name},
                       {"mtu", d.mtu},
                       {"rx_packets", d.stats.rx_packets},
                       {"rx_bytes", d.stats.rx_bytes},
                       {"rx_dropped", d.stats.rx_dropped},
                       {"tx_packets", d.stats.tx_packets},
                       {"tx_bytes", d.stats.tx_bytes},
                       {"tx_dropped", d.stats.tx_dropped},
                       {"qdisc", d.qdisc},
                       {"ingress", d.ingress}});
  return {{"processed", s.processed},
          {"dropped", s.dropped},
          {"time_squeeze", s.time_squeeze},
          {"backlog", s.backlog},
          {"devices", devices}};
}

SoftnetRow softnet_from_json(const Json& j) {
  SoftnetRow s{number_field(j, "processed"),
               number_field(j, "dropped"),
               number_field(j, "time_squeeze"),
               number_field(j, "backlog"),
               {}};
  for (const Json& d : array_field(j, "devices"))
    s.devices.push_back({text_field(d, "name"),
                         static_cast<uint32_t>(number_field(d, "mtu")),
                         {number_field(d, "rx_packets"), number_field(d, "rx_bytes"), number_field(d, "rx_dropped"),
                          number_field(d, "tx_packets"), number_field(d, "tx_bytes"), number_field(d, "tx_dropped")},
                         text_field(d, "qdisc"),
                         text_field(d, "ingress")});
  return s;
}

}  // namespace glass
