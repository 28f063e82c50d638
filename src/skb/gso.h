// Software segmentation: cuts a large TCP packet into ones the link takes (what a device with TSO does in hardware).
#pragma once
#include "skb/queue.h"

namespace glass {

// Cuts `skb` (network header set, a link header before it is repeated, gso_size set, IPv4 or IPv6 with TCP) into
// packets of gso_size payload bytes, appended to `out` in order: IP id counted up, lengths, sequence numbers, IP header
// checksum set; FIN and PSH only on the last, CWR only on the first; the TCP checksum left partial as it was. The input
// is consumed. On a packet it cannot cut: dropped as SKB_GSO_SEG, `out` untouched.
void skb_segment(Skb skb, sk_buff_head& out);

}  // namespace glass
