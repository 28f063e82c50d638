// The way of an IPv4 packet out: ip_queue_xmit -> __ip_queue_xmit (header) -> ip_local_out -> __ip_local_out (length,
// checksum) -> ip_output -> ip_finish_output -> __ip_finish_output (size) -> ip_finish_output2 -> neighbour ->
// dev_queue_xmit.
//
// Inside the room the functions pass the handle on by reference and yield 0 or a positive errno value; the packet has
// ended or gone on either way.
#pragma once
#include "ip/ip.h"

namespace glass {

// A packet with a finished IP header.
int ip_output(Ip&, Skb&&, dst_entry*);
int ip_finish_output2(Ip&, Skb&&, dst_entry*);
// Cuts a packet that is larger than `mtu`, each piece to ip_finish_output2().
int ip_do_fragment(Ip&, Skb&&, dst_entry*, uint32_t mtu);

}  // namespace glass
