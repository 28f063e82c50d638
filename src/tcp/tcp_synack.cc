// The SYN-ACK of a half-open connection (RFC 9293 section 3.10.7.2), made anew each time it is sent.
#include <algorithm>
#include <cstring>

#include "base/checksum.h"
#include "tcp/syncookies.h"
#include "tcp/tcp_internal.h"
#include "tcp/tcp_minisocks.h"
#include "tcp/tcp_syn_options.h"

namespace glass {

namespace {

uint32_t synack_timestamp(const request_sock* req, SynackType type) {
  const uint32_t now = type == SynackType::cookie ? cookie_init_timestamp(req) : msecs32(req->skc_net->now);
  return now + req->ts_off;
}

// In the order Linux writes them. Signature and timestamp leave no room for SACK blocks later: the timestamp has to go.
OutOptions options_of(request_sock* req, uint32_t mss, const tcp_md5sig_key* key, const tcp_fastopen_cookie* foc,
                      SynackType type) {
  OutOptions o;
  if (key && type != SynackType::cookie) req->tstamp_ok = req->tstamp_ok && !req->sack_ok;
  o.put_md5(key);
  o.put32(0x02040000u | mss);
  if (req->tstamp_ok) {
    o.put32(req->sack_ok ? 0x0402080au : 0x0101080au);
    req->snt_tsval_last = synack_timestamp(req, type);
    if (req->snt_synack == Instant{}) req->snt_tsval_first = req->snt_tsval_last;
    o.put32(req->snt_tsval_last);
    o.put32(req->ts_recent);
  } else if (req->sack_ok) {
    o.put32(0x01010402u);
  }
  if (req->wscale_ok) o.put32(0x01030300u | req->rcv_wscale);
  if (foc && fastopen_cookie_present(*foc)) (void)o.put_fastopen(*foc);
  return o;
}

Skb tcp_make_synack(Tcp& tcp, request_sock* req, const OutOptions& o) {
  net& n = tcp.ns();
  const auto size = static_cast<uint32_t>(sizeof(tcphdr)) + o.size;
  Skb skb = alloc_skb(n.pool, n.trace, size, 64 + static_cast<uint32_t>(req->ireq_opt.size()));
  auto* th = reinterpret_cast<tcphdr*>(skb_put(skb, size));
  std::memset(th, 0, sizeof *th);
  std::memcpy(th + 1, o.bytes, o.size);
  th->source = htons(req->skc_num);
  th->dest = htons(req->skc_dport);
  th->seq = htonl(req->snt_isn.v);
  th->ack_seq = htonl(req->rcv_nxt.v);
  th->doff_res = static_cast<uint8_t>(size / 4 << 4);
  th->flags = static_cast<uint8_t>(TCPHDR_SYN | TCPHDR_ACK | (req->ecn_ok ? TCPHDR_ECE : 0));
  th->window = htons(static_cast<uint16_t>(std::min<uint32_t>(req->rsk_rcv_wnd, 65535)));
  skb_reset_transport_header(skb);
  return skb;
}

void finish_checksum(const request_sock* req, const Skb& skb) {
  tcphdr& th = tcp_hdr(*skb);
  th.check =
      static_cast<uint16_t>(~csum_fold(csum_pseudo(req->skc_rcv_saddr, req->skc_daddr, skb->len, IPPROTO_TCP, 0)));
  skb->ip_summed = IpSummed::partial;
  skb->csum_start = skb->transport_header;
  skb->csum_offset = offsetof(tcphdr, check);
}

}  // namespace

bool tcp_v4_send_synack(Tcp& tcp, const tcp_sock* sk, request_sock* req, const tcp_fastopen_cookie* foc,
                        SynackType type) {
  PROBE(tcp.ns().trace);
  net& n = tcp.ns();
  Result<dst_entry*> dst = tcp.ip().route_output(req->skc_daddr, req->skc_rcv_saddr);
  if (!dst) return false;
  const tcp_md5sig_key* key = tcp_md5_do_lookup(sk, req->skc_daddr);
  const uint32_t mss = tcp_mss_clamp(sk, dst_metric_advmss(n, *dst));
  Skb skb = tcp_make_synack(tcp, req, options_of(req, mss, key, foc, type));
  if (key) {
    tcphdr& th = tcp_hdr(*skb);
    const Md5::Digest digest = tcp_v4_md5_hash_hdr(*key, req->skc_rcv_saddr, req->skc_daddr, th);
    std::memcpy(reinterpret_cast<uint8_t*>(&th + 1) + OutOptions::kDigestAt, digest.data(), digest.size());
  }
  finish_checksum(req, skb);
  if (req->snt_synack == Instant{}) req->snt_synack = n.now;
  n.trace.count(Mib::TcpOutSegs);
  Result<void> sent = tcp.ip().ip_queue_xmit(std::move(skb), *dst, req->skc_rcv_saddr, req->skc_daddr,
                                             {.tos = req->tos, .protocol = IPPROTO_TCP, .options = req->ireq_opt});
  return sent.has_value();
}

bool tcp_rtx_synack(Tcp& tcp, tcp_sock* sk, request_sock* req) {
  PROBE(tcp.ns().trace);
  if (!tcp_v4_send_synack(tcp, sk, req, nullptr, SynackType::normal)) return false;
  tcp.ns().trace.count(Mib::TcpRetransSegs);
  tcp.ns().trace.count(Mib::TcpExtTCPSynRetrans);
  if (tcp_passive_fastopen(sk)) ++sk->total_retrans;
  ++req->num_retrans;
  return true;
}

}  // namespace glass
