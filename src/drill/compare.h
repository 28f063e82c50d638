// Whether a packet that left is the one the script expects.
//
//   auto differences = compare_packet(event, seen, live, options);
//   for (auto& d : differences) say("{}: expected {}, got {}", d.field, d.expected, d.got);
//
// Checked as packetdrill checks: flags, sequence numbers, urgent pointer and options exactly; ECN, TOS, TTL and window
// where the script names them; TSval only with --tcp_ts_tick_usecs. Beyond that, unless `lax`: the TCP checksum and
// TSecr.
#pragma once
#include <string>
#include <vector>

#include "drill/seen.h"

namespace glass::drill {

struct CompareOptions {
  bool lax = false;
  int64_t ts_tick_us = 0;       // --tcp_ts_tick_usecs; 0: TSval is not compared
  int64_t ts_tolerance_us = 0;  // of it
};

struct Difference {
  std::string field, expected, got;
};

std::vector<Difference> compare_packet(const PacketEvent& expected, const SeenPacket&, const Live&,
                                       const CompareOptions&);

}  // namespace glass::drill
