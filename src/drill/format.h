// Events as the script would write them, for messages and for --record.
//
//   format_packet(event)   // "> P. 1:1001(1000) ack 1 win 512 <nop,nop,TS val 1 ecr 2>"
#pragma once
#include <string>

#include "drill/script.h"

namespace glass::drill {

std::string format_packet(const PacketEvent&);

}  // namespace glass::drill
