// What the files of this room share.
#pragma once
#include "udp/udp.h"

namespace glass {

// The addresses and ports a datagram is sent between.
struct Endpoint4 {
  IpAddress saddr, daddr;
  uint16_t sport, dport;
};

// IP's entries (net_protocol); `ctx` is the Udp.
void udp_rcv(void* ctx, Skb);
void udp_err(void* ctx, const Skb&, uint8_t type, uint8_t code, uint32_t info);

Result<size_t> udp_sendmsg(Udp&, udp_sock*, const MsgSend&);
Result<size_t> udp_recvmsg(Udp&, udp_sock*, MsgRecv&);

}  // namespace glass
