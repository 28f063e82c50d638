// A segment while connecting (RFC 9293 section 3.10.7.3).
#include <algorithm>

#include "tcp/tcp_cong.h"
#include "tcp/tcp_internal.h"
#include "tcp/tcp_mtu_probe.h"

namespace glass {

namespace {

// Linux's shortest time-out: two ticks, and one more as its timers never fire early (HZ=250).
constexpr Duration TCP_TIMEOUT_MIN = 12ms;

// The ACK must acknowledge our SYN and nothing else; echoed timestamps must be ours.
Verdict check_ack(tcp_sock* tp, const Skb& skb) {
  const TcpCb& cb = TCP_SKB_CB(skb);
  if (!after(cb.ack_seq, tp->snd_una) || after(cb.ack_seq, tp->snd_nxt)) {
    // A stray connection's answer: resend the SYN soon, its RST may have been lost.
    if (!tp->icsk_retransmits) tcp_reset_xmit_timer(tp, ICSK_TIME_RETRANS, TCP_TIMEOUT_MIN);
    return DROP(TCP_INVALID_ACK_SEQUENCE);
  }
  const tcp_options_received& o = tp->rx_opt;
  if (o.saw_tstamp && o.rcv_tsecr) {
    const uint32_t first = msecs32(tp->retrans_stamp);
    if (o.rcv_tsecr - first > msecs32(now_of(tp)) - first) {
      count(tp, Mib::TcpExtPAWSActive);
      return DROP(TCP_RFC7323_PAWS);
    }
  }
  return nullptr;
}

void learn_timestamps(tcp_sock* tp) {
  tp->rx_opt.tstamp_ok = tp->rx_opt.saw_tstamp;
  tp->tcp_header_len = sizeof(tcphdr);
  if (tcp_md5_do_lookup(tp, tp->skc_daddr)) tp->tcp_header_len += TCPOLEN_MD5SIG_ALIGNED;
  if (!tp->rx_opt.tstamp_ok) return;
  tcp_store_ts_recent(tp);
  tp->tcp_header_len += TCPOLEN_TSTAMP_ALIGNED;
}

void learn_sequence(tcp_sock* tp, const TcpCb& cb) {
  tp->rcv_nxt = tp->copied_seq = tp->rcv_wup = cb.seq + 1;
  tp->snd_wl1 = cb.seq;
}

// The options both sides know; `own` of what is switched on here, as the parser does not ask.
void agree(tcp_options_received& o, const Sysctl& s) {
  o.saw_tstamp = o.saw_tstamp && s.tcp_timestamps;
  o.sack_ok = o.sack_ok && s.tcp_sack;
  o.wscale_ok = o.wscale_ok && s.tcp_window_scaling;
  if (!o.wscale_ok) o.snd_wscale = 0;
}

// The ACK of the SYN-ACK may wait for data that is about to go, or for the application's answer.
void ack_synack(tcp_sock* tp) {
  if (!tp->sk_write_pending && !tp->defer_accept && !inet_csk_in_pingpong_mode(tp)) return tcp_send_ack(tp);
  inet_csk_schedule_ack(tp);
  tcp_enter_quickack_mode(tp, TCP_MAX_QUICKACKS);
  tcp_reset_timer(tp, TcpTimer::delack, now_of(tp) + std::chrono::microseconds(TCP_DELACK_MAX_US));
  tp->icsk_ack.pending |= ICSK_ACK_TIMER;
}

// SYN-ACK: the connection is established.
void established(tcp_sock* tp, Skb skb, tcp_fastopen_cookie& foc) {
  const TcpCb cb = TCP_SKB_CB(skb);
  tp->snd_wl1 = cb.seq;
  tcp_ecn_rcv_synack(tp, tcp_hdr(*skb));
  tcp_try_undo_spurious_syn(tp);
  (void)tcp_ack(tp, skb, FLAG_SLOWPATH);
  learn_sequence(tp, cb);
  tp->snd_wnd = ntohs(tcp_hdr(*skb).window);  // never scaled on a SYN
  if (!tp->rx_opt.wscale_ok) {
    tp->rx_opt.snd_wscale = tp->rx_opt.rcv_wscale = 0;
    tp->window_clamp = std::min<uint32_t>(tp->window_clamp, 65535);
  }
  learn_timestamps(tp);
  if (tp->rx_opt.tstamp_ok) tp->advmss = static_cast<uint16_t>(tp->advmss - TCPOLEN_TSTAMP_ALIGNED);
  tcp_mtup_init(tp);
  tcp_sync_mss(tp, tp->icsk_pmtu);
  tcp_initialize_rcv_mss(tp);
  tcp_finish_connect(tp);
  const bool data_again = (tp->syn_fastopen || tp->syn_data) && tcp_rcv_fastopen_synack(tp, skb, foc);
  consume_skb(std::move(skb));
  sock_def_wakeup(tp);
  if (!data_again) ack_synack(tp);
  tcp_data_snd_check(tp);
}

// A bare SYN: both sides open at once.
void simultaneous_open(tcp_sock* tp, Skb skb) {
  const TcpCb cb = TCP_SKB_CB(skb);
  tcp_set_state(tp, tcp_state::SYN_RECV);
  learn_timestamps(tp);
  learn_sequence(tp, cb);
  tp->snd_wnd = ntohs(tcp_hdr(*skb).window);
  tp->max_window = tp->snd_wnd;
  tcp_ecn_rcv_syn(tp, tcp_hdr(*skb));
  tcp_mtup_init(tp);
  tcp_sync_mss(tp, tp->icsk_pmtu);
  tcp_initialize_rcv_mss(tp);
  tcp_send_synack(tp);
  consume_skb(std::move(skb));
}

// What a segment that is not taken has said of options counts for nothing.
void forget_options(tcp_sock* tp, uint16_t saved_clamp) {
  tcp_options_received& o = tp->rx_opt;
  o.saw_tstamp = o.tstamp_ok = o.sack_ok = o.wscale_ok = false;
  o.snd_wscale = 0;
  o.mss_clamp = saved_clamp;
}

// The segment without an acceptable ACK, and why it is not taken; null: it was.
Verdict without_ack(tcp_sock* tp, Skb& skb) {
  const tcphdr& th = tcp_hdr(*skb);
  if (th.rst()) return DROP(TCP_RESET);
  const tcp_options_received& o = tp->rx_opt;
  if (o.ts_recent_stamp && o.saw_tstamp && tcp_paws_reject(o, false, now_of(tp))) return DROP(TCP_RFC7323_PAWS);
  if (!th.syn()) return DROP(TCP_FLAGS);
  simultaneous_open(tp, std::move(skb));
  return nullptr;
}

}  // namespace

void tcp_finish_connect(tcp_sock* tp) {
  PROBE(net_of(tp).trace);
  tcp_set_state(tp, tcp_state::ESTABLISHED);
  tp->icsk_ack.lrcvtime = now_of(tp);
  tcp_init_transfer(tp);
  tp->lsndtime = now_of(tp);
  if (sock_flag(tp, SOCK_KEEPOPEN)) tcp_reset_timer(tp, TcpTimer::keepalive, now_of(tp) + keepalive_time_when(tp));
  if (tp->rx_opt.snd_wscale)
    tp->pred_flags = 0;
  else
    tcp_fast_path_on(tp);
}

void tcp_rcv_synsent_state_process(tcp_sock* tp, Skb skb) {
  PROBE(net_of(tp).trace, skb);
  const tcphdr& th = tcp_hdr(*skb);
  const uint16_t saved_clamp = tp->rx_opt.mss_clamp;
  tcp_parse_options(*skb, tp->rx_opt, false);
  agree(tp->rx_opt, net_of(tp).sysctl);
  if (tp->rx_opt.saw_tstamp && tp->rx_opt.rcv_tsecr) tp->rx_opt.rcv_tsecr -= tp->tsoffset;
  Verdict why = nullptr;
  if (!th.ack()) {
    why = without_ack(tp, skb);
    if (!why) return;  // keeps nothing: it is consumed
  } else if (const Verdict refused = check_ack(tp, skb)) {
    why = refused;
    tcp_v4_send_reset(tp->tcp(), skb, tp);
  } else if (th.rst()) {
    tcp_reset(tp);
    return consume_skb(std::move(skb));
  } else if (th.syn()) {
    tcp_fastopen_cookie foc = tcp_parse_fastopen_option(*skb);
    return established(tp, std::move(skb), foc);
  } else {
    why = DROP(TCP_FLAGS);
  }
  forget_options(tp, saved_clamp);
  kfree_skb_reason(std::move(skb), why);
}

}  // namespace glass
