// A segment while connecting (RFC 9293 section 3.10.7.3).
#include "tcp/tcp_cong.h"
#include "tcp/tcp_internal.h"

namespace glass {

namespace {

// The ACK must acknowledge our SYN and nothing else; echoed timestamps must be ours.
Verdict check_ack(tcp_sock* tp, const Skb& skb) {
  const TcpCb& cb = TCP_SKB_CB(skb);
  if (!after(cb.ack_seq, tp->snd_una) || after(cb.ack_seq, tp->snd_nxt)) {
    // A stray connection's answer: resend the SYN soon, its RST may have been lost.
    if (!tp->icsk_retransmits) tcp_reset_xmit_timer(tp, ICSK_TIME_RETRANS, 4ms);
    return DROP(TCP_INVALID_ACK_SEQUENCE);
  }
  const tcp_options_received& o = tp->rx_opt;
  if (o.saw_tstamp && o.rcv_tsecr) {
    const uint32_t first = msecs32(tp->retrans_stamp != Instant{} ? tp->retrans_stamp : tp->lsndtime);
    if (o.rcv_tsecr - first > msecs32(now_of(tp)) - first) {
      count(tp, Mib::TcpExtPAWSActive);
      return DROP(TCP_RFC7323_PAWS);
    }
  }
  return nullptr;
}

void learn_options(tcp_sock* tp) {
  tcp_options_received& o = tp->rx_opt;
  o.tstamp_ok = o.saw_tstamp && net_of(tp).sysctl.tcp_timestamps;
  o.sack_ok = o.sack_ok && net_of(tp).sysctl.tcp_sack;
  o.wscale_ok = o.wscale_ok && net_of(tp).sysctl.tcp_window_scaling;
  if (!o.wscale_ok) {
    o.snd_wscale = o.rcv_wscale = 0;
    tp->window_clamp = std::min<uint32_t>(tp->window_clamp, 65535);
  }
  if (o.tstamp_ok) {
    tcp_store_ts_recent(tp);
    tp->tcp_header_len = sizeof(tcphdr) + TCPOLEN_TSTAMP_ALIGNED;
    tp->advmss = static_cast<uint16_t>(tp->advmss - TCPOLEN_TSTAMP_ALIGNED);
  } else {
    tp->tcp_header_len = sizeof(tcphdr);
  }
}

void learn_sequence(tcp_sock* tp, const TcpCb& cb) {
  tp->rcv_nxt = tp->copied_seq = tp->rcv_wup = cb.seq + 1;
  tp->snd_wl1 = cb.seq;
}

// SYN-ACK: the connection is established.
void established(tcp_sock* tp, Skb skb) {
  const TcpCb cb = TCP_SKB_CB(skb);
  tp->snd_wl1 = cb.seq;
  tcp_ecn_rcv_synack(tp, tcp_hdr(*skb));
  learn_options(tp);
  learn_sequence(tp, cb);
  (void)tcp_ack(tp, skb, FLAG_SLOWPATH);
  tp->rcv_wup = tp->rcv_nxt;
  tp->snd_wnd = ntohs(tcp_hdr(*skb).window);  // never scaled on a SYN
  tp->max_window = tp->snd_wnd;
  tcp_sync_mss(tp, tp->icsk_pmtu);
  tcp_finish_connect(tp);
  consume_skb(std::move(skb));
  const bool data_waits = !tp->sk_write_queue.empty();
  if (data_waits || tp->icsk_ack.pingpong) {  // our data will carry the ACK
    inet_csk_schedule_ack(tp);
    tp->icsk_ack.quick = TCP_MAX_QUICKACKS;
    tcp_reset_timer(tp, TcpTimer::delack, now_of(tp) + std::chrono::microseconds(TCP_DELACK_MAX_US));
    tp->icsk_ack.pending |= ICSK_ACK_TIMER;
    tcp_push_pending_frames(tp);
  } else {
    tcp_send_ack(tp);
  }
}

// A bare SYN: both sides open at once.
void simultaneous_open(tcp_sock* tp, Skb skb) {
  const TcpCb cb = TCP_SKB_CB(skb);
  tcp_set_state(tp, tcp_state::SYN_RECV);
  learn_options(tp);
  learn_sequence(tp, cb);
  tp->rcv_wup = tp->rcv_nxt;
  tp->snd_wnd = ntohs(tcp_hdr(*skb).window);
  tp->max_window = tp->snd_wnd;
  tcp_sync_mss(tp, tp->icsk_pmtu);
  tcp_ecn_rcv_syn(tp, tcp_hdr(*skb));
  tcp_send_synack(tp);
  consume_skb(std::move(skb));
}

}  // namespace

void tcp_finish_connect(tcp_sock* tp) {
  PROBE(net_of(tp).trace);
  tcp_set_state(tp, tcp_state::ESTABLISHED);
  tp->retrans_stamp = {};
  tcp_init_transfer(tp);
  tp->lsndtime = now_of(tp);
  tp->icsk_ack.lrcvtime = now_of(tp);
  if (sock_flag(tp, SOCK_KEEPOPEN)) tcp_reset_timer(tp, TcpTimer::keepalive, now_of(tp) + keepalive_time_when(tp));
  if (tp->rx_opt.snd_wscale)
    tp->pred_flags = 0;
  else
    tcp_fast_path_on(tp);
  sock_def_wakeup(tp);
}

void tcp_rcv_synsent_state_process(tcp_sock* tp, Skb skb) {
  PROBE(net_of(tp).trace, skb);
  const tcphdr& th = tcp_hdr(*skb);
  const tcp_options_received before_parse = tp->rx_opt;
  tcp_parse_options(*skb, tp->rx_opt, false);
  if (tp->rx_opt.saw_tstamp && tp->rx_opt.rcv_tsecr) tp->rx_opt.rcv_tsecr -= tp->tsoffset;
  if (th.ack()) {
    if (Verdict why = check_ack(tp, skb)) {
      tp->rx_opt = before_parse;
      tcp_v4_send_reset(tp->tcp(), skb);
      return kfree_skb_reason(std::move(skb), why);
    }
    if (th.rst()) {
      tcp_reset(tp);
      return consume_skb(std::move(skb));
    }
    if (!th.syn()) {
      tp->rx_opt = before_parse;
      return kfree_skb_reason(std::move(skb), DROP(TCP_FLAGS));
    }
    return established(tp, std::move(skb));
  }
  if (th.rst()) {
    tp->rx_opt = before_parse;
    return kfree_skb_reason(std::move(skb), DROP(TCP_RESET));
  }
  if (th.syn()) return simultaneous_open(tp, std::move(skb));
  tp->rx_opt = before_parse;
  kfree_skb_reason(std::move(skb), DROP(TCP_FLAGS));
}

}  // namespace glass
