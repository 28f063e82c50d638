// Segments that are sent without a socket: resets for segments nobody takes (RFC 9293 section 3.5.2), ACKs of TIME_WAIT
// and of half-open connections.
#include <cstring>

#include "base/checksum.h"
#include "tcp/tcp_hashtables.h"
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

namespace {

// The key a reset is signed with. Without a socket the listener that the segment's sender might have meant decides, and
// only if the segment itself is signed well. False: no reset at all.
bool reset_key(Tcp& tcp, const Skb& skb, const tcp_sock* sk, const tcp_md5sig_key*& key) {
  const IpAddress peer = ip_saddr(*skb);
  key = tcp_md5_do_lookup(sk, peer);
  const uint8_t* signature = sk ? nullptr : tcp_parse_md5sig_option(tcp_hdr(*skb));
  if (!signature) return true;
  const IpAddress local = ip_daddr(*skb);
  const tcp_sock* listener = tcp.hashinfo().lookup_listener(local, ntohs(tcp_hdr(*skb).source));
  key = tcp_md5_do_lookup(listener, peer);
  if (!key) return false;
  const Md5::Digest digest = tcp_v4_md5_hash_skb(*key, peer, local, skb);
  return std::memcmp(signature, digest.data(), digest.size()) == 0;
}

// The options of a segment without a socket: timestamps, signature.
class ReplyOptions {
 public:
  void put_timestamps(uint32_t tsval, uint32_t tsecr) {
    for (uint32_t word : {0x0101080au, tsval, tsecr}) put32(word);
  }
  // Signs the header with all options there are.
  void sign(const tcp_md5sig_key* key, const Skb& in, const tcphdr& reply) {
    if (!key) return;
    put32(TCPOPT_MD5SIG_WORD);
    size_ += sizeof(Md5::Digest);
    tcphdr header = reply;
    header.source = tcp_hdr(*in).dest;
    header.dest = tcp_hdr(*in).source;
    header.set_doff(sizeof header + size_);
    const Md5::Digest digest = tcp_v4_md5_hash_hdr(*key, ip_daddr(*in), ip_saddr(*in), header);
    std::memcpy(bytes_ + size_ - digest.size(), digest.data(), digest.size());
  }
  std::span<const uint8_t> bytes() const { return {bytes_, size_}; }

 private:
  void put32(uint32_t word) {
    const uint32_t w = htonl(word);
    std::memcpy(bytes_ + size_, &w, sizeof w);
    size_ += sizeof w;
  }
  uint8_t bytes_[MAX_TCP_OPTION_SPACE];
  size_t size_ = 0;
};

}  // namespace

void tcp_v4_send_reset(Tcp& tcp, const Skb& skb, const tcp_sock* sk) {
  const tcphdr& th = tcp_hdr(*skb);
  if (th.rst()) return;                            // never answer a reset with a reset
  if (!tcp.ip().is_local(ip_daddr(*skb))) return;  // broadcast, multicast
  const tcp_md5sig_key* key;
  if (!reset_key(tcp, skb, sk, key)) return;
  tcphdr reply{};
  reply.flags = TCPHDR_RST;
  if (th.ack()) {
    reply.seq = th.ack_seq;
  } else {
    reply.flags |= TCPHDR_ACK;
    reply.ack_seq = htonl(TCP_SKB_CB(skb).end_seq.v);
  }
  tcp.ns().trace.count(Mib::TcpOutRsts);
  ReplyOptions options;
  options.sign(key, skb, reply);
  send_unicast_reply(tcp, skb, reply, options.bytes(), ip_reply_tos(*skb));
}

void tcp_v4_send_ack(Tcp& tcp, const Skb& skb, const TcpReply& r) {
  tcphdr reply{};
  reply.flags = TCPHDR_ACK;
  reply.seq = htonl(r.seq.v);
  reply.ack_seq = htonl(r.ack.v);
  reply.window = htons(static_cast<uint16_t>(r.win));
  ReplyOptions options;
  if (r.timestamps) options.put_timestamps(r.tsval, r.tsecr);
  options.sign(r.md5_key, skb, reply);
  send_unicast_reply(tcp, skb, reply, options.bytes(), r.tos);
}

}  // namespace glass
