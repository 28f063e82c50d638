// A sequence diagram of the packets between two hosts: one line a packet, time left and right, lost ones marked.
//
//        client 10.0.0.1:41212                       server 10.0.0.2:3490
//   0.000 ms |---- S seq 0 win 64240 len 0 ------------------->|   20.000 ms
//  20.000 ms |   ✗<-- S. seq 0 ack 1 win 65160 len 0 ----------|              ✗ QDISC_DROP at impair
//  (src/dev/netem.cc:98)
//
// Sequence numbers count from each side's first one (the SYN is 0), as every analyser prints them.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/ip_address.h"
#include "base/time.h"
#include "view/text.h"

namespace glass {

struct SequenceEvent {
  Instant sent;
  std::optional<Instant> arrived;  // none: lost on the way
  bool from_left = true;
  std::vector<uint8_t> packet;  // from the IP header on; the payload may be cut
  std::string drop;             // "QDISC_DROP at …"; empty: not dropped
  bool duplicate = false;       // a copy made on the way
};

struct SequenceOptions {
  std::string left = "left", right = "right";  // headings
  Instant start{};                             // time zero
  size_t width = 72;                           // between the two life lines
  std::vector<size_t> only;                    // places in the events, rising; what lies between is counted. Empty: all
};

// What each packet is, as the diagram says it: "P. seq 1:15 ack 1 win 502 len 14". In the order given, which has to be
// that of sending.
std::vector<std::string> sequence_labels(std::span<const SequenceEvent>);

std::string sequence_diagram(std::span<const SequenceEvent>, const SequenceOptions&, const Style& = {});

}  // namespace glass
