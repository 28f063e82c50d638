// The options of a segment: <mss 1460,nop,nop,sackOK,nop,wscale 7>.
#pragma once
#include "drill/scanner.h"
#include "drill/script.h"

namespace glass::drill {

void parse_tcp_options(Scanner&, TcpSpec&);  // or nothing, if no < follows

// Bytes it takes in the header.
size_t option_size(const TcpOptionSpec&);

}  // namespace glass::drill
