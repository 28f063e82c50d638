// An injected packet of the script as the bytes that go to the target, from the IP header on.
//
//   auto bytes = build_packet(event, live, {.ts_ecr_scaled = false});
//   if (bytes) target.inject(*bytes);   else say(bytes.error());
//
// Payload is zeros, as the original's is. Checksums are right; TTL is 255 unless written.
#pragma once
#include <expected>
#include <string>
#include <vector>

#include "drill/live.h"
#include "drill/script.h"

namespace glass::drill {

struct BuildOptions {
  bool ts_ecr_scaled = false;  // --tcp_ts_ecr_scaled
};

std::expected<std::vector<uint8_t>, std::string> build_packet(const PacketEvent&, const Live&, const BuildOptions&);

// The options with SACK blocks and echoed timestamps made live.
std::expected<std::vector<uint8_t>, std::string> build_tcp_options(const TcpSpec&, const Live&, const BuildOptions&);

}  // namespace glass::drill
