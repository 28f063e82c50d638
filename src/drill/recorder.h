// The script that a target's own answers make (--record): the events as they were played, with the packets that came,
// the times they took and the results calls had.
//
//   recorder.line(now_us, "> . 1:1(0) ack 1");   size_t at = recorder.line(now_us, "read(4, ..., 10) = 0");
//   recorder.replace(at, "read(4, ..., 10) = 10");   recorder.returned(at, later_us);
//   std::string script = recorder.text();
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "drill/script.h"

namespace glass::drill {

class Recorder {
 public:
  explicit Recorder(const Script&);

  size_t line(int64_t at_us, std::string text);  // in order of time; what is returned names it
  size_t last() const { return lines_.size() - 1; }
  void replace(size_t line, std::string text) { lines_[line].text = std::move(text); }
  void returned(size_t line, int64_t at_us) { lines_[line].returned_us = at_us; }  // a call that blocked
  void note(size_t line, std::string note) { lines_[line].note = std::move(note); }
  std::string text() const;

 private:
  struct Line {
    int64_t at_us;
    std::string text{}, note{};
    std::optional<int64_t> returned_us{};
  };
  const Script& script_;
  std::vector<Line> lines_{};
};

// The event without its time.
std::string text_without_time(const Event&);
// `call(...) = 5` with another result: "= -1 EAGAIN (...)".
std::string with_result(const std::string& call, const std::string& result);

}  // namespace glass::drill
