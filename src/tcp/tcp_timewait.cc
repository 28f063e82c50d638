// TIME_WAIT (RFC 9293 section 3.10.7.8, RFC 6191, RFC 1337) on an entry of its own, so that a finished connection holds
// little memory. An orphan's FIN_WAIT2 is kept the same way.
#include <algorithm>

#include "tcp/tcp_hashtables.h"
#include "tcp/tcp_internal.h"
#include "tcp/tcp_packet.h"

namespace glass {

namespace {

tcp_timewait_sock* owner(timer_list* t) {
  return reinterpret_cast<tcp_timewait_sock*>(reinterpret_cast<char*>(t) - offsetof(tcp_timewait_sock, tw_timer));
}

void tw_timer_handler(timer_list* t) {
  tcp_timewait_sock* tw = owner(t);
  tw->skc_net->trace.count(Mib::TcpExtTW);
  tcp_timewait_kill(*tw->tw_tcp, tw);
}

void reschedule(tcp_timewait_sock* tw, Duration in) {
  tw->skc_net->timers.mod_timer(&tw->tw_timer, tw->skc_net->now + in);
}

void send_tw_ack(Tcp& tcp, const tcp_timewait_sock* tw, const Skb& skb) {
  tcp_v4_send_ack(tcp, skb,
                  {.seq = tw->tw_snd_nxt,
                   .ack = tw->tw_rcv_nxt,
                   .win = tw->tw_rcv_wnd >> tw->tw_rcv_wscale,
                   .tsval = msecs32(tcp.ns().now) + tw->tw_ts_offset,
                   .tsecr = tw->tw_ts_recent,
                   .timestamps = tw->tw_ts_recent != 0,
                   .tos = tw->tw_tos,
                   .md5_key = tw->tw_md5_key.get()});
}

// Against loops of ACKs: bare segments share one clock (RFC 5961 section 7).
void answer_out_of_window(Tcp& tcp, tcp_timewait_sock* tw, const Skb& skb, Mib skipped) {
  if (!tcp_oow_rate_limited(tcp.ns(), *skb, skipped, tw->tw_last_oow_ack_time)) send_tw_ack(tcp, tw, skb);
}

struct TwSegment {
  tcp_options_received opt;
  bool paws_reject = false;
};

TwSegment read_options(const tcp_timewait_sock* tw, const Skb& skb) {
  TwSegment s;
  if (tcp_hdr(*skb).doff() == sizeof(tcphdr) || !tw->tw_ts_recent_stamp) return s;
  tcp_parse_options(*skb, s.opt, true);
  if (!s.opt.saw_tstamp) return s;
  s.opt.ts_recent = tw->tw_ts_recent;
  s.opt.ts_recent_stamp = tw->tw_ts_recent_stamp;
  s.paws_reject = tcp_paws_reject(s.opt, tcp_hdr(*skb).rst(), tw->skc_net->now);
  return s;
}

void remember_timestamp(tcp_timewait_sock* tw, const TwSegment& s) {
  if (!s.opt.saw_tstamp) return;
  tw->tw_ts_recent = s.opt.rcv_tsval;
  tw->tw_ts_recent_stamp = static_cast<int64_t>(usecs64(tw->skc_net->now) / 1'000'000) + 1;
}

Verdict reset_and_kill(Tcp& tcp, tcp_timewait_sock* tw, const Skb& skb, Verdict why) {
  tcp_v4_send_reset(tcp, skb, nullptr);
  tcp_timewait_kill(tcp, tw);
  return why;
}

// RFC 9293 3.10.7.4 for FIN_WAIT2 with nobody left to read: data draws a reset, a FIN leads to TIME_WAIT.
Verdict finwait2(Tcp& tcp, tcp_timewait_sock* tw, const Skb& skb, const TwSegment& s) {
  const TcpCb& cb = TCP_SKB_CB(skb);
  const tcphdr& th = tcp_hdr(*skb);
  if (s.paws_reject || !tcp_in_window(cb, tw->tw_rcv_nxt, tw->tw_rcv_wnd)) {
    answer_out_of_window(tcp, tw, skb, Mib::TcpExtTCPACKSkippedFinWait2);
    return DROP(TCP_TIMEWAIT);
  }
  if (th.rst()) {
    tcp_timewait_kill(tcp, tw);
    return DROP(TCP_RESET);
  }
  if (th.syn() && !before(cb.seq, tw->tw_rcv_nxt)) return reset_and_kill(tcp, tw, skb, DROP(TCP_INVALID_SYN));
  if (!th.ack() || !after(cb.end_seq, tw->tw_rcv_nxt) || cb.end_seq == cb.seq) return DROP(TCP_TIMEWAIT);
  if (!th.fin() || cb.end_seq != tw->tw_rcv_nxt + 1) return reset_and_kill(tcp, tw, skb, DROP(TCP_ABORT_ON_DATA));
  tw->tw_substate = tcp_state::TIME_WAIT;
  tw->tw_rcv_nxt = cb.end_seq;
  remember_timestamp(tw, s);
  reschedule(tw, TCP_TIMEWAIT_LEN);
  send_tw_ack(tcp, tw, skb);
  return DROP(TCP_TIMEWAIT);
}

// RFC 6191 section 2, RFC 9293 3.6.1: a SYN may reopen the connection if it is provably new.
bool syn_is_new(const tcp_timewait_sock* tw, const TcpCb& cb, const TwSegment& s) {
  if (after(cb.seq, tw->tw_rcv_nxt)) return true;
  return s.opt.saw_tstamp && tw->tw_ts_recent_stamp && static_cast<int32_t>(tw->tw_ts_recent - s.opt.rcv_tsval) < 0;
}

}  // namespace

void tcp_time_wait(tcp_sock* tp, uint8_t substate, Duration length) {
  Tcp& tcp = tp->tcp();
  net& n = tcp.ns();
  if (tcp.timewaits >= static_cast<unsigned>(n.sysctl.tcp_max_tw_buckets)) {
    n.trace.count(Mib::TcpExtTCPTimeWaitOverflow);
    return tcp_done(tp);
  }
  auto* tw = new (tcp.timewait_slab().alloc()) tcp_timewait_sock;
  static_cast<sock_common&>(*tw) = static_cast<const sock_common&>(*tp);
  tw->skc_next = nullptr;
  tw->skc_pprev = nullptr;
  tw->skc_state = tcp_state::TIME_WAIT;
  tw->tw_substate = substate;
  tw->tw_tcp = &tcp;
  tw->tw_rcv_wscale = tp->rx_opt.rcv_wscale;
  tw->tw_tos = tp->sk_tos;
  tw->tw_rcv_nxt = tp->rcv_nxt;
  tw->tw_snd_nxt = tp->snd_nxt;
  tw->tw_rcv_wnd = tcp_receive_window(tp);
  tw->tw_ts_recent = tp->rx_opt.ts_recent;
  tw->tw_ts_recent_stamp = tp->rx_opt.tstamp_ok ? tp->rx_opt.ts_recent_stamp : 0;
  tw->tw_ts_offset = tp->tsoffset;
  tw->tw_entry_stamp = n.now;
  if (const tcp_md5sig_key* key = tcp_md5_do_lookup(tp, tp->skc_daddr))
    tw->tw_md5_key = std::make_unique<tcp_md5sig_key>(*key);
  tw->tw_timer.function = tw_timer_handler;
  tcp.hashinfo().remove(tp);
  tcp.hashinfo().insert(tw);
  ++tcp.timewaits;
  const Duration least = std::chrono::microseconds((int64_t{tp->icsk_rto_us} << 2) - (tp->icsk_rto_us >> 1));
  reschedule(tw, std::max(length, least));
  tcp_update_metrics(tp);
  tcp_done(tp);
}

void tcp_timewait_kill(Tcp& tcp, tcp_timewait_sock* tw) {
  tcp.hashinfo().remove(tw);
  tcp.ns().timers.del_timer(&tw->tw_timer);
  --tcp.timewaits;
  tw->~tcp_timewait_sock();
  tcp.timewait_slab().free(tw);
}

namespace {

Verdict timewait(Tcp& tcp, tcp_timewait_sock* tw, const Skb& skb, const TwSegment& s) {
  const TcpCb& cb = TCP_SKB_CB(skb);
  const tcphdr& th = tcp_hdr(*skb);
  const bool bare = cb.seq == cb.end_seq || th.rst();
  if (!s.paws_reject && cb.seq == tw->tw_rcv_nxt && bare) {
    if (th.rst() && !tcp.ns().sysctl.tcp_rfc1337) {
      tcp_timewait_kill(tcp, tw);
      return DROP(TCP_RESET);
    }
    if (!th.rst()) reschedule(tw, TCP_TIMEWAIT_LEN);
    remember_timestamp(tw, s);
    return DROP(TCP_TIMEWAIT);
  }
  if (s.paws_reject) tcp.ns().trace.count(Mib::TcpExtPAWSTimewait);
  if (!th.rst()) {
    // A SYN without ACK may be a new connection's with an unlucky number: it does not prolong the wait.
    if (s.paws_reject || th.ack()) reschedule(tw, TCP_TIMEWAIT_LEN);
    answer_out_of_window(tcp, tw, skb, Mib::TcpExtTCPACKSkippedTimeWait);
  }
  return s.paws_reject ? DROP(TCP_RFC7323_TW_PAWS) : DROP(TCP_TIMEWAIT);
}

bool reopens(const tcp_timewait_sock* tw, const Skb& skb, const TwSegment& s) {
  const tcphdr& th = tcp_hdr(*skb);
  return th.syn() && !th.rst() && !th.ack() && !s.paws_reject && syn_is_new(tw, TCP_SKB_CB(skb), s);
}

// The number a connection begins with that follows this one on the same ports: beyond all the old one may have sent.
Seq next_isn(const tcp_timewait_sock* tw) {
  const Seq isn = tw->tw_snd_nxt + 65535 + 2;
  return isn.v ? isn : Seq{1};
}

}  // namespace

void tcp_timewait_process(Tcp& tcp, tcp_timewait_sock* tw, Skb skb) {
  PROBE(tcp.ns().trace, skb);
  const TwSegment s = read_options(tw, skb);
  const bool half_closed = tw->tw_substate == tcp_state::FIN_WAIT2;
  if (half_closed || !reopens(tw, skb, s)) {
    const Verdict why = half_closed ? finwait2(tcp, tw, skb, s) : timewait(tcp, tw, skb, s);
    return kfree_skb_reason(std::move(skb), why);
  }
  tcp_sock* listener = tcp.hashinfo().lookup_listener(tw->skc_rcv_saddr, tw->skc_num);
  if (!listener) {
    send_tw_ack(tcp, tw, skb);
    return kfree_skb_reason(std::move(skb), DROP(TCP_TIMEWAIT));
  }
  TcpCb& cb = TCP_SKB_CB(skb);
  cb.ack_seq = next_isn(tw);
  cb.sacked = 1;  // tells the listener that ack_seq is the number to begin with
  tcp_timewait_kill(tcp, tw);
  tcp_full_socket(listener, std::move(skb));
}

}  // namespace glass
