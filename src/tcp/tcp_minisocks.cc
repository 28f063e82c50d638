// A segment for a half-open connection (SYN received, SYN-ACK sent): RFC 9293 section 3.10.7.4 in the SYN-RECEIVED
// state, done on a small entry so that a flood of SYNs costs little.
#include "net/sk_error_queue.h"
#include "tcp/tcp_cong.h"
#include "tcp/tcp_hashtables.h"
#include "tcp/tcp_internal.h"
#include "tcp/tcp_packet.h"

namespace glass {

namespace {

struct ReqSegment {
  tcp_options_received opt;
  bool paws_reject = false, tsecr_reject = false;
};

uint32_t req_time_stamp(const request_sock* req) { return msecs32(req->skc_net->now) + req->ts_off; }

ReqSegment read_options(const request_sock* req, const Skb& skb) {
  ReqSegment s;
  if (tcp_hdr(*skb).doff() == sizeof(tcphdr) || !req->tstamp_ok) return s;
  tcp_parse_options(*skb, s.opt, true);
  if (!s.opt.saw_tstamp) return s;
  s.opt.ts_recent = req->ts_recent;
  const Instant now = req->skc_net->now;
  s.opt.ts_recent_stamp = usecs64(now) / 1'000'000 - 1;
  s.paws_reject = !tcp_hdr(*skb).rst() && !tcp_paws_check(s.opt, 0, now);
  const uint32_t first = msecs32(req->snt_synack) + req->ts_off, age = req_time_stamp(req) - first;
  s.tsecr_reject = s.opt.rcv_tsecr && tcp_hdr(*skb).ack() && s.opt.rcv_tsecr - first > age;
  return s;
}

void send_request_ack(Tcp& tcp, const request_sock* req, const Skb& skb) {
  tcp_v4_send_ack(tcp, skb,
                  {.seq = req->snt_isn + 1,
                   .ack = req->rcv_nxt,
                   .win = req->rsk_rcv_wnd >> req->rcv_wscale,
                   .tsval = req_time_stamp(req),
                   .tsecr = req->ts_recent,
                   .timestamps = req->tstamp_ok,
                   .tos = req->tos});
}

Verdict unacceptable(Tcp& tcp, request_sock* req, const Skb& skb, const ReqSegment& s) {
  net& n = tcp.ns();
  if (!tcp_hdr(*skb).rst() && !tcp_oow_rate_limited(n, *skb, Mib::TcpExtTCPACKSkippedSynRecv, req->last_oow_ack_time))
    send_request_ack(tcp, req, skb);
  if (s.paws_reject) {
    n.trace.count(Mib::TcpExtPAWSEstab);
    return DROP(TCP_RFC7323_PAWS);
  }
  if (s.tsecr_reject) {
    n.trace.count(Mib::TcpExtTSEcrRejected);
    return DROP(TCP_RFC7323_TSECR);
  }
  return DROP(TCP_OVERWINDOW);
}

// The connection attempt is over: the entry goes, with a reset unless the segment was one.
Verdict embryonic_reset(Tcp& tcp, request_sock* req, const Skb& skb) {
  if (!tcp_hdr(*skb).rst()) tcp_v4_send_reset(tcp, skb);
  tcp.ns().trace.count(Mib::TcpExtEmbryonicRsts);
  inet_csk_reqsk_queue_drop(tcp, req);
  return DROP(TCP_REQUEST);
}

Verdict reset_in_window(Tcp& tcp, request_sock* req, const Skb& skb) {
  net& n = tcp.ns();
  if (tcp_hdr(*skb).rst() && TCP_SKB_CB(skb).seq != req->rcv_nxt) {  // RFC 5961 section 3
    if (!tcp_rate_limited(n, Mib::TcpExtTCPACKSkippedChallenge, req->last_oow_ack_time)) {
      n.trace.count(Mib::TcpExtTCPChallengeACK);
      send_request_ack(tcp, req, skb);
    }
    return DROP(TCP_REQUEST);
  }
  n.trace.count(Mib::TcpAttemptFails);
  return embryonic_reset(tcp, req, skb);
}

Verdict synack_again(Tcp& tcp, request_sock* req, const Skb& skb) {
  if (!tcp_oow_rate_limited(tcp.ns(), *skb, Mib::TcpExtTCPACKSkippedSynRecv, req->last_oow_ack_time)) {
    tcp_rtx_synack(tcp, req);
    tcp.ns().timers.mod_timer(&req->rsk_timer, tcp.ns().now + reqsk_timeout(req));
  }
  return DROP(TCP_REQUEST);
}

void child_options(tcp_sock* c, const request_sock* req) {
  tcp_options_received& o = c->rx_opt;
  o.tstamp_ok = req->tstamp_ok;
  o.sack_ok = req->sack_ok;
  o.wscale_ok = req->wscale_ok;
  o.snd_wscale = req->snd_wscale;
  o.rcv_wscale = req->rcv_wscale;
  o.mss_clamp = req->mss;
  if (req->tstamp_ok) {
    o.ts_recent = req->ts_recent;
    o.ts_recent_stamp = static_cast<int64_t>(usecs64(now_of(c)) / 1'000'000);
    c->tcp_header_len = sizeof(tcphdr) + TCPOLEN_TSTAMP_ALIGNED;
  }
  c->tsoffset = req->ts_off;
  tcp_ecn_openreq_child(c, req->ecn_ok);
  c->inet_opt = req->ireq_opt;
  c->icsk_ext_hdr_len = static_cast<uint16_t>(c->inet_opt.size());
}

void child_sequence(tcp_sock* c, const request_sock* req) {
  const Seq mine = req->snt_isn + 1, theirs = req->rcv_nxt;
  c->rcv_wup = c->copied_seq = c->rcv_nxt = theirs;
  c->snd_una = c->snd_nxt = c->snd_sml = c->snd_up = c->write_seq = c->pushed_seq = mine;
  c->snd_wl1 = req->rcv_isn;
  c->rcv_wnd = c->rcv_ssthresh = req->rsk_rcv_wnd;
  c->window_clamp = req->window_clamp;
  c->total_retrans = req->num_retrans;
}

void child_from_listener(tcp_sock* c, const tcp_sock* l) {
  c->sk_rcvbuf = l->sk_rcvbuf;
  c->sk_sndbuf = l->sk_sndbuf;
  c->sk_userlocks = l->sk_userlocks & (SOCK_SNDBUF_LOCK | SOCK_RCVBUF_LOCK);
  c->sk_flags = l->sk_flags & (SOCK_KEEPOPEN | SOCK_URGINLINE | SOCK_ZEROCOPY | SOCK_RCVTSTAMP);
  sock_ext_inherit(c, l);
  c->notsent_lowat = l->notsent_lowat;
  c->pmtudisc = l->pmtudisc;
  c->sk_tos = l->sk_tos;
  c->sk_ttl = l->sk_ttl;
  c->sk_min_ttl = l->sk_min_ttl;
  c->sk_linger = l->sk_linger;
  c->sk_lingertime = l->sk_lingertime;
  c->skc_reuse = l->skc_reuse;
  c->nonagle = l->nonagle;
  c->linger2 = l->linger2;
  c->keepalive_time = l->keepalive_time;
  c->keepalive_intvl = l->keepalive_intvl;
  c->keepalive_probes = l->keepalive_probes;
  c->icsk_user_timeout_ms = l->icsk_user_timeout_ms;
  c->icsk_ca_setsockopt = l->icsk_ca_setsockopt;
  if (l->icsk_ca_setsockopt) c->icsk_ca_ops = l->icsk_ca_ops;
  tcp_ecn_assign(c);
  c->rx_opt.user_mss = l->rx_opt.user_mss;
}

tcp_sock* tcp_v4_syn_recv_sock(Tcp& tcp, request_sock* req) {
  PROBE(tcp.ns().trace);
  const tcp_sock* l = req->rsk_listener;
  if (tcp_accept_queue_full(l)) {
    count(l, Mib::TcpExtListenOverflows);
    count(l, Mib::TcpExtListenDrops);
    return nullptr;
  }
  Result<sock*> made = tcp.create(l->skc_family);
  tcp_sock* c = tcp_sk(*made);
  c->skc_rcv_saddr = req->skc_rcv_saddr;
  c->skc_daddr = req->skc_daddr;
  c->skc_num = req->skc_num;
  c->skc_dport = req->skc_dport;
  c->skc_hash = req->skc_hash;
  child_from_listener(c, l);
  child_options(c, req);
  child_sequence(c, req);
  if (tcp_route(c)) tcp_sync_mss(c, c->sk_dst_cache->mtu);
  c->advmss = static_cast<uint16_t>(std::min<uint32_t>(c->icsk_pmtu - 40, 65535));
  c->icsk_ack.rcv_mss = static_cast<uint16_t>(std::min<uint32_t>(c->mss_cache, 536));
  c->icsk_ack.lrcvtime = now_of(c);
  c->skc_state = tcp_state::SYN_RECV;
  c->inet_id = static_cast<uint16_t>(tcp.ns().rng.next_u32());
  // RFC 6298 section 5.7's sample comes from the SYN-ACK, unless it was sent more than once.
  if (!req->num_retrans) c->retrans_stamp = req->snt_synack;
  count(c, Mib::TcpPassiveOpens);
  return c;
}

void accept_queue_add(request_sock* req, tcp_sock* child) {
  tcp_sock* l = req->rsk_listener;
  req->sk = child;
  req->dl_next = nullptr;
  (l->accept_tail ? l->accept_tail->dl_next : l->accept_head) = req;
  l->accept_tail = req;
  ++l->sk_ack_backlog;
}

// The ACK is good: the connection is made, and the segment goes on to it.
void complete(Tcp& tcp, request_sock* req, Skb skb) {
  tcp_sock* child = tcp_v4_syn_recv_sock(tcp, req);
  if (!child) {
    Verdict overflow = DROP(TCP_LISTEN_OVERFLOW);
    if (tcp.ns().sysctl.tcp_abort_on_overflow)
      (void)embryonic_reset(tcp, req, skb);
    else
      req->acked = true;
    return kfree_skb_reason(std::move(skb), overflow);
  }
  tcp_sock* listener = req->rsk_listener;
  tcp.hashinfo().remove(req);
  tcp.ns().timers.del_timer(&req->rsk_timer);
  --listener->qlen;
  tcp.hashinfo().insert(child);
  accept_queue_add(req, child);
  tcp_rcv_state_process(child, std::move(skb));
  sock_def_readable(listener);
}

Verdict judge(Tcp& tcp, request_sock* req, const Skb& skb) {
  TcpCb& cb = TCP_SKB_CB(skb);
  const tcphdr& th = tcp_hdr(*skb);
  const uint16_t flags = th.flags & (TCPHDR_RST | TCPHDR_SYN | TCPHDR_ACK);
  const ReqSegment s = read_options(req, skb);
  if (cb.seq == req->rcv_isn && flags == TCPHDR_SYN && !s.paws_reject) return synack_again(tcp, req, skb);
  if (th.ack() && cb.ack_seq != req->snt_isn + 1) {
    tcp_v4_send_reset(tcp, skb);  // as the listener answers a stray ACK; the request lives on
    return DROP(TCP_FLAGS);
  }
  if (s.paws_reject || s.tsecr_reject || !tcp_in_window(cb, req->rcv_nxt, req->rsk_rcv_wnd))
    return unacceptable(tcp, req, skb, s);
  if (s.opt.saw_tstamp && !after(cb.seq, req->rcv_nxt)) req->ts_recent = s.opt.rcv_tsval;
  const bool old_syn = cb.seq == req->rcv_isn;  // a SYN that merely repeats itself does no harm
  if (th.rst() || (th.syn() && !old_syn)) return reset_in_window(tcp, req, skb);
  if (!th.ack()) return DROP(TCP_REQUEST);
  if (req->num_timeout < req->rsk_listener->defer_accept && cb.end_seq == req->rcv_isn + 1) {
    req->acked = true;
    tcp.ns().trace.count(Mib::TcpExtTCPDeferAcceptDrop);
    return DROP(TCP_DEFERRED);
  }
  return nullptr;
}

}  // namespace

void tcp_check_req(Tcp& tcp, request_sock* req, Skb skb) {
  PROBE(tcp.ns().trace, skb);
  tcp_sock* l = req->rsk_listener;
  if (l->sk_min_ttl && ip_ttl(*skb) < l->sk_min_ttl) {
    count(l, Mib::TcpExtTCPMinTTLDrop);
    return kfree_skb_reason(std::move(skb), DROP(TCP_MINTTL));
  }
  if (Verdict why = judge(tcp, req, skb)) return kfree_skb_reason(std::move(skb), why);
  complete(tcp, req, std::move(skb));
}

}  // namespace glass
