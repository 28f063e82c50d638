// Drops: the catalogue of all places where a packet can end early, how often each was taken, and from where.
//
//   fmt::print("{}", format_drops_by_place(drop_rows(stack.trace()), style));
//
// Rows are plain data, so that they can come from this process or, as JSON, from a running glass.
#pragma once
#include <string>
#include <vector>

#include "trace/trace.h"
#include "view/json.h"
#include "view/text.h"

namespace glass {

struct DropRow {
  std::string reason, function, file;  // file relative to the source tree
  int line = 0;
  uint64_t count = 0;
  bool operator==(const DropRow&) const = default;
};

struct DropStackRow {
  DropRow drop;
  std::vector<std::string> stack;  // innermost first, "function (file:line)"
};

DropRow drop_row(const DropPlace&, uint64_t count = 0);
// Every place of this program, by file and line; each once, also where a function was compiled more than once.
std::vector<DropRow> drop_catalogue();
// Places that were taken, most frequent first.
std::vector<DropRow> drop_rows(const Trace&);
std::vector<DropStackRow> drop_stack_rows(const Trace&);

// The same place in several stacks or copies of a function becomes one row.
std::vector<DropRow> merge_drops(std::vector<DropRow>);

std::string format_drop_catalogue(const std::vector<DropRow>&, const Style& = {});
std::string format_drops_by_reason(const std::vector<DropRow>&, const Style& = {});  // count, reason, meaning
std::string format_drops_by_place(const std::vector<DropRow>&,
                                  const Style& = {});  // count, reason, function (file:line)
std::string format_drops_by_stack(const std::vector<DropStackRow>&, const Style& = {});
std::string format_drop_place(const DropRow&);  // "TCP_CSUM at tcp_v4_rcv (src/…:77)"

Json to_json(const DropRow&);                      // reason, function, file, line, count
Json catalogue_json(const std::vector<DropRow>&);  // reason, function, file, line
Json to_json(const std::vector<DropRow>&);
Json to_json(const std::vector<DropStackRow>&);
DropRow drop_row_from_json(const Json&);
std::vector<DropRow> drop_rows_from_json(const Json&);
std::vector<DropStackRow> drop_stack_rows_from_json(const Json&);

}  // namespace glass
