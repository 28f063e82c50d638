// What may leave now: congestion window, peer's window, Nagle (RFC 9293 section 3.8.6.2.1 and 3.7.4), and how much at a
// time.
#include <algorithm>

#include "tcp/tcp_internal.h"

namespace glass {

uint32_t tcp_mtu_to_mss(const tcp_sock* tp, uint32_t pmtu) {
  const uint32_t headers = 40 + tp->icsk_ext_hdr_len;  // IPv4 and TCP without options
  uint32_t mss = pmtu > headers ? pmtu - headers : 0;
  mss = std::min<uint32_t>(mss, tp->rx_opt.mss_clamp ? tp->rx_opt.mss_clamp : 65535);
  mss = std::max<uint32_t>(mss, static_cast<uint32_t>(net_of(tp).sysctl.tcp_min_snd_mss));
  return mss - (tp->tcp_header_len - static_cast<uint32_t>(sizeof(tcphdr)));
}

uint32_t tcp_mss_to_mtu(const tcp_sock* tp, uint32_t mss) {
  return mss + tp->tcp_header_len + tp->icsk_ext_hdr_len + 20;
}

uint32_t tcp_sync_mss(tcp_sock* tp, uint32_t pmtu) {
  tp->icsk_pmtu = pmtu;
  uint32_t mss = tcp_mtu_to_mss(tp, pmtu);
  // Never more than half of the largest window: the receiver's silly-window avoidance would wait for it.
  const uint32_t cutoff = tp->max_window > 536 ? tp->max_window >> 1 : tp->max_window;
  if (cutoff && mss > cutoff) mss = std::max(cutoff, 68u - tp->tcp_header_len);
  tp->mss_cache = static_cast<uint16_t>(mss);
  return mss;
}

// The MSS of the next segment: SACK blocks to send take their room from the data.
uint32_t tcp_current_mss(tcp_sock* tp) {
  dst_entry* dst = tcp_route(tp);
  if (dst && dst->mtu != tp->icsk_pmtu) tcp_sync_mss(tp, dst->mtu);
  const uint32_t options = tcp_established_options_size(tp),
                 usual = tp->tcp_header_len - static_cast<uint32_t>(sizeof(tcphdr));
  return tp->mss_cache + usual - options;
}

uint32_t tcp_xmit_size_goal(const tcp_sock* tp, uint32_t mss_now) {
  const uint32_t most = tp->sk_dst_cache ? std::min(tp->sk_dst_cache->dev->gso_max_size, 65536u) - 1 - 320 : mss_now;
  const uint32_t cutoff = tp->max_window > 536 ? tp->max_window >> 1 : tp->max_window;
  const uint32_t goal = cutoff && most > cutoff ? std::max(cutoff, 68u - tp->tcp_header_len) : most;
  return std::max(goal / mss_now * mss_now, mss_now);
}

namespace {

uint32_t cwnd_quota(const tcp_sock* tp) {
  const uint32_t in_flight = tcp_packets_in_flight(tp);
  return in_flight >= tp->snd_cwnd ? 0 : tp->snd_cwnd - in_flight;
}

bool snd_wnd_test(const tcp_sock* tp, const sk_buff* s, uint32_t mss) {
  Seq end = TCP_SKB_CB(s).end_seq;
  if (s->len > mss) end = TCP_SKB_CB(s).seq + mss;
  return !after(end, tcp_wnd_end(tp));
}

// Minshall's variant: only a small packet that is still unacknowledged holds another small one back.
bool minshall_check(const tcp_sock* tp) { return after(tp->snd_sml, tp->snd_una) && !after(tp->snd_sml, tp->snd_nxt); }

bool nagle_test(const tcp_sock* tp, const sk_buff* s, uint32_t mss, int nonagle) {
  if (nonagle & TCP_NAGLE_PUSH) return true;
  if (TCP_SKB_CB(s).tcp_flags & TCPHDR_FIN) return true;
  if (s->len >= mss) return true;
  const bool wait = (nonagle & TCP_NAGLE_CORK) || (!nonagle && tp->packets_out && minshall_check(tp));
  return !wait;
}

// A large segment is worth waiting for while ACKs are coming in anyway: better one large packet soon than a small one
// now.
bool tso_should_defer(const tcp_sock* tp, const sk_buff* s, uint32_t max_segs, uint32_t mss, bool& is_cwnd_limited) {
  if (tp->icsk_ca_state >= CaState::Recovery || !tp->packets_out) return false;
  if (TCP_SKB_CB(s).tcp_flags & TCPHDR_FIN) return false;
  if (now_of(tp) - tp->lsndtime >= 1ms) return false;
  const uint32_t send_win = tcp_wnd_end(tp) - TCP_SKB_CB(s).seq;
  const uint32_t cong_win = cwnd_quota(tp) * mss;
  const uint32_t limit = std::min(send_win, cong_win);
  if (limit >= max_segs * mss) return false;
  if (s->next && limit >= s->len) return false;
  const uint32_t chunk = std::min(tp->snd_wnd, tp->snd_cwnd * mss) / 3;
  if (limit >= chunk) return false;
  const sk_buff* head = tp->tcp_rtx_queue.front();
  if (!head || now_of(tp) - head->tstamp < std::chrono::microseconds(tp->srtt_us >> 4)) return false;
  if (cong_win < send_win && cong_win <= s->len) is_cwnd_limited = true;
  return true;
}

// How many bytes of the segment the windows and the size goal allow, in whole segments where more follow.
uint32_t mss_split_point(const tcp_sock* tp, const sk_buff* s, uint32_t mss, uint32_t max_segs, int nonagle) {
  const uint32_t window = tcp_wnd_end(tp) - TCP_SKB_CB(s).seq;
  const uint32_t max_len = mss * max_segs;
  if (max_len <= window && s != tp->sk_write_queue.back()) return max_len;
  const uint32_t needed = std::min(s->len, window);
  if (max_len <= needed) return max_len;
  const uint32_t partial = needed % mss;
  // The tail may go as well if Nagle has nothing against a small packet.
  if (nagle_test(tp, s, mss, nonagle) && needed == s->len && partial) {
    const bool small_may_go = (nonagle & (TCP_NAGLE_PUSH | TCP_NAGLE_OFF)) || !(tp->packets_out && minshall_check(tp));
    if (small_may_go && !(nonagle & TCP_NAGLE_CORK)) return needed;
  }
  return needed - partial;
}

void minshall_update(tcp_sock* tp, uint32_t mss, const sk_buff* s) {
  if (s->len < TCP_SKB_CB(s).pcount * mss) tp->snd_sml = TCP_SKB_CB(s).end_seq;
}

void event_new_data_sent(tcp_sock* tp) {
  Skb skb = tp->sk_write_queue.pop_front();
  const uint32_t prior = tp->packets_out;
  tp->snd_nxt = TCP_SKB_CB(skb).end_seq;
  tp->packets_out += TCP_SKB_CB(skb).pcount;
  tcp_rtx_queue_add(tp, std::move(skb));
  if (!prior || tp->icsk_pending == ICSK_TIME_LOSS_PROBE) tcp_rearm_rto(tp);
}

// Sends the head of the queue, at most `max_segs` of it. False: it has to wait.
bool xmit_head(tcp_sock* tp, uint32_t mss, int nonagle, bool push_one, uint32_t quota, bool& is_cwnd_limited) {
  sk_buff* s = tp->sk_write_queue.front();
  if (!TCP_SKB_CB(s).pcount || (TCP_SKB_CB(s).pcount > 1 && s->gso_size != mss) || s->len > mss)
    tcp_set_skb_tso_segs(s, mss);
  if (!snd_wnd_test(tp, s, mss)) return false;
  uint32_t limit = mss;
  if (TCP_SKB_CB(s).pcount == 1) {
    if (!nagle_test(tp, s, mss, s->next ? int{TCP_NAGLE_PUSH} : nonagle)) return false;
  } else {
    const uint32_t goal_segs = std::max(tcp_xmit_size_goal(tp, mss) / mss, 1u);
    const uint32_t max_segs = std::min(quota, goal_segs);
    if (!push_one && tso_should_defer(tp, s, goal_segs, mss, is_cwnd_limited)) return false;
    limit = mss_split_point(tp, s, mss, max_segs, nonagle);
    if (!limit) return false;
  }
  if (s->len > limit) tcp_fragment(tp, tp->sk_write_queue, s, limit, mss);
  s->tstamp = now_of(tp);
  if (!__tcp_transmit_skb(tp, *s)) return false;
  event_new_data_sent(tp);
  minshall_update(tp, mss, s);
  return true;
}

}  // namespace

bool tcp_write_xmit(tcp_sock* tp, uint32_t mss, int nonagle, int push_one) {
  PROBE(net_of(tp).trace);
  bool is_cwnd_limited = false;
  uint32_t sent = 0;
  while (!tp->sk_write_queue.empty()) {
    uint32_t quota = cwnd_quota(tp);
    if (!quota) {
      is_cwnd_limited = true;
      if (push_one != 2) break;
      quota = 1;  // a tail loss probe goes out all the same
    }
    const uint32_t before_it = tp->packets_out;
    if (!xmit_head(tp, mss, nonagle, push_one != 0, quota, is_cwnd_limited)) break;
    sent += tp->packets_out - before_it;
    if (push_one) break;
  }
  is_cwnd_limited |= tcp_packets_in_flight(tp) >= tp->snd_cwnd;
  if (sent || is_cwnd_limited) tcp_cwnd_validate(tp, is_cwnd_limited);
  if (!sent) return !tp->packets_out && !tp->sk_write_queue.empty();
  if (tcp_in_cwnd_reduction(tp)) tp->prr_out += sent;
  if (push_one != 2) tcp_schedule_loss_probe(tp, false);
  return false;
}

// Nothing in flight and nothing may leave: only a probe will find out when the window opens.
static void check_probe_timer(tcp_sock* tp) {
  if (!tp->packets_out && !tp->icsk_pending && !tp->sk_write_queue.empty())
    tcp_reset_xmit_timer(tp, ICSK_TIME_PROBE0, std::chrono::microseconds(tcp_probe0_base_us(tp)));
}

void __tcp_push_pending_frames(tcp_sock* tp, uint32_t mss, int nonagle) {
  PROBE(net_of(tp).trace);
  if (tp->skc_state == tcp_state::CLOSE) return;
  if (tcp_write_xmit(tp, mss, nonagle, 0)) check_probe_timer(tp);
}

void tcp_push_pending_frames(tcp_sock* tp) {
  if (!tp->sk_write_queue.empty()) __tcp_push_pending_frames(tp, tcp_current_mss(tp), tp->nonagle);
}

// After input: room in the windows may let data go, room in the buffer may let the application write.
void tcp_data_snd_check(tcp_sock* tp) {
  tcp_push_pending_frames(tp);
  tcp_check_space(tp);
}

// The FIN rides on the last unsent segment, or takes one of its own (RFC 9293 section 3.10.4).
void tcp_send_fin(tcp_sock* tp) {
  PROBE(net_of(tp).trace);
  if (sk_buff* tail = tp->sk_write_queue.back()) {
    TCP_SKB_CB(tail).tcp_flags |= TCPHDR_FIN;
    TCP_SKB_CB(tail).end_seq += 1;
    tp->write_seq += 1;
  } else {
    net& n = net_of(tp);
    Skb skb = alloc_skb(n.pool, n.trace, 0, 0);
    TcpCb cb{};
    cb.seq = tp->write_seq;
    cb.end_seq = cb.seq + 1;
    cb.tcp_flags = TCPHDR_ACK | TCPHDR_FIN;
    cb.pcount = 1;
    TCP_SKB_CB(skb) = cb;
    tp->write_seq += 1;
    tp->sk_wmem_queued += static_cast<int32_t>(skb->truesize);
    tp->sk_write_queue.push_back(std::move(skb));
  }
  __tcp_push_pending_frames(tp, tcp_current_mss(tp), TCP_NAGLE_OFF);
}

void tcp_send_active_reset(tcp_sock* tp) {
  PROBE(net_of(tp).trace);
  count(tp, Mib::TcpOutRsts);
  const bool synchronised = tp->skc_state != tcp_state::SYN_SENT;
  const Seq seq = !before(tcp_wnd_end(tp), tp->snd_nxt) ? tp->snd_nxt : tcp_wnd_end(tp);
  (void)__tcp_transmit_skb(tp, seq, static_cast<uint16_t>(TCPHDR_RST | (synchronised ? TCPHDR_ACK : 0)));
}

// A segment the peer has seen already draws an ACK with its window (RFC 9293 section 3.8.6.1, RFC 1122
// section 4.2.3.6).
bool tcp_xmit_probe_skb(tcp_sock* tp, bool urgent, Mib counter) {
  count(tp, counter);
  return !tcp_local_congestion(__tcp_transmit_skb(tp, tp->snd_una - (urgent ? 0 : 1), TCPHDR_ACK));
}

bool tcp_write_wakeup(tcp_sock* tp, Mib counter) {
  sk_buff* s = tp->sk_write_queue.front();
  if (!s || !before(TCP_SKB_CB(s).seq, tcp_wnd_end(tp))) return tcp_xmit_probe_skb(tp, false, counter);
  // The window has a little room: the probe carries data.
  const uint32_t mss = tcp_current_mss(tp), room = tcp_wnd_end(tp) - TCP_SKB_CB(s).seq;
  const uint32_t size = std::min({room, mss, s->len});
  if (s->len > size) tcp_fragment(tp, tp->sk_write_queue, s, size, mss);
  TCP_SKB_CB(s).tcp_flags |= TCPHDR_PSH;
  tcp_set_skb_tso_segs(s, mss);
  s->tstamp = now_of(tp);
  const Result<void> sent = __tcp_transmit_skb(tp, *s);
  if (sent) event_new_data_sent(tp);
  return !tcp_local_congestion(sent);
}

}  // namespace glass
