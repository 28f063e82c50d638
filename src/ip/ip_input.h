// The way of a received IPv4 packet: ip_rcv -> ip_rcv_core (header) -> ip_rcv_finish -> ip_rcv_finish_core (addresses,
// options) -> ip_local_deliver (reassembly) -> ip_local_deliver_finish -> ip_protocol_deliver_rcu -> the transport's
// handler. Steps of RFC 1122 section 3.2.1 and RFC 791.
#pragma once
#include "ip/ip.h"

namespace glass {

// Handler for ETH_P_IP; `ctx` is the Ip. Data is at the IP header.
void ip_rcv(void* ctx, Skb);
// A packet for another host, forwarding being on.
void ip_forward(Ip&, Skb&&);

}  // namespace glass
