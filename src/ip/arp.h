// ARP: asking for and telling link addresses on Ethernet (RFC 826, RFC 1122 section 2.3.2; duplicate detection RFC
// 5227).
#pragma once
#include "ip/ip.h"

namespace glass {

// A received ARP packet; `ctx` is the Ip. Handler for ETH_P_ARP.
void arp_rcv(void* ctx, Skb);
// Asks for a neighbour's address: by unicast while an old one is being checked, else by broadcast. `waiting` (may be
// null) is a packet for it, whose source the question names.
void arp_solicit(neighbour&, const sk_buff* waiting);
// A packet whose neighbour does not answer: its sender is told, and it ends.
void arp_error_report(Ip&, Skb);

}  // namespace glass
