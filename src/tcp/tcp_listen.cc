// Listeners: a SYN makes a half-open connection (RFC 9293 section 3.10.7.2), accept() hands out finished ones.
#include <algorithm>

#include "tcp/syncookies.h"
#include "tcp/tcp_hashtables.h"
#include "tcp/tcp_internal.h"
#include "tcp/tcp_minisocks.h"
#include "tcp/tcp_packet.h"

namespace glass {

bool tcp_accept_queue_full(const tcp_sock* l) { return l->sk_ack_backlog > l->sk_max_ack_backlog; }

namespace {

bool syn_queue_full(const tcp_sock* l) { return l->ext->icsk_accept_queue->qlen > l->sk_max_ack_backlog; }

// Linux keeps the last quarter of tcp_max_syn_backlog for peers it has talked to when there are no cookies to fall back
// on.
bool syn_backlog_reserved(tcp_sock* l, const request_sock* req) {
  const Sysctl& s = net_of(l).sysctl;
  const int64_t max = s.tcp_max_syn_backlog;
  return !s.tcp_syncookies && max - l->ext->icsk_accept_queue->qlen < max >> 2 && !tcp_peer_is_proven(l->tcp(), *req);
}

// The options of a SYN. With a cookie only a timestamp can bring them back.
void init_options(request_sock* req, const tcp_sock* l, const Skb& skb) {
  tcp_options_received opt;
  opt.mss_clamp = 536;
  opt.user_mss = l->rx_opt.user_mss;
  tcp_parse_options(*skb, opt, false);
  const Sysctl& s = net_of(l).sysctl;
  req->mss = opt.mss_clamp;
  req->tstamp_ok = opt.saw_tstamp && s.tcp_timestamps;
  if (req->syncookie && !req->tstamp_ok) return;
  req->ts_recent = req->tstamp_ok ? opt.rcv_tsval : 0;
  req->sack_ok = opt.sack_ok && s.tcp_sack;
  req->wscale_ok = opt.wscale_ok && s.tcp_window_scaling;
  req->snd_wscale = req->wscale_ok ? opt.snd_wscale : 0;
}

void tcp_reqsk_record_syn(const tcp_sock* l, request_sock* req, const Skb& skb) {
  if (!l->save_syn) return;
  const uint8_t* from = l->save_syn == 2 ? skb->mac() : skb->network();
  const uint8_t* to = skb->transport() + tcp_hdr(*skb).doff();
  req->saved_syn = std::make_unique<std::vector<uint8_t>>(from, to);
}

}  // namespace

request_sock* inet_reqsk_alloc(tcp_sock* l, const Skb& skb) {
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
  req->tos = l->sk_tos;
  if (tcp.ns().sysctl.tcp_reflect_tos)
    req->tos = static_cast<uint8_t>((TCP_SKB_CB(skb).ip_dsfield & ~INET_ECN_MASK) | (l->sk_tos & INET_ECN_MASK));
  uint8_t echo[40];
  if (const size_t n = tcp.ip().ip_options_echo(skb, echo)) [[unlikely]]
    req->ireq_opt.assign(echo, echo + n);
  return req;
}

void tcp_openreq_init_rwin(request_sock* req, const tcp_sock* l, uint32_t mss) {
  const int full_space = tcp_full_space(l);
  uint32_t clamp = l->window_clamp;
  if ((l->sk_userlocks & SOCK_RCVBUF_LOCK) && (clamp > static_cast<uint32_t>(full_space) || !clamp))
    clamp = static_cast<uint32_t>(full_space);
  tcp_select_initial_window(net_of(l), full_space, mss, req->rsk_rcv_wnd, clamp, req->wscale_ok, req->rcv_wscale);
  req->window_clamp = clamp;
}

// Linux 6.18 bounds it by the constant: neither TCP_RTO_MAX_MS nor its sysctl counts for SYN-ACKs.
Duration reqsk_timeout(const request_sock* req) {
  constexpr int64_t kMostUs = 120'000'000;
  const int doublings = std::min<int>(req->num_timeout, 20);
  return std::chrono::microseconds(std::min(int64_t{TCP_TIMEOUT_INIT_US} << doublings, kMostUs));
}

namespace {

// Most half-open connections come through at once. The more of them have not, the sooner old ones are given up, so that
// there is room for young ones.
int max_synack_retries(const tcp_sock* l) {
  int retries = l->icsk_syn_retries ? l->icsk_syn_retries : static_cast<int>(net_of(l).sysctl.tcp_synack_retries);
  const request_sock_queue& queue = *l->ext->icsk_accept_queue;
  if (queue.qlen << 1 <= std::max<uint32_t>(8, l->sk_max_ack_backlog)) return retries;
  for (uint32_t young = queue.young << 1; retries > 2 && queue.qlen >= young; young <<= 1) --retries;
  return retries;
}

struct SynackFate {
  bool expire, resend;
};

// With TCP_DEFER_ACCEPT an acknowledged request waits for data; its SYN-ACK is repeated only as the last chance.
SynackFate syn_ack_recalc(const request_sock* req, int max_retries, int defer_accept) {
  const bool late = req->num_timeout >= max_retries;
  if (!defer_accept) return {late, true};
  return {late && (!req->acked || req->num_timeout >= defer_accept),
          !req->acked || req->num_timeout >= defer_accept - 1};
}

void reqsk_timer_handler(timer_list* t) {
  auto* req = reinterpret_cast<request_sock*>(reinterpret_cast<char*>(t) - offsetof(request_sock, rsk_timer));
  net& n = *req->skc_net;
  tcp_sock* l = req->rsk_listener;
  if (!l) return;
  Tcp& tcp = l->tcp();
  const SynackFate fate = syn_ack_recalc(req, max_synack_retries(l), l->defer_accept);
  n.trace.count(Mib::TcpExtTCPTimeouts);
  if (fate.expire) return inet_csk_reqsk_queue_drop(tcp, req);
  if (fate.resend && !tcp_rtx_synack(tcp, l, req) && !req->acked) return inet_csk_reqsk_queue_drop(tcp, req);
  if (req->num_timeout++ == 0) --l->ext->icsk_accept_queue->young;
  n.timers.mod_timer(t, n.now + reqsk_timeout(req));
}

void reqsk_queue_hash_add(tcp_sock* l, request_sock* req) {
  net& n = net_of(l);
  req->rsk_timer.function = reqsk_timer_handler;
  n.timers.mod_timer(&req->rsk_timer, n.now + reqsk_timeout(req));
  l->tcp().hashinfo().insert(req);
  ++l->ext->icsk_accept_queue->qlen;
  ++l->ext->icsk_accept_queue->young;
}

// A SYN that is not let in; nothing answers it.
void listen_drop(tcp_sock* l, Skb skb, Verdict why) {
  count(l, Mib::TcpExtListenDrops);
  kfree_skb_reason(std::move(skb), why);
}

// Whether a SYN is to be answered with a cookie. `from_timewait`: the peer is evidently real.
bool wants_cookie(const tcp_sock* l, bool from_timewait) {
  if (from_timewait) return false;
  return net_of(l).sysctl.tcp_syncookies == 2 || syn_queue_full(l);
}

void choose_isn(tcp_sock* l, request_sock* req, const Skb& skb, bool from_timewait) {
  if (req->tstamp_ok) req->ts_off = secure_tcp_ts_off(net_of(l), req->skc_rcv_saddr, req->skc_daddr);
  if (req->syncookie)
    req->snt_isn = cookie_init_sequence(l, skb, req->mss);
  else
    req->snt_isn = from_timewait ? TCP_SKB_CB(skb).ack_seq : secure_tcp_seq(net_of(l), *req);
}

// The SYN is answered: by a child at once, by a half-open connection, or by a cookie that leaves nothing behind.
void answer_syn(tcp_sock* l, request_sock* req, const Skb& skb, tcp_fastopen_cookie foc) {
  Tcp& tcp = l->tcp();
  if (req->syncookie) {
    (void)tcp_v4_send_synack(tcp, l, req, nullptr, SynackType::cookie);
    return reqsk_free(tcp, req);
  }
  tcp_reqsk_record_syn(l, req, skb);
  if (tcp_sock* child = tcp_try_fastopen(l, skb, req, foc)) {
    (void)tcp_v4_send_synack(tcp, child, req, &foc, SynackType::fastopen);
    inet_csk_reqsk_queue_add(l, req, child);
    return sock_def_readable(l);
  }
  reqsk_queue_hash_add(l, req);
  (void)tcp_v4_send_synack(tcp, l, req, &foc, SynackType::normal);
}

}  // namespace

void tcp_v4_conn_request(tcp_sock* l, Skb skb) {
  PROBE(net_of(l).trace, skb);
  Tcp& tcp = l->tcp();
  if (!tcp.ip().is_local(ip_daddr(*skb))) return listen_drop(l, std::move(skb), DROP(IP_INVALID_DEST));
  // TIME_WAIT leaves the sequence number to begin with in ack_seq of a SYN it lets through.
  const bool from_timewait = TCP_SKB_CB(skb).sacked != 0, cookie = wants_cookie(l, from_timewait);
  if (cookie && !net_of(l).sysctl.tcp_syncookies) {
    count(l, Mib::TcpExtTCPReqQFullDrop);
    return listen_drop(l, std::move(skb), DROP(TCP_REQ_QFULL_DROP));
  }
  if (cookie) count(l, Mib::TcpExtTCPReqQFullDoCookies);
  if (tcp_accept_queue_full(l)) {
    count(l, Mib::TcpExtListenOverflows);
    return listen_drop(l, std::move(skb), DROP(TCP_LISTEN_OVERFLOW));
  }
  Result<dst_entry*> dst = tcp.ip().route_output(ip_saddr(*skb), ip_daddr(*skb));
  if (!dst) {
    count(l, Mib::IpOutNoRoutes);
    return listen_drop(l, std::move(skb), DROP(IP_OUTNOROUTES));
  }
  request_sock* req = inet_reqsk_alloc(l, skb);
  req->rcv_isn = TCP_SKB_CB(skb).seq;
  req->rcv_nxt = req->rcv_isn + 1;
  req->syncookie = cookie;
  init_options(req, l, skb);
  req->ecn_ok = tcp_ecn_create_request(l, *skb) && (!cookie || req->tstamp_ok);
  if (!cookie && !from_timewait && syn_backlog_reserved(l, req)) {
    reqsk_free(tcp, req);
    return listen_drop(l, std::move(skb), DROP(TCP_REQ_QFULL_DROP));
  }
  choose_isn(l, req, skb, from_timewait);
  tcp_openreq_init_rwin(req, l, tcp_mss_clamp(l, dst_metric_advmss(net_of(l), *dst)) - (req->tstamp_ok ? 12 : 0));
  answer_syn(l, req, skb, cookie ? tcp_fastopen_cookie{} : tcp_parse_fastopen_option(*skb));
  consume_skb(std::move(skb));
}

void reqsk_free(Tcp& tcp, request_sock* req) {
  tcp.hashinfo().remove(req);
  tcp.ns().timers.del_timer(&req->rsk_timer);
  req->~request_sock();
  tcp.request_slab().free(req);
}

// It leaves the half-open ones, to end or to become a connection.
void inet_csk_reqsk_queue_removed(request_sock* req) {
  if (!req->rsk_listener) return;
  request_sock_queue& queue = *req->rsk_listener->ext->icsk_accept_queue;
  --queue.qlen;
  if (req->num_timeout == 0) --queue.young;
}

void inet_csk_reqsk_queue_drop(Tcp& tcp, request_sock* req) {
  inet_csk_reqsk_queue_removed(req);
  reqsk_free(tcp, req);
}

void inet_csk_reqsk_queue_add(tcp_sock* l, request_sock* req, tcp_sock* child) {
  request_sock_queue& queue = *l->ext->icsk_accept_queue;
  req->sk = child;
  req->dl_next = nullptr;
  (queue.rskq_accept_tail ? queue.rskq_accept_tail->dl_next : queue.rskq_accept_head) = req;
  queue.rskq_accept_tail = req;
  ++l->sk_ack_backlog;
}

namespace {

request_sock* reqsk_queue_remove(tcp_sock* l) {
  request_sock_queue& queue = *l->ext->icsk_accept_queue;
  request_sock* req = queue.rskq_accept_head;
  if (!req) return nullptr;
  queue.rskq_accept_head = req->dl_next;
  if (!queue.rskq_accept_head) queue.rskq_accept_tail = nullptr;
  --l->sk_ack_backlog;
  return req;
}

// A connection nobody has accepted when its listener goes.
void inet_child_forget(Tcp& tcp, request_sock* req) {
  tcp_sock* child = tcp_sk(req->sk);
  child->ext.make().fastopen_rsk = nullptr;
  (void)tcp_disconnect(child);
  tcp_destroy(child);
  reqsk_free(tcp, req);
}

}  // namespace

void tcp_listen_stop(tcp_sock* l) {
  Tcp& tcp = l->tcp();
  tcp.hashinfo().remove_listener(l);
  while (request_sock* req = reqsk_queue_remove(l)) inet_child_forget(tcp, req);
  tcp_fastopen_listen_stop(l);
  if (l->ext->icsk_accept_queue->qlen) {
    std::vector<request_sock*> half_open;
    for (sock_common* s : tcp.hashinfo().ehash)
      for (; s; s = s->skc_next)
        if (s->skc_state == tcp_state::NEW_SYN_RECV && static_cast<request_sock*>(s)->rsk_listener == l)
          half_open.push_back(static_cast<request_sock*>(s));
    for (request_sock* req : half_open) inet_csk_reqsk_queue_drop(tcp, req);
  }
}

Result<void> Tcp::listen(sock* sk, int backlog) {
  tcp_sock* l = tcp_sk(sk);
  if (!in_state(l, tcp_state::bit(tcp_state::CLOSE) | tcp_state::bit(tcp_state::LISTEN))) return Err(EINVAL);
  l->sk_max_ack_backlog = static_cast<uint16_t>(std::min(backlog, 65535));
  if (l->skc_state == tcp_state::LISTEN) return {};
  if (!tcp_has_port(l)) {
    if (Result<void> bound = bind(l, {l->skc_rcv_saddr, 0}); !bound) return bound;
  } else if (hashinfo().bind_conflict(l, l->skc_rcv_saddr, l->skc_num)) {
    return Err(EADDRINUSE);  // SO_REUSEADDR lets several bind, but one listen
  }
  if (!l->ext->icsk_accept_queue) l->ext.make().icsk_accept_queue = std::make_shared<request_sock_queue>();
  tcp_fastopen_listen(l, backlog);
  l->skc_state = tcp_state::LISTEN;
  hashinfo().add_listener(l);
  return {};
}

Result<sock*> Tcp::accept(sock* sk) {
  tcp_sock* l = tcp_sk(sk);
  PROBE(net_.trace);
  if (l->skc_state != tcp_state::LISTEN) return Err(EINVAL);
  request_sock* req = reqsk_queue_remove(l);
  if (!req) return Err(EAGAIN);
  sock* child = req->sk;
  if (req->tfo_listener)
    req->sk = nullptr;  // kept until the handshake's last ACK
  else
    reqsk_free(*this, req);
  return child;
}

}  // namespace glass
