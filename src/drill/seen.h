// A packet that left the target, read into the script's own terms.
//
//   auto seen = read_packet(target.next_packet());          // addresses and flags
//   if (seen && seen->is_syn()) live.local_isn = seen->seq;
//   PacketEvent got = scripted(*seen, live);                // "> S. 0:0(0) ack 1 ..."
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "drill/live.h"
#include "drill/script.h"
#include "drill/target.h"
#include "wire/tcp.h"

namespace glass::drill {

struct SeenPacket {
  int64_t time_us = 0;
  Endpoints ends{};
  uint8_t tos = 0, ttl = 0, reserved = 0;
  uint32_t seq = 0, ack = 0;
  uint16_t flags = 0, window = 0, urgent = 0;  // flags: TCPHDR_*, with AE
  std::vector<uint8_t> option_bytes{};
  uint32_t payload = 0;
  bool zero_payload = true;                            // as packetdrill's is on both sides
  bool ip_checksum_ok = true, tcp_checksum_ok = true;  // of every piece
  std::optional<std::string> unreadable_option{};      // the language has no word for it
  std::string line{};                                  // as traces print it, live numbers

  bool syn() const { return flags & TCPHDR_SYN; }
  bool opens() const { return (flags & (TCPHDR_SYN | TCPHDR_ACK)) == TCPHDR_SYN; }
};

// Nothing for what is no whole TCP packet over IPv4.
std::optional<SeenPacket> read_packet(const OutboundPacket&);

// Every field set. The TSval is put on the script's time line.
PacketEvent scripted(const SeenPacket&, const Live&);

// Why `next` cannot be the continuation of `last` within one scripted packet of which `missing` bytes are still to
// come; nothing: it can.
std::optional<std::string> why_no_continuation(const SeenPacket& last, const SeenPacket& next, uint32_t last_payload,
                                               uint32_t missing);
// Both as one packet: sequence number and CWR of the first, everything else of the last.
SeenPacket joined(const SeenPacket& first, const SeenPacket& next);

}  // namespace glass::drill
