// What the option lines of a script, and the command line after them, decide.
//
//   auto settings = settings_of(script, options);
//   if (!settings) say(settings.error());     // an option nobody knows is an error
#pragma once
#include <expected>
#include <string>

#include "drill/run.h"

namespace glass::drill {

struct Settings {
  Addresses addresses{};
  int64_t tolerance_us = 4000;
  double tolerance_percent = 12.5;
  bool strict_segments = false, lax = false;
  bool ts_ecr_scaled = false;
  int64_t ts_tick_us = 0;
  uint16_t mss = 0;  // a longer injected segment counts as several of this size; 0: as one
};

std::expected<Settings, std::string> settings_of(const Script&, const RunOptions&);

}  // namespace glass::drill
