// Segments that are sent without a socket: resets for segments nobody takes (RFC 9293 section 3.5.2), ACKs of TIME_WAIT
// and of half-open connections.
#include <cstring>

#include "base/checksum.h"
#include "tcp/tcp_internal.h"
#include "tcp/tcp_packet.h"

namespace glass {

namespace {

// Sends a segment back to where `in` came from. `options` bytes follow the header.
void send_unicast_reply(Tcp& tcp, const Skb& in, tcphdr header, std::span<const uint8_t> options, uint8_t tos) {
  const IpAddress saddr = ip_daddr(*in), daddr = ip_saddr(*in);
  Result<dst_entry*> dst = tcp.ip().route_output(daddr, saddr);
  if (!dst) return;
  const auto size = static_cast<uint32_t>(sizeof(tcphdr) + options.size());
  uint8_t echo[40];
  const std::span ip_options(echo, tcp.ip().ip_options_echo(in, echo));
  Skb skb = alloc_skb(tcp.ns().pool, tcp.ns().trace, size, 64 + static_cast<uint32_t>(ip_options.size()));
  header.source = tcp_hdr(*in).dest;
  header.dest = tcp_hdr(*in).source;
  header.set_doff(size);
  header.check = static_cast<uint16_t>(~csum_fold(csum_pseudo(saddr, daddr, size, IPPROTO_TCP, 0)));
  uint8_t* p = skb_put(skb, size);
  std::memcpy(p, &header, sizeof header);
  if (!options.empty()) std::memcpy(p + sizeof header, options.data(), options.size());
  skb_reset_transport_header(skb);
  skb->ip_summed = IpSummed::partial;
  skb->csum_start = skb->transport_header;
  skb->csum_offset = offsetof(tcphdr, check);
  tcp.ns().trace.count(Mib::TcpOutSegs);
  (void)tcp.ip().ip_queue_xmit(std::move(skb), *dst, saddr, daddr,
                               {.tos = tos, .protocol = IPPROTO_TCP, .options = ip_options});
}

}  // namespace

void tcp_v4_send_reset(Tcp& tcp, const Skb& skb) {
  const tcphdr& th = tcp_hdr(*skb);
  if (th.rst()) return;                            // never answer a reset with a reset
  if (!tcp.ip().is_local(ip_daddr(*skb))) return;  // broadcast, multicast
  tcphdr reply{};
  reply.flags = TCPHDR_RST;
  if (th.ack()) {
    reply.seq = th.ack_seq;
  } else {
    reply.flags |= TCPHDR_ACK;
    reply.ack_seq = htonl(TCP_SKB_CB(skb).end_seq.v);
  }
  tcp.ns().trace.count(Mib::TcpOutRsts);
  send_unicast_reply(tcp, skb, reply, {}, 0);
}

void tcp_v4_send_ack(Tcp& tcp, const Skb& skb, const TcpReply& r) {
  tcphdr reply{};
  reply.flags = TCPHDR_ACK;
  reply.seq = htonl(r.seq.v);
  reply.ack_seq = htonl(r.ack.v);
  reply.window = htons(static_cast<uint16_t>(r.win));
  uint32_t options[3] = {htonl(0x0101080a), htonl(r.tsval), htonl(r.tsecr)};
  const std::span bytes(reinterpret_cast<const uint8_t*>(options), r.timestamps ? sizeof options : 0);
  send_unicast_reply(tcp, skb, reply, bytes, r.tos);
}

}  // namespace glass
