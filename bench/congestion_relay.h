// Carries packets between two TUN devices of the kernel in real time, through the same qdiscs that a simulated flow
// goes through. Prints "ready" once both devices exist; ends with standard input.
#pragma once
#include <cstdint>
#include <string>

namespace bench {

struct RelayConfig {
  std::string left = "tun0", right = "tun1";
  std::string link, path, back;  // left to right: link, then path; right to left: back
  uint64_t seed = 1;
};

int run_relay(const RelayConfig&);

}  // namespace bench
