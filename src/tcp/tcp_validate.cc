// Is a segment acceptable? RFC 9293 section 3.10.7.4 steps 1, 2 and 4, with PAWS (RFC 7323) and the challenges of RFC
// 5961.
#include <algorithm>

#include "tcp/tcp_internal.h"

namespace glass {

void tcp_parse_options(const sk_buff& skb, tcp_options_received& o, bool established) {
  const tcphdr& th = tcp_hdr(skb);
  const TcpOptions parsed = parse_tcp_options(th.option_bytes());
  o.saw_tstamp = false;
  if (parsed.timestamps) {
    o.saw_tstamp = true;
    o.rcv_tsval = parsed.timestamps->tsval;
    o.rcv_tsecr = parsed.timestamps->tsecr;
  }
  if (established || !th.syn()) return;
  if (parsed.mss) o.mss_clamp = o.user_mss && o.user_mss < *parsed.mss ? o.user_mss : *parsed.mss;
  o.sack_ok = parsed.sack_permitted;
  o.wscale_ok = parsed.wscale.has_value();
  o.snd_wscale = parsed.wscale.value_or(0);
}

// RFC 7413 section 4.1.2: valid in SYN and SYN-ACK only; a cookie of a length that cannot be counts as none.
tcp_fastopen_cookie tcp_parse_fastopen_option(const sk_buff& skb) {
  tcp_fastopen_cookie foc;
  const TcpOptions parsed = parse_tcp_options(tcp_hdr(skb).option_bytes());
  if (!parsed.fastopen_cookie || !tcp_hdr(skb).syn()) return foc;
  const ByteSpan bytes = *parsed.fastopen_cookie;
  if (!bytes.empty() && (bytes.size() < TCP_FASTOPEN_COOKIE_MIN || bytes.size() > TCP_FASTOPEN_COOKIE_MAX)) return foc;
  foc.len = static_cast<int8_t>(bytes.size());
  foc.exp = parsed.fastopen_exp;
  std::ranges::copy(bytes, foc.val.begin());
  return foc;
}

bool tcp_fast_parse_options(tcp_sock* tp, const sk_buff& skb) {
  const tcphdr& th = tcp_hdr(skb);
  tcp_options_received& o = tp->rx_opt;
  o.saw_tstamp = false;
  if (th.doff() == sizeof(tcphdr) || !o.tstamp_ok) return false;
  if (!aligned_timestamp(th, o.rcv_tsval, o.rcv_tsecr)) {
    const TcpOptions parsed = parse_tcp_options(th.option_bytes());
    if (!parsed.timestamps) return true;
    o.rcv_tsval = parsed.timestamps->tsval;
    o.rcv_tsecr = parsed.timestamps->tsecr;
  }
  o.saw_tstamp = true;
  if (o.rcv_tsecr) o.rcv_tsecr -= tp->tsoffset;
  return true;
}

void tcp_store_ts_recent(tcp_sock* tp) {
  tp->rx_opt.ts_recent = tp->rx_opt.rcv_tsval;
  tp->rx_opt.ts_recent_stamp = static_cast<int64_t>(usecs64(now_of(tp)) / 1'000'000) + 1;
}

// RFC 7323 section 4.3: only a segment that covers the left edge may move the timestamp to echo.
void tcp_replace_ts_recent(tcp_sock* tp, Seq seq) {
  if (tp->rx_opt.saw_tstamp && !after(seq, tp->rcv_wup) && tcp_paws_check(tp->rx_opt, 0, now_of(tp)))
    tcp_store_ts_recent(tp);
}

bool tcp_paws_check(const tcp_options_received& o, uint32_t slack, Instant now) {
  if (static_cast<int32_t>(o.ts_recent - o.rcv_tsval) <= static_cast<int32_t>(slack)) return true;
  // RFC 7323 section 5.5: after 24 idle days the stored timestamp says nothing.
  if (static_cast<int64_t>(usecs64(now) / 1'000'000) >= o.ts_recent_stamp + TCP_PAWS_24DAYS) return true;
  return o.ts_recent == 0;
}

// A reset whose timestamp is old counts only where the stored one is older than a segment's lifetime: so that a peer
// whose clock started anew can still end what it no longer knows.
bool tcp_paws_reject(const tcp_options_received& o, bool rst, Instant now) {
  if (tcp_paws_check(o, 0, now)) return false;
  const auto second = static_cast<int64_t>(usecs64(now) / 1'000'000);
  return !rst || second < o.ts_recent_stamp + TCP_PAWS_MSL / 1s;
}

bool tcp_rate_limited(net& n, Mib skipped, Instant& last) {
  if (last != Instant{} && n.now - last < std::chrono::milliseconds(n.sysctl.tcp_invalid_ratelimit)) {
    n.trace.count(skipped);
    return true;
  }
  last = n.now;
  return false;
}

bool tcp_oow_rate_limited(net& n, const sk_buff& skb, Mib skipped, Instant& last) {
  const TcpCb& cb = TCP_SKB_CB(&skb);
  const bool has_data = cb.seq != cb.end_seq && !(cb.tcp_flags & TCPHDR_SYN);
  return !has_data && tcp_rate_limited(n, skipped, last);
}

namespace {

using tcp_state::bit;

// PAWS failed: is it only an ACK that was overtaken on the way? Then it is ignored in silence.
bool is_disordered_ack(const tcp_sock* tp, const Skb& skb) {
  const TcpCb& cb = TCP_SKB_CB(skb);
  const uint32_t window = uint32_t{ntohs(tcp_hdr(*skb).window)} << tp->rx_opt.snd_wscale;
  const bool updates_window =
      after(cb.seq, tp->snd_wl1) || (cb.seq == tp->snd_wl1 && (window > tp->snd_wnd || !window));
  const auto replay_ms = static_cast<int32_t>(tp->icsk_rto_us / 1000 * 6 / 5);
  return cb.seq == tp->rcv_nxt && cb.ack_seq == tp->snd_una && !updates_window &&
         static_cast<int32_t>(tp->rx_opt.ts_recent - tp->rx_opt.rcv_tsval) <= replay_ms;
}

enum class Paws { passed, failed, old_ack };

Paws tcp_disordered_ack_check(const tcp_sock* tp, const Skb& skb) {
  const TcpCb& cb = TCP_SKB_CB(skb);
  if (!tcp_hdr(*skb).ack() || cb.seq != cb.end_seq) return Paws::failed;
  if (before(cb.seq, tp->rcv_nxt)) return Paws::old_ack;
  return is_disordered_ack(tp, skb) ? Paws::passed : Paws::failed;
}

// Step 1a. PAWS does not stop a reset.
Paws check_paws(tcp_sock* tp, const Skb& skb) {
  if (!tcp_fast_parse_options(tp, *skb) || !tp->rx_opt.saw_tstamp ||
      tcp_paws_check(tp->rx_opt, TCP_PAWS_WINDOW, now_of(tp)))
    return Paws::passed;
  return tcp_hdr(*skb).rst() ? Paws::passed : tcp_disordered_ack_check(tp, skb);
}

// Step 1b. The window test, as lenient as Linux's: a FIN may stick out, and an empty queue takes a segment that
// overruns the edge.
enum class Window { fits, old, beyond, overruns };

Window tcp_sequence(const tcp_sock* tp, const Skb& skb) {
  const TcpCb& cb = TCP_SKB_CB(skb);
  if (before(cb.end_seq, tp->rcv_wup)) return Window::old;
  const Seq limit = tp->rcv_nxt + tcp_receive_window(tp);
  if (!after(cb.end_seq, limit)) return Window::fits;
  if (!after(cb.end_seq - (cb.tcp_flags & TCPHDR_FIN ? 1 : 0), limit)) return Window::fits;
  if (after(cb.seq, limit)) return Window::beyond;
  return tp->sk_receive_queue.empty() ? Window::fits : Window::overruns;
}

// A reset for rcv_nxt - 1 from a peer that has sent its FIN.
bool reset_before_fin(const tcp_sock* tp, const TcpCb& cb) {
  return cb.seq == tp->rcv_nxt - 1 &&
         in_state(tp, bit(tcp_state::CLOSE_WAIT) | bit(tcp_state::LAST_ACK) | bit(tcp_state::CLOSING));
}

// Step 2. RFC 5961 section 3.2: exactly the next byte, or the right edge of what SACK has reported.
bool reset_is_exact(const tcp_sock* tp, const TcpCb& cb) {
  if (cb.seq == tp->rcv_nxt || reset_before_fin(tp, cb)) return true;
  if (!tcp_is_sack(tp) || !tp->rx_opt.num_sacks) return false;
  Seq edge = tp->ext->selective_acks[0].end_seq;
  for (uint8_t i = 1; i < tp->rx_opt.num_sacks; ++i) edge = later(edge, tp->ext->selective_acks[i].end_seq);
  return cb.seq == edge;
}

void syn_challenge(tcp_sock* tp, bool syn_inerr) {
  if (syn_inerr) count(tp, Mib::TcpInErrs);
  count(tp, Mib::TcpExtTCPSYNChallenge);
  tcp_send_challenge_ack(tp);
}

// The SYN-ACK that answers our SYN-ACK when both sides opened at once.
bool is_simultaneous_synack(const tcp_sock* tp, const TcpCb& cb) {
  return tp->skc_state == tcp_state::SYN_RECV && (cb.tcp_flags & TCPHDR_ACK) && cb.seq + 1 == cb.end_seq &&
         cb.seq + 1 == tp->rcv_nxt && cb.ack_seq == tp->snd_nxt;
}

// What an old timestamp is answered with: nothing if it is only an ACK that was overtaken.
void answer_paws(tcp_sock* tp, const Skb& skb, Paws paws) {
  count(tp, paws == Paws::old_ack ? Mib::TcpExtPAWSOldAck : Mib::TcpExtPAWSEstab);
  if (paws == Paws::failed &&
      !tcp_oow_rate_limited(net_of(tp), *skb, Mib::TcpExtTCPACKSkippedPAWS, tp->ext.make().last_oow_ack_time))
    tcp_send_dupack(tp, *skb);
}

// A segment outside the window is answered with where the window is.
void answer_out_of_window(tcp_sock* tp, const Skb& skb, Window window) {
  if (tcp_hdr(*skb).rst()) return;
  if (window != Window::old) count(tp, Mib::TcpExtBeyondWindow);
  if (!tcp_oow_rate_limited(net_of(tp), *skb, Mib::TcpExtTCPACKSkippedSeq, tp->ext.make().last_oow_ack_time))
    tcp_send_dupack(tp, *skb);
}

bool drop(Skb& skb, Verdict why) {
  kfree_skb_reason(std::move(skb), why);
  return false;
}

}  // namespace

bool tcp_validate_incoming(tcp_sock* tp, Skb& skb, bool syn_inerr) {
  PROBE(net_of(tp).trace, skb);
  const TcpCb& cb = TCP_SKB_CB(skb);
  const tcphdr& th = tcp_hdr(*skb);
  const Paws paws = check_paws(tp, skb);
  const Window window = tcp_sequence(tp, skb);
  const bool outside = paws != Paws::passed || window != Window::fits;
  if (th.syn() && !th.rst() && (outside || !is_simultaneous_synack(tp, cb))) {
    syn_challenge(tp, syn_inerr);
    return drop(skb, DROP(TCP_INVALID_SYN));
  }
  if (paws != Paws::passed) {
    answer_paws(tp, skb, paws);
    return drop(skb, paws == Paws::old_ack ? DROP(TCP_RFC7323_PAWS_ACK) : DROP(TCP_RFC7323_PAWS));
  }
  if (window != Window::fits && !(th.rst() && reset_before_fin(tp, cb))) {
    answer_out_of_window(tp, skb, window);
    if (window == Window::old) return drop(skb, DROP(TCP_OLD_SEQUENCE));
    return drop(skb, window == Window::beyond ? DROP(TCP_INVALID_SEQUENCE) : DROP(TCP_INVALID_END_SEQUENCE));
  }
  if (!th.rst()) return true;
  if (!reset_is_exact(tp, cb)) {
    // A reset that comes before any data, and not where it should, smells of a middlebox that dislikes Fast Open.
    if (tp->syn_fastopen && !tp->data_segs_in && tp->skc_state == tcp_state::ESTABLISHED)
      tcp_fastopen_active_disable(tp);
    tcp_send_challenge_ack(tp);
    return drop(skb, DROP(TCP_RESET));
  }
  tcp_reset(tp);
  consume_skb(std::move(skb));
  return false;
}

}  // namespace glass
