// A packet as one line of text, for traces, reports and failing tests. Takes any bytes: what cannot be read is said in
// brackets.
//
//   format_packet(ip_packet);  // "IP 10.0.0.1:3490 > 10.0.0.2:40000 TCP P. seq 1:15 ack 1 win 502 <nop,nop,TS val 1
//   ecr 2> len 14"
//                              // "IP 10.0.0.1 > 10.0.0.2 ICMP echo request id 1 seq 2 len 56"
//   format_frame(frame);       // "ARP who-has 10.0.0.2 tell 10.0.0.1"
//
// Sequence numbers are absolute unless a SeqBase is given. Checksums are not checked: an outgoing packet's may not be
// filled in yet.
#pragma once
#include <string>

#include "wire/bytes.h"
#include "wire/tcp.h"

namespace glass {

// IPv4 or IPv6, by the version in the first byte. The span may end before the packet does (a capture's snap length, the
// linear part of an skb): lengths printed are those the headers state.
std::string format_packet(ByteSpan l3_packet, const SeqBase& base = {});

// An Ethernet frame; IP packets print as format_packet() does.
std::string format_frame(ByteSpan l2_frame, const SeqBase& base = {});

}  // namespace glass
