// The handshake's own segments: SYN, SYN-ACK, and the numbers they begin with (RFC 9293 section 3.4.1, RFC 6528).
#include <algorithm>
#include <cstring>

#include "base/checksum.h"
#include "base/siphash.h"
#include "tcp/tcp_cong.h"
#include "tcp/tcp_hashtables.h"
#include "tcp/tcp_internal.h"
#include "tcp/tcp_mtu_probe.h"

namespace glass {

namespace {
struct TupleBytes {
  std::array<uint8_t, 16> local, remote;
  uint16_t lport, rport;
  uint32_t purpose;
};
}  // namespace

// RFC 6528: a clock of 64 ns ticks plus a keyed hash of the address pair.
Seq secure_tcp_seq(const net& n, const sock_common& s) {
  const TupleBytes t{s.skc_rcv_saddr.bytes, s.skc_daddr.bytes, s.skc_num, s.skc_dport, 1};
  const auto hash = static_cast<uint32_t>(siphash(n.secret, &t, sizeof t));
  return {hash + static_cast<uint32_t>(n.now.time_since_epoch().count() >> 6)};
}

uint32_t secure_tcp_ts_off(const net& n, const IpAddress& saddr, const IpAddress& daddr) {
  if (n.sysctl.tcp_timestamps != 1) return 0;
  const TupleBytes t{saddr.bytes, daddr.bytes, 0, 0, 2};
  return static_cast<uint32_t>(siphash(n.secret, &t, sizeof t));
}

namespace {

uint32_t mss_of_route(const dst_entry* dst) { return std::min<uint32_t>(dst->mtu - 40, 65495); }

void init_connection(tcp_sock* tp, const dst_entry* dst) {
  tp->tcp_header_len =
      static_cast<uint16_t>(sizeof(tcphdr) + (net_of(tp).sysctl.tcp_timestamps ? TCPOLEN_TSTAMP_ALIGNED : 0));
  if (tp->rx_opt.user_mss) tp->rx_opt.mss_clamp = tp->rx_opt.user_mss;
  tp->max_window = 0;
  tcp_sync_mss(tp, dst->mtu);
  tp->advmss = static_cast<uint16_t>(mss_of_route(dst));
  if (tp->rx_opt.user_mss) tp->advmss = std::min(tp->advmss, tp->rx_opt.user_mss);
  const uint32_t mss = tp->advmss - (tp->tcp_header_len - static_cast<uint32_t>(sizeof(tcphdr)));
  tcp_select_initial_window(net_of(tp), tcp_full_space(tp), mss, tp->rcv_wnd, tp->window_clamp,
                            net_of(tp).sysctl.tcp_window_scaling != 0, tp->rx_opt.rcv_wscale);
  tp->rcv_ssthresh = tp->rcv_wnd;
  tp->snd_wnd = 0;
  tp->snd_una = tp->snd_sml = tp->snd_nxt = tp->snd_up = tp->pushed_seq = tp->write_seq;
  tp->rcv_nxt = tp->rcv_wup = tp->copied_seq = {};
  tp->icsk_rto_us = TCP_TIMEOUT_INIT_US;
  tp->icsk_retransmits = 0;
}

// A SYN or SYN-ACK joins the retransmit queue and goes out.
Result<void> queue_control(tcp_sock* tp, uint16_t flags) {
  net& n = net_of(tp);
  Skb skb = alloc_skb(n.pool, n.trace, 0, 0);
  TcpCb cb{};
  cb.seq = tp->snd_nxt;
  cb.end_seq = cb.seq + 1;
  cb.tcp_flags = flags;
  if (!(flags & TCPHDR_ACK)) tcp_ecn_send_syn(tp, cb);
  cb.pcount = 1;
  TCP_SKB_CB(skb) = cb;
  skb->tstamp = n.now;
  tp->sk_wmem_queued += static_cast<int32_t>(skb->truesize);
  sk_buff* s = skb.get();
  tcp_rtx_queue_add(tp, std::move(skb));
  ++tp->packets_out;
  tp->write_seq = tp->snd_nxt = cb.end_seq;
  Result<void> sent = __tcp_transmit_skb(tp, *s);
  tcp_reset_xmit_timer(tp, ICSK_TIME_RETRANS, std::chrono::microseconds(tp->icsk_rto_us));
  return sent;
}

}  // namespace

Result<void> tcp_connect_start(tcp_sock* tp) {
  PROBE(net_of(tp).trace);
  dst_entry* dst = tcp_route(tp);
  if (!dst) return Err(tp->sk_err_soft ? tp->sk_err_soft : EHOSTUNREACH);
  init_connection(tp, dst);
  tp->retrans_stamp = now_of(tp);
  tp->lsndtime = now_of(tp);
  count(tp, Mib::TcpActiveOpens);
  (void)queue_control(tp, TCPHDR_SYN);  // a SYN that could not leave is repeated by the timer
  return {};
}

// Both sides opened at once: our SYN becomes a SYN-ACK.
void tcp_send_synack(tcp_sock* tp) {
  sk_buff* s = tp->tcp_rtx_queue.front();
  if (!s) return;
  TCP_SKB_CB(s).tcp_flags |= TCPHDR_ACK;
  tcp_ecn_send_synack(tp, TCP_SKB_CB(s));
  s->tstamp = now_of(tp);
  (void)__tcp_transmit_skb(tp, *s);
}

namespace {

uint32_t put_option(uint8_t* to, uint32_t at, uint32_t word) {
  const uint32_t w = htonl(word);
  std::memcpy(to + at, &w, 4);
  return at + 4;
}

uint32_t synack_options(uint8_t* to, const request_sock* req, uint32_t advmss) {
  uint32_t n = put_option(to, 0, 0x02040000u | advmss);
  if (req->tstamp_ok) {
    n = put_option(to, n, req->sack_ok ? 0x0402080au : 0x0101080au);
    n = put_option(to, n, msecs32(req->skc_net->now) + req->ts_off);
    n = put_option(to, n, req->ts_recent);
  } else if (req->sack_ok) {
    n = put_option(to, n, 0x01010402u);
  }
  if (req->wscale_ok) n = put_option(to, n, 0x01030300u | req->rcv_wscale);
  return n;
}

}  // namespace

void tcp_rtx_synack(Tcp& tcp, request_sock* req) {
  PROBE(tcp.ns().trace);
  net& n = tcp.ns();
  Result<dst_entry*> dst = tcp.ip().route_output(req->skc_daddr, req->skc_rcv_saddr);
  if (!dst) return;  // the timer tries again
  const tcp_sock* l = req->rsk_listener;
  uint32_t advmss = mss_of_route(*dst);
  if (l->rx_opt.user_mss) advmss = std::min<uint32_t>(advmss, l->rx_opt.user_mss);
  uint8_t options[MAX_TCP_OPTION_SPACE];
  const uint32_t size = static_cast<uint32_t>(sizeof(tcphdr)) + synack_options(options, req, advmss);
  Skb skb = alloc_skb(n.pool, n.trace, size, 64 + static_cast<uint32_t>(req->ireq_opt.size()));
  auto* th = reinterpret_cast<tcphdr*>(skb_put(skb, size));
  std::memset(th, 0, sizeof *th);
  std::memcpy(th + 1, options, size - sizeof(tcphdr));
  th->source = htons(req->skc_num);
  th->dest = htons(req->skc_dport);
  th->seq = htonl(req->snt_isn.v);
  th->ack_seq = htonl(req->rcv_nxt.v);
  th->doff_res = static_cast<uint8_t>(size / 4 << 4);
  th->flags = static_cast<uint8_t>(TCPHDR_SYN | TCPHDR_ACK | (req->ecn_ok ? TCPHDR_ECE : 0));
  th->window = htons(static_cast<uint16_t>(std::min<uint32_t>(req->rsk_rcv_wnd, 65535)));
  th->check = static_cast<uint16_t>(~csum_fold(csum_pseudo(req->skc_rcv_saddr, req->skc_daddr, size, IPPROTO_TCP, 0)));
  skb_reset_transport_header(skb);
  skb->ip_summed = IpSummed::partial;
  skb->csum_start = skb->transport_header;
  skb->csum_offset = offsetof(tcphdr, check);
  n.trace.count(Mib::TcpOutSegs);
  if (n.now != req->snt_synack) {
    ++req->num_retrans;
    n.trace.count(Mib::TcpRetransSegs);
    n.trace.count(Mib::TcpExtTCPSynRetrans);
  }
  (void)tcp.ip().ip_queue_xmit(std::move(skb), *dst, req->skc_rcv_saddr, req->skc_daddr,
                               {.tos = req->tos, .protocol = IPPROTO_TCP, .options = req->ireq_opt});
}

void tcp_init_transfer(tcp_sock* tp) {
  tcp_mtup_init(tp);
  tp->snd_cwnd = tcp_init_cwnd(tp);
  // RFC 6298 5.7 and RFC 5681 3.1: a handshake that had to be repeated starts with one segment.
  if (tp->total_retrans > 1) tp->snd_cwnd = 1;
  tp->snd_cwnd_stamp = now_of(tp);
  tp->cwnd_usage_seq = tp->snd_nxt;
  if (!tp->icsk_ca_initialized) tcp_init_congestion_control(tp);
  tcp_init_buffer_space(tp);
}

namespace {

bool tuple_in_use(Tcp& tcp, const tcp_sock* tp, uint16_t port, uint32_t& hash) {
  inet_hashinfo& t = tcp.hashinfo();
  hash = t.ehashfn(tcp.ns(), tp->skc_rcv_saddr, port, tp->skc_daddr, tp->skc_dport);
  const sock_common* other = t.lookup_established(hash, tp->skc_rcv_saddr, port, tp->skc_daddr, tp->skc_dport);
  if (!other) return false;
  if (other->skc_state != tcp_state::TIME_WAIT || !tcp.ns().sysctl.tcp_tw_reuse) return true;
  // RFC 6191: timestamps keep the two connections apart once the clock has moved on; Linux's default allows it over
  // loopback only.
  auto* tw = static_cast<tcp_timewait_sock*>(const_cast<sock_common*>(other));
  const bool allowed =
      tcp.ns().sysctl.tcp_tw_reuse == 1 || tp->skc_daddr.is_loopback() || tp->skc_rcv_saddr.is_loopback();
  const auto now_s = static_cast<int64_t>(usecs64(tcp.ns().now) / 1'000'000);
  if (!allowed || !tw->tw_ts_recent_stamp || now_s - tw->tw_ts_recent_stamp < 1) return true;
  tcp_timewait_kill(tcp, tw);
  return false;
}

// An ephemeral port whose address pair is free (RFC 6056 section 3.3.3: offset by a keyed hash of the destination).
Result<uint16_t> inet_hash_connect(Tcp& tcp, tcp_sock* tp, uint32_t& hash) {
  if (tp->skc_num) {
    if (tuple_in_use(tcp, tp, tp->skc_num, hash)) return Err(EADDRNOTAVAIL);
    return tp->skc_num;
  }
  net& n = tcp.ns();
  const auto low = static_cast<uint32_t>(n.sysctl.ip_local_port_range_low),
             high = static_cast<uint32_t>(n.sysctl.ip_local_port_range_high);
  const uint32_t range = high >= low ? high - low + 1 : 1;
  const uint32_t offset = n.rng.below(range);
  for (uint32_t i = 0; i < range; ++i) {
    const auto port = static_cast<uint16_t>(low + (offset + i) % range);
    if (!tcp.hashinfo().port_is_bound(port) && !tuple_in_use(tcp, tp, port, hash)) return port;
  }
  return Err(EADDRNOTAVAIL);
}

Result<void> choose_source(Tcp& tcp, tcp_sock* tp) {
  Result<dst_entry*> dst = tcp.ip().route_output(tp->skc_daddr, tp->skc_rcv_saddr);
  if (!dst) return Err(dst.error());
  if ((*dst)->is_broadcast || (*dst)->is_multicast) return Err(ENETUNREACH);
  if (tp->skc_rcv_saddr.is_unspecified()) tp->skc_rcv_saddr = (*dst)->saddr;
  return {};
}

Result<void> connect_again(tcp_sock* tp) {
  switch (tp->skc_state) {
    case tcp_state::SYN_SENT:
    case tcp_state::SYN_RECV: return Err(EALREADY);
    case tcp_state::LISTEN: return Err(EISCONN);
    default: return Err(EISCONN);
  }
}

}  // namespace

Result<void> Tcp::connect(sock* sk, const SocketAddress& remote) {
  PROBE(net_.trace);
  tcp_sock* tp = tcp_sk(sk);
  if (tp->skc_state != tcp_state::CLOSE) return connect_again(tp);
  if (tp->sk_err) return Err(sock_error(tp));
  const IpAddress bound = tp->skc_rcv_saddr;
  tp->skc_daddr = remote.address.is_unspecified() ? IpAddress::v4(127, 0, 0, 1) : remote.address;
  tp->skc_dport = remote.port;
  uint32_t hash = 0;
  Result<void> source = choose_source(*this, tp);
  Result<uint16_t> port = source ? inet_hash_connect(*this, tp, hash) : Result<uint16_t>(Err(source.error()));
  if (!port) {
    tp->skc_daddr = {};
    tp->skc_dport = 0;
    tp->skc_rcv_saddr = bound;
    return Err(port.error());
  }
  tp->skc_num = *port;
  tp->skc_hash = hash;
  tcp_set_state(tp, tcp_state::SYN_SENT);
  hashinfo().insert(tp);
  tp->write_seq = secure_tcp_seq(net_, *tp);
  tp->inet_id = static_cast<uint16_t>(net_.rng.next_u32());
  tp->tsoffset = secure_tcp_ts_off(net_, tp->skc_rcv_saddr, tp->skc_daddr);
  if (Result<void> started = tcp_connect_start(tp); !started) {
    tcp_done(tp);
    return started;
  }
  return Err(EINPROGRESS);
}

}  // namespace glass
