// A packet in the script's own language: what was expected beside what came, and the scripts that --record writes.
//
//   format_packet(packet)   // "> P. 1:1001(1000) ack 1 win 512 <nop,nop,TS val 1 ecr 2>"
//   format_time(time)       // "+0.01"
#pragma once
#include <string>

#include "drill/script.h"

namespace glass::drill {

// What parse_script() reads back to the same. `ipv6` decides how ICMP types are called.
std::string format_packet(const PacketEvent&, bool ipv6 = false);
std::string format_options(const TcpSpec&);  // "<mss 1460>", "<...>", or nothing
std::string format_time(const EventTime&);   // "0.1", "+0", "*", "+0~+0.1"
std::string format_seconds(int64_t us);      // "0.0105"
std::string format_note(const DropNote&);    // "// ok", "// drop: REASON @ place"

}  // namespace glass::drill
