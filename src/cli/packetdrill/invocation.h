// How packetdrill was called. Its interface tells a shared object neither addresses nor script, but they stand on its
// command line.
#pragma once
#include <set>
#include <string>
#include <vector>

#include "drill/target.h"

namespace glass::packetdrill {

std::vector<std::string> own_command_line();  // of this process

struct Invocation {
  drill::Addresses addresses{};
  std::set<std::string> commands{};  // shell lines of the script
};

// Whatever cannot be read is left as it is by default: packetdrill complains of it itself.
Invocation understand(const std::vector<std::string>& command_line);

}  // namespace glass::packetdrill
