// The send buffer: what queued segments cost, when a writer may go on, and how the buffer grows (Linux's truesize and
// thresholds, so that a program sees the same sizes accepted and the same wake-ups).
#include <algorithm>
#include <bit>

#include "tcp/tcp_cong.h"
#include "tcp/tcp_internal.h"
#include "tcp/tcp_zerocopy.h"

namespace glass {

namespace {

constexpr uint32_t kMaxTcpHeader = 192, kSharedInfo = 320, kSkBuff = 256;  // what Linux has beside the data

uint32_t tcp_notsent_lowat(const tcp_sock* tp) {
  return tp->set->notsent_lowat ? tp->set->notsent_lowat : static_cast<uint32_t>(net_of(tp).sysctl.tcp_notsent_lowat);
}

// Unsent bytes below the mark; a sleeping writer is only woken below half of it.
bool tcp_stream_memory_free(const tcp_sock* tp, int wake) {
  const uint32_t notsent = tp->write_seq - tp->snd_nxt;
  return uint64_t{notsent} << wake < tcp_notsent_lowat(tp);
}

bool __sk_stream_memory_free(const tcp_sock* tp, int wake) {
  return tp->sk_wmem_queued < tp->sk_sndbuf && tcp_stream_memory_free(tp, wake);
}

bool should_expand_sndbuf(const tcp_sock* tp) {
  if (tp->tcp().memory_pressure || tp->tcp().memory_allocated >= net_of(tp).sysctl.tcp_mem[0]) return false;
  return !(tp->sk_userlocks & SOCK_SNDBUF_LOCK) && tcp_packets_in_flight(tp) < tp->snd_cwnd;
}

}  // namespace

bool sk_stream_memory_free(const tcp_sock* tp) { return __sk_stream_memory_free(tp, 0); }

// At least a third of what is queued must be free, so that a writer is not woken for every segment.
bool sk_stream_is_writeable(const tcp_sock* tp) {
  return tp->sk_sndbuf - tp->sk_wmem_queued >= tp->sk_wmem_queued >> 1 && __sk_stream_memory_free(tp, 1);
}

void sk_stream_write_space(tcp_sock* tp) {
  if (!sk_stream_is_writeable(tp)) return;
  tp->sk_nospace = false;
  sock_def_write_space(tp);
}

Skb tcp_stream_alloc_skb(tcp_sock* tp, uint32_t linear) {
  PROBE(net_of(tp).trace);
  net& n = net_of(tp);
  Skb skb = alloc_skb(n.pool, n.trace, linear, 0);
  skb->truesize = kTcpSkbTruesize;
  return skb;
}

void sk_wmem_queued_add(tcp_sock* tp, int32_t bytes) {
  tp->sk_wmem_queued += bytes;
  if (bytes < 0) return sk_mem_uncharge(tp, static_cast<uint32_t>(-bytes));
  sk_wmem_schedule(tp, static_cast<uint32_t>(bytes));
  sk_mem_charge(tp, static_cast<uint32_t>(bytes));
}

void tcp_wmem_free_skb(tcp_sock* tp, Skb skb) {
  sk_wmem_queued_add(tp, -static_cast<int32_t>(skb->truesize));
  if (TCP_SKB_CB(skb).zerocopy) [[unlikely]]
    tcp_zerocopy_skb_done(tp, TCP_SKB_CB(skb).end_seq);
  consume_skb(std::move(skb));
}

// Twice what the window may have in flight, each packet with its overhead; at most tcp_wmem[2].
void tcp_sndbuf_expand(tcp_sock* tp) {
  const uint32_t mss = std::max<uint32_t>(tp->rx_opt.mss_clamp, tp->mss_cache);
  const uint64_t per_mss = std::bit_ceil(mss + kMaxTcpHeader + kSharedInfo) + kSkBuff;
  const uint64_t segments = std::max({TCP_INIT_CWND, tp->snd_cwnd, tp->reordering + 1});
  const uint64_t wanted = per_mss * segments * tcp_ca_sndbuf_expand(tp);
  if (tp->sk_sndbuf < static_cast<int64_t>(wanted))
    tp->sk_sndbuf =
        static_cast<int32_t>(std::min<uint64_t>(wanted, static_cast<uint64_t>(net_of(tp).sysctl.tcp_wmem[2])));
}

void tcp_check_space(tcp_sock* tp) {
  PROBE(net_of(tp).trace);
  if (!tp->sk_nospace || !tp->sk_socket) [[likely]]
    return;
  if (should_expand_sndbuf(tp)) {
    tcp_sndbuf_expand(tp);
    tp->snd_cwnd_stamp = now_of(tp);
  }
  sk_stream_write_space(tp);
  if (!tp->sk_nospace) tcp_chrono_stop(tp, TcpChrono::sndbuf_limited);
}

// What the connection waited for, one thing at a time: the most telling one wins.
static void tcp_chrono_set(tcp_sock* tp, TcpChrono to) {
  const uint32_t now = tcp_chrono_clock(now_of(tp));
  if (tp->chrono_type != TcpChrono::none)
    tp->chrono_stat[static_cast<size_t>(tp->chrono_type) - 1] += now - tp->chrono_start;
  tp->chrono_start = now;
  tp->chrono_type = to;
}

void tcp_chrono_start(tcp_sock* tp, TcpChrono what) {
  if (what > tp->chrono_type) tcp_chrono_set(tp, what);
}

void tcp_chrono_stop(tcp_sock* tp, TcpChrono what) {
  if (tp->tcp_rtx_queue.empty() && tp->sk_write_queue.empty())
    tcp_chrono_set(tp, TcpChrono::none);
  else if (what == tp->chrono_type)
    tcp_chrono_set(tp, TcpChrono::busy);
}

}  // namespace glass
