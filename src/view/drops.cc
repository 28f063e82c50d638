#include "view/drops.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

#include "view/json_fields.h"

namespace glass {

namespace {

auto place_key(const DropRow& r) { return std::tie(r.file, r.line, r.function, r.reason); }

void most_frequent_first(std::vector<DropRow>& rows) {
  std::ranges::stable_sort(rows, [](const DropRow& a, const DropRow& b) { return a.count > b.count; });
}

}  // namespace

DropRow drop_row(const DropPlace& p, uint64_t count) {
  return {std::string(name(p.reason)), p.function, std::string(source_path(p.file)), p.line, count};
}

std::vector<DropRow> merge_drops(std::vector<DropRow> rows) {
  std::ranges::stable_sort(rows, [](const DropRow& a, const DropRow& b) { return place_key(a) < place_key(b); });
  std::vector<DropRow> out;
  for (DropRow& row : rows) {
    if (!out.empty() && place_key(out.back()) == place_key(row)) {
      out.back().count += row.count;
    } else {
      out.push_back(std::move(row));
    }
  }
  return out;
}

std::vector<DropRow> drop_catalogue() {
  std::vector<DropRow> rows;
  for (const DropPlace& p : drop_places()) rows.push_back(drop_row(p));
  return merge_drops(std::move(rows));
}

std::vector<DropRow> drop_rows(const Trace& trace) {
  std::vector<DropRow> rows;
  for (const DropPlace& p : drop_places())
    if (const uint64_t count = trace.drops_at(index_of(&p))) rows.push_back(drop_row(p, count));
  rows = merge_drops(std::move(rows));
  most_frequent_first(rows);
  return rows;
}

std::vector<DropStackRow> drop_stack_rows(const Trace& trace) {
  std::vector<DropStackRow> rows;
  for (const Trace::StackCount& s : trace.drops_by_stack()) {
    DropStackRow row{drop_row(*s.place, s.count), {}};
    for (const FunctionInfo* f : s.stack) row.stack.push_back(format_place(f->name, f->file, f->line));
    rows.push_back(std::move(row));
  }
  return rows;
}

// --- text

std::string format_drop_place(const DropRow& r) {
  return fmt::format("{} at {}", r.reason, format_place(r.function, r.file, r.line));
}

std::string format_drop_catalogue(const std::vector<DropRow>& rows, const Style& style) {
  Table table({{"REASON"}, {"PLACE"}});
  for (const DropRow& r : rows) table.add({r.reason, format_place(r.function, r.file, r.line)});
  return table.text(style);
}

std::string format_drops_by_reason(const std::vector<DropRow>& rows, const Style& style) {
  std::map<std::string, uint64_t> by_reason;
  for (const DropRow& r : rows) by_reason[r.reason] += r.count;
  std::vector<DropRow> sums;
  for (const auto& [reason, count] : by_reason) sums.push_back({reason, "", "", 0, count});
  most_frequent_first(sums);
  Table table({{"COUNT", Table::Align::right}, {"REASON"}, {"MEANING"}});
  for (const DropRow& r : sums) {
    const auto known = find_drop_reason(r.reason);
    table.add({std::to_string(r.count), r.reason, known ? std::string(row(*known).meaning) : ""});
  }
  return table.empty() ? "no packet was dropped\n" : table.text(style);
}

std::string format_drops_by_place(const std::vector<DropRow>& rows, const Style& style) {
  Table table({{"COUNT", Table::Align::right}, {"REASON"}, {"PLACE"}});
  for (const DropRow& r : rows)
    table.add({std::to_string(r.count), r.reason, format_place(r.function, r.file, r.line)});
  return table.empty() ? "no packet was dropped\n" : table.text(style);
}

std::string format_drops_by_stack(const std::vector<DropStackRow>& rows, const Style& style) {
  if (rows.empty()) return "no packet was dropped while tracing was on\n";
  std::string out;
  for (const DropStackRow& r : rows) {
    out += fmt::format("{} x {}\n", r.drop.count, style.red(format_drop_place(r.drop)));
    for (const std::string& frame : r.stack) out += fmt::format("    {}\n", frame);
  }
  return out;
}

// --- JSON

namespace {
Json place_json(const DropRow& r) {
  return {{"reason", r.reason}, {"function", r.function}, {"file", r.file}, {"line", r.line}};
}
}  // namespace

Json to_json(const DropRow& r) {
  Json j = place_json(r);
  j["count"] = r.count;
  return j;
}

Json catalogue_json(const std::vector<DropRow>& rows) {
  Json j = Json::array();
  for (const DropRow& r : rows) j.push_back(place_json(r));
  return j;
}

Json to_json(const std::vector<DropRow>& rows) {
  Json j = Json::array();
  for (const DropRow& r : rows) j.push_back(to_json(r));
  return j;
}

Json to_json(const std::vector<DropStackRow>& rows) {
  Json j = Json::array();
  for (const DropStackRow& r : rows) {
    j.push_back(to_json(r.drop));
    j.back()["stack"] = r.stack;
  }
  return j;
}

DropRow drop_row_from_json(const Json& j) {
  return {text_field(j, "reason"), text_field(j, "function"), text_field(j, "file"),
          static_cast<int>(number_field(j, "line")), number_field(j, "count")};
}

std::vector<DropRow> drop_rows_from_json(const Json& j) {
  std::vector<DropRow> rows;
  if (j.is_array())
    for (const Json& item : j) rows.push_back(drop_row_from_json(item));
  return rows;
}

std::vector<DropStackRow> drop_stack_rows_from_json(const Json& j) {
  std::vector<DropStackRow> rows;
  if (!j.is_array()) return rows;
  for (const Json& item : j) {
    DropStackRow row{drop_row_from_json(item), {}};
    for (const Json& frame : array_field(item, "stack"))
      if (frame.is_string()) row.stack.push_back(frame.get<std::string>());
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace glass
