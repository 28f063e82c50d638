// The parts of the parser: each reads one construct from where the scanner stands, or throws a ParseError.
#pragma once
#include "drill/scanner.h"
#include "drill/script.h"

namespace glass::drill {

PacketEvent parse_packet(Scanner&, bool ipv6);  // from `<` or `>` on; ipv6 decides what ICMP types mean
SyscallEvent parse_syscall(Scanner&);           // from the name on
Value parse_value(Scanner&);

// `text` with every bare word that is a key of `defines` replaced by its value.
std::string expand_defines(std::string_view text, const std::map<std::string, std::string>& defines);

}  // namespace glass::drill
