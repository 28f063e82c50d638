// Text for people: tables, colours, and sizes, rates and times in units one can read.
//
//   Table table({{"REASON"}, {"COUNT", Table::Align::right}});
//   table.add({"TCP_CSUM", "3"});
//   fmt::print("{}", table.text(Style{.colour = isatty(1)}));
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace glass {

// How to mark text on a terminal; without colour everything comes back as it is.
struct Style {
  bool colour = false;
  std::string bold(std::string_view) const;
  std::string dim(std::string_view) const;
  std::string red(std::string_view) const;
  std::string green(std::string_view) const;
  std::string cyan(std::string_view) const;

 private:
  std::string paint(std::string_view code, std::string_view text) const;
};

// Columns as wide as their widest cell, two blanks apart; no trailing blanks.
class Table {
 public:
  enum class Align : uint8_t { left, right };
  struct Column {
    std::string title;
    Align align = Align::left;
  };
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  bool empty() const { return rows_.empty(); }
  std::string text(const Style& = {}) const;  // with a title line, if any column has a title

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

size_t display_width(std::string_view utf8);        // code points; good for what this program prints
std::string format_bytes(uint64_t bytes);           // "14 B", "10.0 MB"; powers of ten
std::string format_rate(uint64_t bytes, Duration);  // "11.2 MB/s"
std::string format_seconds(Duration);               // "0.213 s"
std::string format_milliseconds(Duration);          // "20.000 ms"
// A file of the source tree by its place in it: "src/tcp/tcp_input.cc".
std::string_view source_path(std::string_view file);
// "tcp_v4_rcv (src/tcp/tcp_ipv4.cc:77)"
std::string format_place(std::string_view function, std::string_view file, int line);
// Lines of at most `width`, each after `indent` blanks.
std::string wrap(std::string_view text, size_t width, size_t indent);

}  // namespace glass
