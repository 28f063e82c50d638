// Where segments come in from IP: header and checksum, then which socket they are for (RFC 9293 section 3.10.7, first
// part).
#include <cstring>

#include "base/checksum.h"
#include "tcp/syncookies.h"
#include "tcp/tcp_hashtables.h"
#include "tcp/tcp_internal.h"
#include "tcp/tcp_minisocks.h"
#include "tcp/tcp_packet.h"

namespace glass {

void tcp_full_socket(tcp_sock* tp, Skb skb) {
  if (tp->sk_min_ttl && ip_ttl(*skb) < tp->sk_min_ttl) [[unlikely]] {
    count(tp, Mib::TcpExtTCPMinTTLDrop);
    return kfree_skb_reason(std::move(skb), DROP(TCP_MINTTL));
  }
  if (Verdict why = tcp_inbound_hash(tp, skb)) [[unlikely]]
    return kfree_skb_reason(std::move(skb), why);
  if (tp->sk_filter_all) [[unlikely]]
    return kfree_skb_reason(std::move(skb), DROP(SOCKET_FILTER));
  tcp_v4_do_rcv(tp, std::move(skb));
  tcp_release_orphan(tp);
}

namespace {

// The header is whole, its lengths are possible and the checksum is right; otherwise the packet has ended.
bool tcp_header_ok(Tcp& tcp, Skb& skb) {
  Trace& trace = tcp.ns().trace;
  if (skb->pkt_type != PacketType::host) return kfree_skb_reason(std::move(skb), DROP(NOT_FOR_HOST_MAC)), false;
  trace.count(Mib::TcpInSegs);
  if (!pskb_may_pull(skb, sizeof(tcphdr))) return kfree_skb_reason(std::move(skb), DROP(SKB_HEADERS_TRUNC)), false;
  const size_t doff = tcp_hdr(*skb).doff();
  if (doff < sizeof(tcphdr)) {
    trace.count(Mib::TcpInErrs);
    return kfree_skb_reason(std::move(skb), DROP(PKT_TOO_SMALL)), false;
  }
  if (!pskb_may_pull(skb, static_cast<uint32_t>(doff)))
    return kfree_skb_reason(std::move(skb), DROP(SKB_HEADERS_TRUNC)), false;
  return true;
}

bool tcp_checksum_ok(Tcp& tcp, Skb& skb) {
  if (skb->ip_summed != IpSummed::none) return true;
  const uint32_t pseudo = csum_pseudo(ip_saddr(*skb), ip_daddr(*skb), skb->len, IPPROTO_TCP, 0);
  if (csum_fold(skb_checksum(*skb, 0, skb->len, pseudo)) == 0) {
    skb->ip_summed = IpSummed::unnecessary;
    return true;
  }
  tcp.ns().trace.count(Mib::TcpInCsumErrors);
  tcp.ns().trace.count(Mib::TcpInErrs);
  kfree_skb_reason(std::move(skb), DROP(TCP_CSUM));
  return false;
}

void tcp_v4_fill_cb(const Skb& skb, Instant now) {
  const tcphdr& th = tcp_hdr(*skb);
  TcpCb& cb = TCP_SKB_CB(skb);
  cb = {};
  cb.seq = th.seq_nr();
  cb.end_seq = cb.seq + static_cast<uint32_t>(skb->len - th.doff() + th.syn() + th.fin());
  cb.ack_seq = th.ack_nr();
  cb.tcp_flags = th.all_flags();
  cb.ip_dsfield = ip_dsfield(*skb);
  const RxCharge charge = skb_rx_charge(static_cast<uint32_t>(skb->tail() - skb->network()) + skb->data_len);
  skb->truesize = charge.truesize;
  skb->tstamp = now;
  cb.tailroom = static_cast<uint16_t>(charge.tailroom);
}

void no_tcp_socket(Tcp& tcp, Skb skb) {
  tcp_v4_send_reset(tcp, skb, nullptr);
  kfree_skb_reason(std::move(skb), DROP(NO_SOCKET));
}

// The accept queue is full. The request waits for room, or is reset if that is what the administrator wants.
void listen_overflow(Tcp& tcp, tcp_sock* l, request_sock* req, Skb skb) {
  if (tcp.ns().sysctl.tcp_abort_on_overflow) {
    tcp_v4_send_reset(tcp, skb, l);
    count(l, Mib::TcpExtEmbryonicRsts);
    inet_csk_reqsk_queue_drop(tcp, req);
  } else {
    req->acked = true;
  }
  kfree_skb_reason(std::move(skb), DROP(TCP_LISTEN_OVERFLOW));
}

// The handshake is over: a full connection takes the request's place, and the segment goes on to it.
void complete_handshake(Tcp& tcp, tcp_sock* l, request_sock* req, Skb skb) {
  tcp_sock* child = tcp_v4_syn_recv_sock(tcp, l, req, skb);
  if (!child) return listen_overflow(tcp, l, req, std::move(skb));
  tcp_synack_rtt_meas(child, req);
  inet_csk_reqsk_queue_removed(req);
  inet_csk_reqsk_queue_add(l, req, child);
  tcp_child_process(l, child, std::move(skb));
}

void tcp_new_syn_recv(Tcp& tcp, request_sock* req, Skb skb) {
  tcp_sock* l = req->rsk_listener;
  if (Verdict why = tcp_inbound_hash(l, skb)) [[unlikely]]
    return kfree_skb_reason(std::move(skb), why);
  if (l->sk_filter_all) [[unlikely]]
    return kfree_skb_reason(std::move(skb), DROP(SOCKET_FILTER));
  const ReqVerdict v = tcp_check_req(tcp, l, req, skb, false);
  switch (v.fate) {
    case ReqFate::drop: return kfree_skb_reason(std::move(skb), v.why);
    case ReqFate::listener: return tcp_full_socket(l, std::move(skb));
    case ReqFate::child: return complete_handshake(tcp, l, req, std::move(skb));
  }
}

}  // namespace

void tcp_v4_rcv(void* ctx, Skb skb) {
  Tcp& tcp = *static_cast<Tcp*>(ctx);
  PROBE(tcp.ns().trace, skb);
  if (!tcp_header_ok(tcp, skb) || !tcp_checksum_ok(tcp, skb)) return;  // keeps nothing: it ended there
  tcp_v4_fill_cb(skb, tcp.ns().now);

  const tcphdr& th = tcp_hdr(*skb);
  const IpAddress local = ip_daddr(*skb), remote = ip_saddr(*skb);
  const uint16_t lport = ntohs(th.dest), rport = ntohs(th.source);
  inet_hashinfo& tables = tcp.hashinfo();
  const uint32_t hash = tables.ehashfn(tcp.ns(), local, lport, remote, rport);
  sock_common* sk = tables.lookup_established(hash, local, lport, remote, rport);
  if (!sk) sk = tables.lookup_listener(local, lport);
  if (!sk) return no_tcp_socket(tcp, std::move(skb));
  if (sk->skc_state == tcp_state::TIME_WAIT)
    return tcp_timewait_process(tcp, static_cast<tcp_timewait_sock*>(sk), std::move(skb));
  if (sk->skc_state == tcp_state::NEW_SYN_RECV)
    return tcp_new_syn_recv(tcp, static_cast<request_sock*>(sk), std::move(skb));
  tcp_full_socket(tcp_sk(static_cast<sock*>(sk)), std::move(skb));
}

void tcp_v4_do_rcv(tcp_sock* tp, Skb skb) {
  PROBE(net_of(tp).trace, skb);
  if (tp->skc_state == tcp_state::ESTABLISHED) return tcp_rcv_established(tp, std::move(skb));
  if (tp->skc_state == tcp_state::LISTEN && cookie_v4_check(tp, skb)) return;  // keeps nothing: it was given away
  tcp_rcv_state_process(tp, std::move(skb));
}

dst_entry* tcp_route(tcp_sock* tp) {
  Ip& ip = tp->tcp().ip();
  if (tp->sk_dst_cache && ip.dst_check(tp->sk_dst_cache)) [[likely]]
    return tp->sk_dst_cache;
  tcp_dst_release(tp);
  Result<dst_entry*> dst = ip.route_output(tp->skc_daddr, tp->skc_rcv_saddr);
  if (!dst) {
    tp->sk_err_soft = static_cast<uint16_t>(dst.error());
    return nullptr;
  }
  Ip::dst_hold(*dst);
  tp->sk_dst_cache = *dst;
  return *dst;
}

void tcp_dst_release(tcp_sock* tp) {
  if (tp->sk_dst_cache) tp->tcp().ip().dst_release(tp->sk_dst_cache);
  tp->sk_dst_cache = nullptr;
}

}  // namespace glass
