// A segment for a half-open connection (SYN received, SYN-ACK sent): RFC 9293 section 3.10.7.4 in the SYN-RECEIVED
// state, done on a small entry so that a flood of SYNs costs little.
#include "tcp/tcp_minisocks.h"

#include "net/sk_error_queue.h"
#include "tcp/tcp_cong.h"
#include "tcp/tcp_hashtables.h"
#include "tcp/tcp_internal.h"
#include "tcp/tcp_packet.h"
#include "tcp/tcp_rate.h"

#undef TCP_FASTOPEN  // the socket option: here it is the drop reason

namespace glass {

namespace {

struct ReqSegment {
  tcp_options_received opt;
  bool paws_reject = false, tsecr_reject = false;
};

uint32_t req_time_stamp(const request_sock* req) { return msecs32(req->skc_net->now) + req->ts_off; }

ReqSegment read_options(const request_sock* req, const Skb& skb, bool fastopen) {
  ReqSegment s;
  if (tcp_hdr(*skb).doff() == sizeof(tcphdr) || !req->tstamp_ok) return s;
  tcp_parse_options(*skb, s.opt, true);
  if (!s.opt.saw_tstamp) return s;
  s.opt.ts_recent = req->ts_recent;
  const Instant now = req->skc_net->now;
  s.opt.ts_recent_stamp = static_cast<int64_t>(usecs64(now) / 1'000'000) - reqsk_timeout(req) / 1s;
  s.paws_reject = tcp_paws_reject(s.opt, tcp_hdr(*skb).rst(), now);
  const uint32_t first = req->snt_tsval_first, range = req->snt_tsval_last - first;
  s.tsecr_reject = !fastopen && s.opt.rcv_tsecr && s.opt.rcv_tsecr - first > range;
  return s;
}

void send_request_ack(Tcp& tcp, const tcp_sock* sk, const request_sock* req, const Skb& skb) {
  // A Fast Open child may have sent data already.
  const Seq seq = req->tfo_listener ? sk->snd_nxt : req->snt_isn + 1;
  tcp_v4_send_ack(tcp, skb,
                  {.seq = seq,
                   .ack = req->rcv_nxt,
                   .win = req->rsk_rcv_wnd >> req->rcv_wscale,
                   .tsval = req_time_stamp(req),
                   .tsecr = req->ts_recent,
                   .timestamps = req->ts_recent != 0,
                   .tos = ip_reply_tos(*skb),
                   .md5_key = tcp_md5_do_lookup(sk, req->skc_daddr)});
}

Verdict unacceptable(Tcp& tcp, const tcp_sock* sk, request_sock* req, const Skb& skb, const ReqSegment& s) {
  net& n = tcp.ns();
  if (!tcp_hdr(*skb).rst() && !tcp_oow_rate_limited(n, *skb, Mib::TcpExtTCPACKSkippedSynRecv, req->last_oow_ack_time))
    send_request_ack(tcp, sk, req, skb);
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

// The connection attempt is over: the entry goes, with a reset unless the segment was one. A Fast Open child outlives a
// bad SYN, so that strangers cannot take it down, but not a reset.
Verdict embryonic_reset(Tcp& tcp, tcp_sock* sk, request_sock* req, const Skb& skb, bool fastopen) {
  if (!tcp_hdr(*skb).rst()) {
    tcp_v4_send_reset(tcp, skb, sk);
  } else if (fastopen) {
    reqsk_fastopen_remove(sk, true);
    tcp_reset(sk);
  }
  if (!fastopen) {
    tcp.ns().trace.count(Mib::TcpExtEmbryonicRsts);
    inet_csk_reqsk_queue_drop(tcp, req);
  }
  return fastopen ? DROP(TCP_FASTOPEN) : DROP(TCP_REQUEST);
}

Verdict reset_in_window(Tcp& tcp, tcp_sock* sk, request_sock* req, const Skb& skb, bool fastopen) {
  net& n = tcp.ns();
  if (tcp_hdr(*skb).rst() && TCP_SKB_CB(skb).seq != req->rcv_nxt) {  // RFC 5961 section 3
    if (!tcp_rate_limited(n, Mib::TcpExtTCPACKSkippedChallenge, req->last_oow_ack_time)) {
      n.trace.count(Mib::TcpExtTCPChallengeACK);
      send_request_ack(tcp, sk, req, skb);
    }
    return fastopen ? DROP(TCP_FASTOPEN) : DROP(TCP_REQUEST);
  }
  n.trace.count(Mib::TcpAttemptFails);
  return embryonic_reset(tcp, sk, req, skb, fastopen);
}

Verdict synack_again(Tcp& tcp, tcp_sock* sk, request_sock* req, const Skb& skb, bool fastopen) {
  if (!tcp_oow_rate_limited(tcp.ns(), *skb, Mib::TcpExtTCPACKSkippedSynRecv, req->last_oow_ack_time) &&
      tcp_rtx_synack(tcp, sk, req) && !fastopen)
    tcp.ns().timers.mod_timer(&req->rsk_timer, tcp.ns().now + reqsk_timeout(req));
  return fastopen ? DROP(TCP_FASTOPEN) : DROP(TCP_REQUEST);
}

}  // namespace

ReqVerdict tcp_check_req(Tcp& tcp, tcp_sock* sk, request_sock* req, const Skb& skb, bool fastopen) {
  PROBE(tcp.ns().trace, skb);
  TcpCb& cb = TCP_SKB_CB(skb);
  const tcphdr& th = tcp_hdr(*skb);
  const uint16_t flags = th.flags & (TCPHDR_RST | TCPHDR_SYN | TCPHDR_ACK);
  const ReqSegment s = read_options(req, skb, fastopen);
  const auto drop = [](Verdict why) { return ReqVerdict{ReqFate::drop, why}; };
  if (cb.seq == req->rcv_isn && flags == TCPHDR_SYN && !s.paws_reject)
    return drop(synack_again(tcp, sk, req, skb, fastopen));
  // A bad ACK is answered by the listener like any stray one; the request lives on. A reset is judged by its number.
  if (th.ack() && !th.rst() && !fastopen && cb.ack_seq != req->snt_isn + 1) return {ReqFate::listener};
  if (s.paws_reject || s.tsecr_reject || !tcp_in_window(cb, req->rcv_nxt, req->rsk_rcv_wnd))
    return drop(unacceptable(tcp, sk, req, skb, s));
  const bool old_syn = cb.seq == req->rcv_isn;  // a SYN that merely repeats itself does no harm
  if (th.rst() || (th.syn() && !old_syn)) return drop(reset_in_window(tcp, sk, req, skb, fastopen));
  if (!th.ack()) return drop(fastopen ? DROP(TCP_FASTOPEN) : DROP(TCP_REQUEST));
  if (fastopen) return {ReqFate::child};
  if (req->num_timeout < sk->defer_accept && cb.end_seq == req->rcv_isn + 1) {
    req->acked = true;
    tcp.ns().trace.count(Mib::TcpExtTCPDeferAcceptDrop);
    return drop(DROP(TCP_DEFERRED));
  }
  // What it says of timestamps counts for the child it makes, not for the request.
  if (s.opt.saw_tstamp && !after(cb.seq, req->rcv_nxt) && !tcp_accept_queue_full(sk)) req->ts_recent = s.opt.rcv_tsval;
  return {ReqFate::child};
}

namespace {

void child_options(tcp_sock* c, const request_sock* req) {
  tcp_options_received& o = c->rx_opt;
  o.tstamp_ok = req->tstamp_ok;
  o.sack_ok = req->sack_ok;
  o.wscale_ok = req->wscale_ok;
  o.snd_wscale = req->wscale_ok ? req->snd_wscale : uint8_t{0};
  o.rcv_wscale = req->wscale_ok ? req->rcv_wscale : uint8_t{0};
  o.mss_clamp = req->mss;
  if (req->tstamp_ok) {
    o.ts_recent = req->ts_recent;
    o.ts_recent_stamp = static_cast<int64_t>(usecs64(now_of(c)) / 1'000'000);
    c->tcp_header_len = sizeof(tcphdr) + TCPOLEN_TSTAMP_ALIGNED;
  }
  c->tsoffset = req->ts_off;
  tcp_ecn_openreq_child(c, req->ecn_ok);
  if (!req->ireq_opt.empty()) c->ext.make().inet_opt = req->ireq_opt;
  c->icsk_ext_hdr_len = static_cast<uint16_t>(req->ireq_opt.size());
}

void child_sequence(tcp_sock* c, const request_sock* req) {
  const Seq mine = req->snt_isn + 1, theirs = req->rcv_isn + 1;
  c->rcv_wup = c->copied_seq = c->rcv_nxt = theirs;
  c->snd_una = c->snd_nxt = c->snd_sml = c->snd_up = c->write_seq = c->pushed_seq = mine;
  c->snd_wl1 = req->rcv_isn;
  c->rcv_wnd = c->rcv_ssthresh = req->rsk_rcv_wnd;
  c->window_clamp = req->wscale_ok ? req->window_clamp : std::min<uint32_t>(req->window_clamp, 65535);
  c->total_retrans = req->num_retrans;
  c->segs_in = 1;  // the SYN
}

// A repeated SYN-ACK may have been repeated for nothing: the timestamp of the first tells when its echo comes.
void child_undo(tcp_sock* c, const request_sock* req) {
  if (!req->num_timeout) return;
  c->undo_marker = req->snt_isn;
  c->retrans_stamp = req->snt_synack;
}

void child_from_listener(tcp_sock* c, const tcp_sock* l) {
  c->sk_rcvbuf = l->sk_rcvbuf;
  c->sk_sndbuf = l->sk_sndbuf;
  c->sk_userlocks = l->sk_userlocks & (SOCK_SNDBUF_LOCK | SOCK_RCVBUF_LOCK);
  c->sk_flags = l->sk_flags & (SOCK_KEEPOPEN | SOCK_URGINLINE | SOCK_ZEROCOPY | SOCK_RCVTSTAMP);
  sock_ext_inherit(c, l);
  c->set = l->set;
  c->pmtudisc = l->pmtudisc;
  c->sk_tos = l->sk_tos;
  c->sk_ttl = l->sk_ttl;
  c->sk_min_ttl = l->sk_min_ttl;
  c->sk_linger = l->sk_linger;
  c->sk_lingertime = l->sk_lingertime;
  c->skc_reuse = l->skc_reuse;
  c->nonagle = l->nonagle;
  c->icsk_syn_retries = l->icsk_syn_retries;
  c->icsk_ca_setsockopt = l->icsk_ca_setsockopt;
  if (l->icsk_ca_setsockopt) c->icsk_ca_ops = l->icsk_ca_ops;
  c->sk_pacing_needed = l->sk_pacing_needed && l->set->sk_max_pacing_rate != ~0ull;
  tcp_ecn_assign(c);
  c->rx_opt.user_mss = l->rx_opt.user_mss;
  c->scaling_ratio = l->scaling_ratio;
}

// What the path and the listener say of segment sizes.
void child_mss(tcp_sock* c, const tcp_sock* l) {
  const dst_entry* dst = tcp_route(c);
  if (!dst) return;
  tcp_sync_mss(c, dst->mtu);
  c->advmss = static_cast<uint16_t>(tcp_mss_clamp(l, dst_metric_advmss(net_of(c), dst)));
  tcp_initialize_rcv_mss(c);
}

void child_window(tcp_sock* c, const Skb& skb) {
  c->snd_wnd = uint32_t{ntohs(tcp_hdr(*skb).window)} << c->rx_opt.snd_wscale;
  c->max_window = c->snd_wnd;
  if (skb->len >= 536u + c->tcp_header_len)
    c->icsk_ack.last_seg_size = static_cast<uint16_t>(skb->len - c->tcp_header_len);
}

}  // namespace

tcp_sock* tcp_v4_syn_recv_sock(Tcp& tcp, tcp_sock* l, request_sock* req, const Skb& skb) {
  PROBE(tcp.ns().trace);
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
  if (tcp.ns().sysctl.tcp_reflect_tos) c->sk_tos = static_cast<uint8_t>(req->tos & ~INET_ECN_MASK);
  child_options(c, req);
  child_sequence(c, req);
  child_undo(c, req);
  if (const tcp_md5sig_key* key = tcp_md5_do_lookup(l, c->skc_daddr)) {
    tcp_md5_key_copy(c, c->skc_daddr, *key);
    c->tcp_header_len += TCPOLEN_MD5SIG_ALIGNED;
  }
  child_window(c, skb);
  child_mss(c, l);
  if (req->saved_syn) c->ext.make().saved_syn = std::move(req->saved_syn);
  c->icsk_ack.lrcvtime = c->lsndtime = now_of(c);
  c->skc_state = tcp_state::SYN_RECV;
  c->inet_id = static_cast<uint16_t>(tcp.ns().rng.next_u32());
  if (sock_flag(c, SOCK_KEEPOPEN)) tcp_reset_timer(c, TcpTimer::keepalive, now_of(c) + keepalive_time_when(c));
  count(c, Mib::TcpPassiveOpens);
  tcp.hashinfo().remove(req);
  tcp.ns().timers.del_timer(&req->rsk_timer);
  tcp.hashinfo().insert(c);
  return c;
}

// RFC 6298 section 3: the SYN-ACK gives the first sample; if it was sent more than once, the timestamp it echoes does.
void tcp_synack_rtt_meas(tcp_sock* c, const request_sock* req) {
  tcp_rtts rtts;
  if (req && !req->num_retrans && req->snt_synack != Instant{})
    rtts.seq_us = rtts.ca_us = to_usecs(now_of(c) - req->snt_synack);
  rate_sample rs;
  tcp_ack_update_rtt(c, FLAG_SYN_ACKED, rtts, rs);
}

void tcp_child_process(tcp_sock* l, tcp_sock* child, Skb skb) {
  PROBE(net_of(child).trace, skb);
  const uint8_t state = child->skc_state;
  tcp_rcv_state_process(child, std::move(skb));
  if (state == tcp_state::SYN_RECV && child->skc_state != state) sock_def_readable(l);
}

}  // namespace glass
