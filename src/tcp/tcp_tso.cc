// How much of the write queue one packet takes, and when a larger packet soon is better than a small one now.
#include <algorithm>
#include <cstring>

#include "tcp/tcp_internal.h"

namespace glass {

// Sender's silly-window avoidance (RFC 9293 section 3.8.6.2.1): never more than half of the largest window.
uint32_t tcp_bound_to_half_wnd(const tcp_sock* tp, uint32_t size) {
  const uint32_t cutoff = tp->max_window > 536 ? tp->max_window >> 1 : tp->max_window;
  return cutoff && size > cutoff ? std::max<uint32_t>(cutoff, 68u - tp->tcp_header_len) : size;
}

uint32_t tcp_xmit_size_goal(tcp_sock* tp, uint32_t mss_now, bool large_allowed) {
  if (!large_allowed) return mss_now;
  const uint32_t most = tcp_bound_to_half_wnd(tp, tcp_gso_max_size(tp));
  // The division is only made when the answer changes.
  uint32_t goal = tp->gso_segs * mss_now;
  if (most < goal || most >= goal + mss_now) [[unlikely]] {
    tp->gso_segs = static_cast<uint16_t>(most / mss_now);
    goal = tp->gso_segs * mss_now;
  }
  return std::max(goal, mss_now);
}

// Minshall's variant of Nagle's rule: only a small packet that is still unacknowledged holds another small one back.
static bool tcp_minshall_check(const tcp_sock* tp) {
  return after(tp->snd_sml, tp->snd_una) && !after(tp->snd_sml, tp->snd_nxt);
}

bool tcp_nagle_check(const tcp_sock* tp, bool partial, int nonagle) {
  return partial && ((nonagle & TCP_NAGLE_CORK) || (!nonagle && tp->packets_out && tcp_minshall_check(tp)));
}

uint32_t tcp_mss_split_point(const tcp_sock* tp, const sk_buff* s, uint32_t mss_now, uint32_t max_segs, int nonagle) {
  const uint32_t window = tcp_wnd_end(tp) - TCP_SKB_CB(s).seq;
  const uint32_t max_len = mss_now * max_segs;
  if (max_len <= window && s != tp->sk_write_queue.back()) [[likely]]
    return max_len;
  const uint32_t needed = std::min(s->len, window);
  if (max_len <= needed) return max_len;
  const uint32_t partial = needed % mss_now;
  return tcp_nagle_check(tp, partial != 0, nonagle) ? needed - partial : needed;
}

namespace {

// Will the next ACK come so soon that waiting for it costs little?
bool ack_is_near(const tcp_sock* tp) {
  const sk_buff* head = tp->tcp_rtx_queue.front();
  if (!head) return false;
  const Duration srtt = std::chrono::nanoseconds(uint64_t{tp->srtt_us} * 125);
  const Duration away = head->tstamp + srtt - now_of(tp);
  return away <= std::min<Duration>(srtt / 2, 1ms);
}

// A fraction of the window that is worth a packet of its own.
bool enough_to_send(const tcp_sock* tp, uint32_t limit) {
  const auto divisor = static_cast<uint32_t>(net_of(tp).sysctl.tcp_tso_win_divisor);
  if (divisor) return limit >= std::min(tp->snd_wnd, tp->snd_cwnd * tp->mss_cache) / divisor;
  return limit > 3u * tp->mss_cache;  // receivers acknowledge every other segment
}

}  // namespace

bool tcp_tso_should_defer(const tcp_sock* tp, const sk_buff* s, uint32_t max_segs, TcpLimits& limited) {
  if (tp->icsk_ca_state >= CaState::Recovery) return false;
  if (now_of(tp) - tp->tcp_wstamp >= 1ms) return false;  // only writes in quick succession add up to bursts
  const uint32_t send_win = tcp_wnd_end(tp) - TCP_SKB_CB(s).seq;
  const uint32_t cong_win = (tp->snd_cwnd - tcp_packets_in_flight(tp)) * tp->mss_cache;
  const uint32_t limit = std::min(send_win, cong_win);
  if (limit >= max_segs * tp->mss_cache) return false;
  if (s != tp->sk_write_queue.back() && limit >= s->len) return false;  // it will not grow
  if (enough_to_send(tp, limit) || !ack_is_near(tp)) return false;
  if (cong_win < send_win) {
    if (cong_win <= s->len) return limited.cwnd = true;
  } else if (send_win <= s->len) {
    return limited.rwnd = true;
  }
  return !(TCP_SKB_CB(s).tcp_flags & TCPHDR_FIN) && !TCP_SKB_CB(s).eor;
}

void tcp_eat_one_skb(tcp_sock* tp, sk_buff* to, sk_buff* from) {
  TcpCb &cb = TCP_SKB_CB(to), &fcb = TCP_SKB_CB(from);
  cb.tcp_flags |= fcb.tcp_flags;
  cb.eor = fcb.eor;
  cb.zerocopy |= std::exchange(fcb.zerocopy, false);  // its completion is the other's to report now
  tcp_skb_collapse_tstamp(to, from);
  tcp_wmem_free_skb(tp, tp->sk_write_queue.unlink(from));
}

namespace {

bool follows(const sk_buff* to, const skb_frag& f) {
  if (!to->nr_frags) return false;
  const skb_frag& last = to->frag_at(to->nr_frags - 1u);
  return last.block == f.block && last.offset + last.size == f.offset;
}

}  // namespace

// Small linear data is copied, the rest shared: `n` bytes of `from`'s front go to the end of `to`.
bool tcp_move_bytes(net& ns, sk_buff* to, sk_buff* from, uint32_t n) {
  Skb target(to), source(from);  // borrowed: both stay in the queue
  const bool fits = to->nr_frags + from->nr_frags + 1u <= MAX_SKB_FRAGS;
  uint32_t left = n;
  if (fits && from->headlen()) {
    const uint32_t linear = std::min(n, from->headlen());
    DataBlock* block = ns.pool.alloc_block(linear);
    std::memcpy(block->data(), from->data, linear);
    block->used = linear;
    skb_add_frag(target, block, 0, linear);
    left -= linear;
  }
  for (unsigned i = 0; fits && left; ++i) {
    const skb_frag f = from->frag_at(i);
    const uint32_t take = std::min(left, f.size);
    if (follows(to, f)) {
      to->frag_at(to->nr_frags - 1u).size += take;
      to->len += take;
      to->data_len += take;
    } else {
      f.block->get();
      skb_add_frag(target, f.block, f.offset, take);
    }
    left -= take;
  }
  if (fits) skb_eat(source, n);
  (void)target.release();
  (void)source.release();
  return fits;
}

// The packet is filled up from the segment behind it.
void tcp_grow_skb(tcp_sock* tp, sk_buff* s, uint32_t amount) {
  sk_buff* next = s->next;
  if (!next || !tcp_skb_can_collapse(s, next)) return;
  const uint32_t n = std::min(amount, next->len);
  if (!n || !tcp_move_bytes(net_of(tp), s, next, n)) return;
  s->truesize += n;
  next->truesize -= n;
  TCP_SKB_CB(s).end_seq += n;
  TCP_SKB_CB(next).seq += n;
  if (next->len) return;
  TCP_SKB_CB(s).end_seq = TCP_SKB_CB(next).end_seq;  // a FIN counts too
  tcp_eat_one_skb(tp, s, next);
}

}  // namespace glass
