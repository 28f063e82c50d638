// Listeners: a SYN makes a half-open connection (RFC 9293 section 3.10.7.2), accept() hands out finished ones.
#include <algorithm>

#include "tcp/tcp_hashtables.h"
#include "tcp/tcp_internal.h"
#include "tcp/tcp_packet.h"

namespace glass {

bool tcp_accept_queue_full(const tcp_sock* l) { return l->sk_ack_backlog > l->sk_max_ack_backlog; }

namespace {

bool syn_queue_full(const tcp_sock* l) { return l->qlen > l->sk_max_ack_backlog; }

// Linux keeps the last quarter of tcp_max_syn_backlog for proven peers when there are no cookies to fall back on.
bool syn_backlog_reserved(const tcp_sock* l) {
  const int64_t max = net_of(l).sysctl.tcp_max_syn_backlog;
  return !net_of(l).sysctl.tcp_syncookies && max - l->qlen < max >> 2;
}

void init_options(request_sock* req, const tcp_sock* l, const Skb& skb) {
  tcp_options_received opt;
  opt.mss_clamp = 536;
  opt.user_mss = l->rx_opt.user_mss;
  tcp_parse_options(*skb, opt, false);
  req->mss = opt.mss_clamp;
  req->tstamp_ok = opt.saw_tstamp && net_of(l).sysctl.tcp_timestamps;
  req->ts_recent = req->tstamp_ok ? opt.rcv_tsval : 0;
  req->sack_ok = opt.sack_ok && net_of(l).sysctl.tcp_sack;
  req->wscale_ok = opt.wscale_ok && net_of(l).sysctl.tcp_window_scaling;
  req->snd_wscale = req->wscale_ok ? opt.snd_wscale : 0;
}

void init_window(request_sock* req, const tcp_sock* l, const dst_entry* dst) {
  const uint32_t mss = dst->mtu - 40 - (req->tstamp_ok ? 12 : 0);
  uint32_t clamp = l->window_clamp;
  tcp_select_initial_window(net_of(l), tcp_full_space(l), mss, req->rsk_rcv_wnd, clamp, req->wscale_ok,
                            req->rcv_wscale);
  req->window_clamp = clamp;
}

request_sock* reqsk_alloc(tcp_sock* l, const Skb& skb, Seq isn_from_timewait, bool has_isn) {
  Tcp& tcp = l->tcp();
  auto* req = new (tcp.request_slab().alloc()) request_sock;
  req->skc_net = &tcp.ns();
  req->skc_state = tcp_state::NEW_SYN_RECV;
  req->skc_rcv_saddr = ip_daddr(*skb);
  req->skc_daddr = ip_saddr(*skb);
  req->skc_num = ntohs(tcp_hdr(*skb).dest);
  req->skc_dport = ntohs(tcp_hdr(*skb).source);
  req->skc_hash = tcp.hashinfo().ehashfn(tcp.ns(), req->skc_rcv_saddr, req->skc_num, req->skc_daddr, req->skc_dport);
  req->rsk_listener = l;
  req->rcv_isn = TCP_SKB_CB(skb).seq;
  req->rcv_nxt = req->rcv_isn + 1;
  req->snt_isn = has_isn ? isn_from_timewait : secure_tcp_seq(tcp.ns(), *req);
  req->tos = l->sk_tos;
  uint8_t echo[40];
  if (const size_t n = tcp.ip().ip_options_echo(skb, echo)) [[unlikely]]
    req->ireq_opt.assign(echo, echo + n);
  init_options(req, l, skb);
  req->ecn_ok = tcp_ecn_create_request(l, *skb);
  if (req->tstamp_ok) req->ts_off = secure_tcp_ts_off(tcp.ns(), req->skc_rcv_saddr, req->skc_daddr);
  return req;
}

}  // namespace

Duration reqsk_timeout(const request_sock* req) {
  const int64_t most_us = req->skc_net->sysctl.tcp_rto_max_ms * 1000;
  const int doublings = std::min<int>(req->num_timeout, 20);
  return std::chrono::microseconds(std::min<int64_t>(int64_t{TCP_TIMEOUT_INIT_US} << doublings, most_us));
}

namespace {

void reqsk_timer_handler(timer_list* t) {
  auto* req = reinterpret_cast<request_sock*>(reinterpret_cast<char*>(t) - offsetof(request_sock, rsk_timer));
  net& n = *req->skc_net;
  tcp_sock* l = req->rsk_listener;
  if (!l) return;
  Tcp& tcp = l->tcp();
  const int retries = l->icsk_syn_retries ? l->icsk_syn_retries : static_cast<int>(n.sysctl.tcp_synack_retries);
  const bool waits_for_data = req->acked && l->defer_accept;
  n.trace.count(Mib::TcpExtTCPTimeouts);
  if (req->num_timeout >= (waits_for_data ? l->defer_accept : retries)) return inet_csk_reqsk_queue_drop(tcp, req);
  // An acknowledged request needs no further SYN-ACK until its last chance.
  if (!req->acked || req->num_timeout + 1 >= l->defer_accept) tcp_rtx_synack(tcp, req);
  ++req->num_timeout;
  n.timers.mod_timer(t, n.now + reqsk_timeout(req));
}

}  // namespace

void tcp_v4_conn_request(tcp_sock* l, Skb skb) {
  PROBE(net_of(l).trace, skb);
  if (!l->tcp().ip().is_local(ip_daddr(*skb))) {
    count(l, Mib::TcpExtListenDrops);
    return kfree_skb_reason(std::move(skb), DROP(IP_INVALID_DEST));
  }
  if (syn_queue_full(l) || syn_backlog_reserved(l)) {
    count(l, Mib::TcpExtTCPReqQFullDrop);
    count(l, Mib::TcpExtListenDrops);
    return kfree_skb_reason(std::move(skb), DROP(TCP_REQ_QFULL_DROP));
  }
  if (tcp_accept_queue_full(l)) {
    count(l, Mib::TcpExtListenOverflows);
    count(l, Mib::TcpExtListenDrops);
    return kfree_skb_reason(std::move(skb), DROP(TCP_LISTEN_OVERFLOW));
  }
  Result<dst_entry*> dst = l->tcp().ip().route_output(ip_saddr(*skb), ip_daddr(*skb));
  if (!dst) {
    count(l, Mib::IpOutNoRoutes);
    count(l, Mib::TcpExtListenDrops);
    return kfree_skb_reason(std::move(skb), DROP(IP_OUTNOROUTES));
  }
  // TIME_WAIT leaves the sequence number to begin with in ack_seq of a SYN it lets through.
  const bool from_timewait = TCP_SKB_CB(skb).sacked != 0;
  request_sock* req = reqsk_alloc(l, skb, TCP_SKB_CB(skb).ack_seq, from_timewait);
  init_window(req, l, *dst);
  net& n = net_of(l);
  req->snt_synack = n.now;
  req->rsk_timer.function = reqsk_timer_handler;
  n.timers.mod_timer(&req->rsk_timer, n.now + std::chrono::microseconds(TCP_TIMEOUT_INIT_US));
  l->tcp().hashinfo().insert(req);
  ++l->qlen;
  tcp_rtx_synack(l->tcp(), req);
  consume_skb(std::move(skb));
}

void reqsk_free(Tcp& tcp, request_sock* req) {
  tcp.hashinfo().remove(req);
  tcp.ns().timers.del_timer(&req->rsk_timer);
  req->~request_sock();
  tcp.request_slab().free(req);
}

void inet_csk_reqsk_queue_drop(Tcp& tcp, request_sock* req) {
  if (req->rsk_listener) --req->rsk_listener->qlen;
  reqsk_free(tcp, req);
}

void tcp_listen_stop(tcp_sock* l) {
  Tcp& tcp = l->tcp();
  tcp.hashinfo().remove_listener(l);
  while (request_sock* req = l->accept_head) {
    l->accept_head = req->dl_next;
    tcp_sock* child = tcp_sk(req->sk);
    reqsk_free(tcp, req);
    tcp_send_active_reset(child);
    tcp_done(child);
    tcp_destroy(child);
  }
  l->accept_tail = nullptr;
  l->sk_ack_backlog = 0;
  if (!l->qlen) return;
  std::vector<request_sock*> half_open;
  for (sock_common* s : tcp.hashinfo().ehash)
    for (; s; s = s->skc_next)
      if (s->skc_state == tcp_state::NEW_SYN_RECV && static_cast<request_sock*>(s)->rsk_listener == l)
        half_open.push_back(static_cast<request_sock*>(s));
  for (request_sock* req : half_open) inet_csk_reqsk_queue_drop(tcp, req);
}

Result<void> Tcp::listen(sock* sk, int backlog) {
  tcp_sock* l = tcp_sk(sk);
  if (!in_state(l, tcp_state::bit(tcp_state::CLOSE) | tcp_state::bit(tcp_state::LISTEN))) return Err(EINVAL);
  l->sk_max_ack_backlog = static_cast<uint16_t>(std::min(backlog, 65535));
  if (l->skc_state == tcp_state::LISTEN) return {};
  if (!l->skc_num) {
    if (Result<void> bound = bind(l, {l->skc_rcv_saddr, 0}); !bound) return bound;
  }
  l->skc_state = tcp_state::LISTEN;
  hashinfo().add_listener(l);
  return {};
}

Result<sock*> Tcp::accept(sock* sk) {
  tcp_sock* l = tcp_sk(sk);
  PROBE(net_.trace);
  if (l->skc_state != tcp_state::LISTEN) return Err(EINVAL);
  request_sock* req = l->accept_head;
  if (!req) return Err(EAGAIN);
  l->accept_head = req->dl_next;
  if (!l->accept_head) l->accept_tail = nullptr;
  --l->sk_ack_backlog;
  sock* child = req->sk;
  reqsk_free(*this, req);
  return child;
}

}  // namespace glass
