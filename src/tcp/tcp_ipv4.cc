// Where segments come in from IP: header and checksum, then which socket they are for (RFC 9293 section 3.10.7, first
// part).
#include <cstring>

#include "base/checksum.h"
#include "tcp/tcp_hashtables.h"
#include "tcp/tcp_internal.h"
#include "tcp/tcp_packet.h"

namespace glass {

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

void tcp_v4_fill_cb(const Skb& skb) {
  const tcphdr& th = tcp_hdr(*skb);
  TcpCb cb{};
  cb.seq = th.seq_nr();
  cb.end_seq = cb.seq + static_cast<uint32_t>(skb->len - th.doff() + th.syn() + th.fin());
  cb.ack_seq = th.ack_nr();
  cb.tcp_flags = th.all_flags();
  cb.ip_dsfield = ip_dsfield(*skb);
  TCP_SKB_CB(skb) = cb;
  skb->truesize = SKB_TRUESIZE(skb->len);
}

void no_tcp_socket(Tcp& tcp, Skb skb) {
  tcp_v4_send_reset(tcp, skb);
  kfree_skb_reason(std::move(skb), DROP(NO_SOCKET));
}

void tcp_full_socket(tcp_sock* tp, Skb skb) {
  if (tp->sk_min_ttl && ip_ttl(*skb) < tp->sk_min_ttl) [[unlikely]] {
    count(tp, Mib::TcpExtTCPMinTTLDrop);
    return kfree_skb_reason(std::move(skb), DROP(TCP_MINTTL));
  }
  if (tp->sk_filter_all) [[unlikely]]
    return kfree_skb_reason(std::move(skb), DROP(SOCKET_FILTER));
  tcp_v4_do_rcv(tp, std::move(skb));
  tcp_release_orphan(tp);
}

}  // namespace

void tcp_v4_rcv(void* ctx, Skb skb) {
  Tcp& tcp = *static_cast<Tcp*>(ctx);
  PROBE(tcp.ns().trace, skb);
  if (!tcp_header_ok(tcp, skb) || !tcp_checksum_ok(tcp, skb)) return;  // keeps nothing: it ended there
  tcp_v4_fill_cb(skb);

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
    return tcp_check_req(tcp, static_cast<request_sock*>(sk), std::move(skb));
  tcp_full_socket(tcp_sk(static_cast<sock*>(sk)), std::move(skb));
}

void tcp_v4_do_rcv(tcp_sock* tp, Skb skb) {
  PROBE(net_of(tp).trace, skb);
  if (tp->skc_state == tcp_state::ESTABLISHED) return tcp_rcv_established(tp, std::move(skb));
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

namespace {

// RFC 1122 section 4.2.3.9: which errors end a connection attempt, which are only remembered.
int icmp_errno(uint8_t type, uint8_t code) {
  if (type == 11) return EHOSTUNREACH;  // time exceeded
  if (type == 12) return EPROTO;        // parameter problem
  static constexpr int kUnreachable[] = {
      ENETUNREACH, EHOSTUNREACH, ENOPROTOOPT,  ECONNREFUSED, EMSGSIZE,     EOPNOTSUPP,   ENETUNREACH,  EHOSTDOWN,
      ENONET,      ENETUNREACH,  EHOSTUNREACH, ENETUNREACH,  EHOSTUNREACH, EHOSTUNREACH, EHOSTUNREACH, EHOSTUNREACH};
  return type == 3 && code < std::size(kUnreachable) ? kUnreachable[code] : 0;
}

// The route learns of it; this connection resends at once what cannot have arrived.
void tcp_v4_mtu_reduced(tcp_sock* tp, uint32_t mtu) {
  if (in_state(tp, tcp_state::bit(tcp_state::LISTEN) | tcp_state::bit(tcp_state::CLOSE))) return;
  const dst_entry* dst = tcp_route(tp);
  if (!dst) return;
  if (mtu < dst->mtu) tp->tcp().ip().update_pmtu(tp->skc_daddr, mtu);
  dst = tcp_route(tp);
  if (!dst) return;
  if (mtu < dst->mtu && tp->pmtudisc != IP_PMTUDISC_DONT) tp->sk_err_soft = EMSGSIZE;
  const bool believes =
      tp->pmtudisc != IP_PMTUDISC_DONT && tp->pmtudisc != IP_PMTUDISC_PROBE && tp->pmtudisc != IP_PMTUDISC_INTERFACE;
  if (!believes || tp->icsk_pmtu <= dst->mtu) return;
  tcp_sync_mss(tp, dst->mtu);
  tcp_simple_retransmit(tp);
}

void tcp_v4_sock_err(tcp_sock* tp, uint8_t type, uint8_t code, uint32_t info) {
  if (type == 3 && code == 4) return tcp_v4_mtu_reduced(tp, info);
  const int error = icmp_errno(type, code);
  if (!error || tp->skc_state == tcp_state::LISTEN) return;
  if (in_state(tp, tcp_state::bit(tcp_state::SYN_SENT) | tcp_state::bit(tcp_state::SYN_RECV)))
    return tcp_error(tp, error);
  tp->sk_err_soft = static_cast<uint16_t>(error);
}

}  // namespace

void tcp_v4_err(void* ctx, const Skb& skb, uint8_t type, uint8_t code, uint32_t info) {
  Tcp& tcp = *static_cast<Tcp*>(ctx);
  const auto* iph = reinterpret_cast<const iphdr*>(skb->data);
  struct {
    uint16_t source, dest;
    uint32_t seq;
  } quoted;
  std::memcpy(&quoted, skb->data + iph->ihl(), sizeof quoted);
  const IpAddress local = IpAddress::v4_from_wire(iph->saddr), remote = IpAddress::v4_from_wire(iph->daddr);
  const uint16_t lport = ntohs(quoted.source), rport = ntohs(quoted.dest);
  inet_hashinfo& tables = tcp.hashinfo();
  sock_common* sk =
      tables.lookup_established(tables.ehashfn(tcp.ns(), local, lport, remote, rport), local, lport, remote, rport);
  if (!sk) return tcp.ns().trace.count(Mib::IcmpInErrors);
  if (sk->skc_state == tcp_state::TIME_WAIT) return;
  const Seq seq{ntohl(quoted.seq)};
  if (sk->skc_state == tcp_state::NEW_SYN_RECV) {
    auto* req = static_cast<request_sock*>(sk);
    if (seq != req->snt_isn) return tcp.ns().trace.count(Mib::TcpExtOutOfWindowIcmps);
    if (icmp_errno(type, code) && !(type == 3 && code == 4)) inet_csk_reqsk_queue_drop(tcp, req);
    return;
  }
  auto* tp = tcp_sk(static_cast<sock*>(sk));
  if (tp->skc_state != tcp_state::LISTEN && !between(seq, tp->snd_una, tp->snd_nxt))
    return tcp.ns().trace.count(Mib::TcpExtOutOfWindowIcmps);
  if (type == 3 && code <= 1) tcp_ld_RTO_revert(tp, seq);  // network or host unreachable
  tcp_v4_sock_err(tp, type, code, info);
  tcp_release_orphan(tp);
}

}  // namespace glass
