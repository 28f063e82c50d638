#include "view/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace glass {

std::string Style::paint(std::string_view code, std::string_view text) const {
  return colour ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
}
std::string Style::bold(std::string_view text) const { return paint("1", text); }
std::string Style::dim(std::string_view text) const { return paint("2", text); }
std::string Style::red(std::string_view text) const { return paint("31", text); }
std::string Style::green(std::string_view text) const { return paint("32", text); }
std::string Style::cyan(std::string_view text) const { return paint("36", text); }

size_t display_width(std::string_view utf8) {
  return static_cast<size_t>(std::ranges::count_if(utf8, [](char c) { return (c & 0xc0) != 0x80; }));
}

namespace {

void put_row(std::string& out, const std::vector<Table::Column>& columns, const std::vector<size_t>& widths,
             const std::vector<std::string>& cells) {
  std::string line;
  for (size_t i = 0; i < cells.size(); ++i) {
    if (i) line += "  ";
    const std::string blanks(widths[i] - std::min(widths[i], display_width(cells[i])), ' ');
    line += columns[i].align == Table::Align::right ? blanks + cells[i] : cells[i] + blanks;
  }
  line.erase(line.find_last_not_of(' ') + 1);
  out += line;
}

}  // namespace

std::string Table::text(const Style& style) const {
  std::vector<size_t> widths;
  std::vector<std::string> titles;
  bool titled = false;
  for (const Column& c : columns_) {
    titles.push_back(c.title);
    widths.push_back(display_width(c.title));
    titled |= !c.title.empty();
  }
  for (const auto& row : rows_)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], display_width(row[i]));
  std::string out;
  if (titled) {
    std::string head;
    put_row(head, columns_, widths, titles);
    out += style.bold(head) + "\n";
  }
  for (const auto& row : rows_) {
    put_row(out, columns_, widths, row);
    out += '\n';
  }
  return out;
}

std::string format_bytes(uint64_t bytes) {
  constexpr std::array<std::string_view, 6> kUnits{"B", "kB", "MB", "GB", "TB", "PB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 999.95 && unit + 1 < kUnits.size(); ++unit) value /= 1000;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string format_rate(uint64_t bytes, Duration time) {
  if (time <= Duration::zero()) return "-";
  const double per_second = static_cast<double>(bytes) * 1e9 / static_cast<double>(time.count());
  return format_bytes(static_cast<uint64_t>(per_second)) + "/s";
}

std::string format_seconds(Duration d) { return fmt::format("{:.3f} s", static_cast<double>(d.count()) / 1e9); }
std::string format_milliseconds(Duration d) { return fmt::format("{:.3f} ms", static_cast<double>(d.count()) / 1e6); }

std::string_view source_path(std::string_view file) {
  if (file.starts_with("src/")) return file;
  const size_t at = file.rfind("/src/");
  return at == std::string_view::npos ? file : file.substr(at + 1);
}

std::string format_place(std::string_view function, std::string_view file, int line) {
  return fmt::format("{} ({}:{})", function, source_path(file), line);
}

std::string wrap(std::string_view text, size_t width, size_t indent) {
  const std::string blanks(indent, ' ');
  std::string out, line;
  const auto flush = [&] {
    if (!line.empty()) out += blanks + line + "\n";
    line.clear();
  };
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (word.empty()) continue;
    if (!line.empty() && indent + line.size() + 1 + word.size() > width) flush();
    if (!line.empty()) line += ' ';
    line += word;
  }
  flush();
  return out;
}

}  // namespace glass
