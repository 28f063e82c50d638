// SYN cookies (RFC 4987 section 3.6): when half-open connections are too many, the SYN-ACK's sequence number carries
// what the last ACK has to bring back, and nothing is kept.
//
// A cookie holds a minute counter and the index of an MSS; the SYN-ACK's timestamp, if there is one, the other options.
#pragma once
#include "tcp/tcp_sock.h"

namespace glass {

// The sequence number of the SYN-ACK; `mss` becomes the value the cookie can say. Notes the overflow at the listener.
Seq cookie_init_sequence(tcp_sock* listener, const Skb& syn, uint16_t& mss);
// The SYN-ACK's timestamp, whose lowest bits are the options of `req`. Without the connection's offset.
uint32_t cookie_init_timestamp(const request_sock* req);

// A segment without SYN for a listener: the last ACK of a cookie's handshake makes the connection and is given to it.
// Otherwise false: the listener has to deal with the segment itself.
bool cookie_v4_check(tcp_sock* listener, Skb&);

}  // namespace glass
