// ICMP errors about segments this host has sent (RFC 1122 section 4.2.3.9, RFC 5927): which end a connection, which are
// only remembered, and which tell of the path.
#include <algorithm>
#include <cstring>

#include "net/sk_error_queue.h"
#include "tcp/tcp_hashtables.h"
#include "tcp/tcp_internal.h"
#include "tcp/tcp_packet.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"

namespace glass {

namespace {

using tcp_state::bit;

// The quoted segment, as far as eight bytes tell.
struct Quoted {
  IpAddress local, remote;
  uint16_t lport, rport;
  Seq seq;
  uint8_t ttl;
  uint32_t header_len;
};

struct IcmpError {
  uint8_t type, code;
  uint32_t info;
};

Quoted read_quoted(const Skb& skb) {
  const auto* iph = reinterpret_cast<const iphdr*>(skb->data);
  struct {
    uint16_t source, dest;
    uint32_t seq;
  } th;
  std::memcpy(&th, skb->data + iph->ihl(), sizeof th);
  return {IpAddress::v4_from_wire(iph->saddr),
          IpAddress::v4_from_wire(iph->daddr),
          ntohs(th.source),
          ntohs(th.dest),
          {ntohl(th.seq)},
          iph->ttl,
          static_cast<uint32_t>(iph->ihl())};
}

bool unreachable_hop(const IcmpError& e) {
  return e.type == ICMP_DEST_UNREACH && (e.code == ICMP_NET_UNREACH || e.code == ICMP_HOST_UNREACH);
}

// A half-open connection: POSIX wants no network errors from accept(), so it just goes.
void tcp_req_err(Tcp& tcp, request_sock* req, const Quoted& q, const IcmpError& e) {
  if (q.seq != req->snt_isn) return tcp.ns().trace.count(Mib::TcpExtOutOfWindowIcmps);
  if (e.type != ICMP_PARAMETERPROB && e.type != ICMP_TIME_EXCEEDED && !unreachable_hop(e)) return;
  tcp.ns().trace.count(Mib::TcpExtListenDrops);
  inet_csk_reqsk_queue_drop(tcp, req);
}

// RFC 1191: the path carries less than was thought; what was too large is sent again at once.
void tcp_v4_mtu_reduced(tcp_sock* tp, uint32_t mtu) {
  if (in_state(tp, bit(tcp_state::LISTEN) | bit(tcp_state::CLOSE))) return;
  tp->tcp().ip().update_pmtu(tp->skc_daddr, mtu);
  const dst_entry* dst = tcp_route(tp);
  if (!dst) return;
  if (mtu < dst->mtu && tp->pmtudisc != IP_PMTUDISC_DONT) tp->sk_err_soft = EMSGSIZE;  // narrower than is believed
  const bool believes =
      tp->pmtudisc != IP_PMTUDISC_DONT && tp->pmtudisc != IP_PMTUDISC_INTERFACE && tp->pmtudisc != IP_PMTUDISC_OMIT;
  if (!believes || tp->icsk_pmtu <= dst->mtu) return;
  tcp_sync_mss(tp, dst->mtu);
  tcp_simple_retransmit(tp);
}

// The errno an error means to the application; 0: it is nobody's business.
int error_of(const IcmpError& e) {
  switch (e.type) {
    case ICMP_PARAMETERPROB: return EPROTO;
    case ICMP_TIME_EXCEEDED: return EHOSTUNREACH;
    case ICMP_DEST_UNREACH: return e.code <= NR_ICMP_UNREACH ? icmp_err_convert(e.code).error : 0;
    default: return 0;  // redirects are not followed, source quench is obsolete (RFC 6633)
  }
}

void ip_icmp_error(tcp_sock* tp, const Skb& skb, const Quoted& q, const IcmpError& e, int error) {
  if (!tp->sk_ext || !tp->sk_ext->recverr) return;
  Skb copy = skb_clone(*skb);
  skb_pull(copy, q.header_len);
  SockExterrCb cb{};
  cb.ee.ee_errno = static_cast<uint32_t>(error);
  cb.ee.ee_origin = SO_EE_ORIGIN_ICMP;
  cb.ee.ee_type = e.type;
  cb.ee.ee_code = e.code;
  cb.ee.ee_info = e.info;
  cb.has_offender = true;
  cb.offender = ip_saddr(*skb).v4_wire();
  cb.daddr = q.remote.v4_wire();
  cb.port = q.rport;
  (void)sock_queue_err_skb(tp, std::move(copy), cb);  // no room: its drop says so
}

void tcp_v4_sock_err(tcp_sock* tp, const Skb& skb, const Quoted& q, const IcmpError& e) {
  if (e.type == ICMP_DEST_UNREACH && e.code == ICMP_FRAG_NEEDED) return tcp_v4_mtu_reduced(tp, e.info);
  const int error = error_of(e);
  if (!error) return;
  const request_sock* fastopen = tp->ext->fastopen_rsk;
  if (!fastopen && unreachable_hop(e)) tcp_ld_RTO_revert(tp, q.seq);
  // A Fast Open child that was accepted already is treated like a connection.
  if (in_state(tp, bit(tcp_state::SYN_SENT) | bit(tcp_state::SYN_RECV)) && !(fastopen && !fastopen->sk)) {
    ip_icmp_error(tp, skb, q, e, error);
    return tcp_error(tp, error);
  }
  if (tp->sk_ext && tp->sk_ext->recverr) {
    tp->sk_err = static_cast<uint16_t>(error);
    sk_error_report(tp);
  } else {  // an error only if the connection times out
    tp->sk_err_soft = static_cast<uint16_t>(error);
  }
}

}  // namespace

void tcp_v4_err(void* ctx, const Skb& skb, uint8_t type, uint8_t code, uint32_t info) {
  Tcp& tcp = *static_cast<Tcp*>(ctx);
  Trace& trace = tcp.ns().trace;
  const Quoted q = read_quoted(skb);
  const IcmpError e{type, code, info};
  inet_hashinfo& tables = tcp.hashinfo();
  const uint32_t hash = tables.ehashfn(tcp.ns(), q.local, q.lport, q.remote, q.rport);
  sock_common* sk = tables.lookup_established(hash, q.local, q.lport, q.remote, q.rport);
  if (!sk) return trace.count(Mib::IcmpInErrors);
  if (sk->skc_state == tcp_state::TIME_WAIT) return;
  if (sk->skc_state == tcp_state::NEW_SYN_RECV) return tcp_req_err(tcp, static_cast<request_sock*>(sk), q, e);
  auto* tp = tcp_sk(static_cast<sock*>(sk));
  if (tp->skc_state == tcp_state::CLOSE) return;
  if (q.ttl < tp->sk_min_ttl) return trace.count(Mib::TcpExtTCPMinTTLDrop);
  const Seq snd_una = tp->ext->fastopen_rsk ? tp->ext->fastopen_rsk->snt_isn : tp->snd_una;
  if (!between(q.seq, snd_una, tp->snd_nxt)) return trace.count(Mib::TcpExtOutOfWindowIcmps);
  tcp_v4_sock_err(tp, skb, q, e);
  tcp_release_orphan(tp);
}

}  // namespace glass
