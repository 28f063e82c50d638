#include "view/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>

namespace glass {

namespace {

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c == '-' ? '_' : c;
  return out;
}

std::vector<DropRow> places_of(std::string_view reason, const std::vector<DropRow>& catalogue) {
  std::vector<DropRow> out;
  std::ranges::copy_if(catalogue, std::back_inserter(out), [&](const DropRow& r) { return r.reason == reason; });
  return out;
}

std::vector<std::string> split_names(std::string_view names) {
  std::vector<std::string> out;
  while (!names.empty()) {
    const size_t end = std::min(names.find(", "), names.size());
    out.emplace_back(names.substr(0, end));
    names.remove_prefix(std::min(end + 2, names.size()));
  }
  return out;
}

// Levenshtein's distance: how many letters have to be changed, added or taken away.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t change = diagonal + (a[i] != b[j]);
      diagonal = std::exchange(row[j + 1], std::min({row[j] + 1, row[j + 1] + 1, change}));
    }
  }
  return row[b.size()];
}

// A name that holds the word, or the word that holds the name, is near however much longer it is.
size_t unlikeness(std::string_view word, std::string_view name) {
  const size_t distance = edit_distance(word, name);
  const bool part = word.size() >= 3 && name.find(word) != std::string_view::npos;
  return part ? distance / 8 : distance;
}

}  // namespace

const DropReasonRow* look_up_reason(std::string_view name) {
  const auto found = find_drop_reason(upper(name));
  return found ? &row(*found) : nullptr;
}

std::vector<std::string_view> nearest_reasons(std::string_view name, size_t count) {
  std::string word = upper(name);
  if (constexpr std::string_view kPrefix = "SKB_DROP_REASON_"; word.starts_with(kPrefix)) word.erase(0, kPrefix.size());
  std::vector<std::pair<size_t, std::string_view>> ranked;
  for (const DropReasonRow& r : drop_reasons()) ranked.emplace_back(unlikeness(word, r.name), r.name);
  std::ranges::stable_sort(ranked, {}, &std::pair<size_t, std::string_view>::first);
  ranked.resize(std::min(count, ranked.size()));
  std::vector<std::string_view> names;
  for (const auto& entry : ranked) names.push_back(entry.second);
  return names;
}

std::string format_reason(const DropReasonRow& r, const std::vector<DropRow>& catalogue, const Style& style) {
  std::string out = style.bold(r.name) + "\n" + wrap(r.meaning, 100, 2) + "\n";
  const auto paragraph = [&](std::string_view title, std::string_view text) {
    if (!text.empty()) out += fmt::format("  {}\n{}", style.cyan(title), wrap(text, 100, 4));
  };
  paragraph("Source", r.source);
  paragraph("Counters", r.counters);
  paragraph("Usual causes", r.causes);
  paragraph("What to do", r.remedy);
  out += fmt::format("  {}\n", style.cyan("Places"));
  const auto places = places_of(r.name, catalogue);
  for (const DropRow& p : places) out += fmt::format("    {}\n", format_place(p.function, p.file, p.line));
  if (places.empty())
    out += r.reason == DropReason::NOT_SPECIFIED ? "    none: given by the packet handle itself\n"
                                                 : "    none in this program\n";
  return out;
}

std::string format_reason_list(const Style& style) {
  Table table({{"REASON"}, {"MEANING"}});
  for (const DropReasonRow& r : drop_reasons()) table.add({std::string(r.name), std::string(r.meaning)});
  return table.text(style);
}

Json reason_json(const DropReasonRow& r, const std::vector<DropRow>& catalogue) {
  return {{"reason", r.name},
          {"meaning", r.meaning},
          {"source", r.source},
          {"counters", split_names(r.counters)},
          {"causes", r.causes},
          {"remedy", r.remedy},
          {"places", catalogue_json(places_of(r.name, catalogue))}};
}

Json reason_list_json(const std::vector<DropRow>& catalogue) {
  Json j = Json::array();
  for (const DropReasonRow& r : drop_reasons()) j.push_back(reason_json(r, catalogue));
  return j;
}

}  // namespace glass
