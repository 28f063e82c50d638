// sendmsg: the application's bytes become segments in the write queue (RFC 9293 section 3.10.2).
#include <algorithm>
#include <cstring>

#include "tcp/tcp_cong.h"
#include "tcp/tcp_internal.h"

namespace glass {

namespace {

using namespace tcp_state;

// Reads through the message's pieces.
class Source {
 public:
  explicit Source(const MsgSend& msg) : pieces_(msg.msg_iov), left_(msg.size()) {}
  size_t left() const { return left_; }
  void copy_to(uint8_t* to, size_t n) {
    left_ -= n;
    while (n) {
      const std::span<const uint8_t> piece = pieces_.front().subspan(offset_);
      const size_t take = std::min(n, piece.size());
      if (take) std::memcpy(to, piece.data(), take);
      to += take;
      n -= take;
      offset_ += take;
      if (offset_ == pieces_.front().size()) {
        pieces_ = pieces_.subspan(1);
        offset_ = 0;
      }
    }
  }

 private:
  std::span<const std::span<const uint8_t>> pieces_;
  size_t offset_ = 0, left_;
};

void skb_entail(tcp_sock* tp, Skb skb) {
  TcpCb cb{};
  cb.seq = cb.end_seq = tp->write_seq;
  cb.tcp_flags = TCPHDR_ACK;
  TCP_SKB_CB(skb) = cb;
  tp->sk_wmem_queued += static_cast<int32_t>(skb->truesize);
  if (tp->nonagle & TCP_NAGLE_PUSH) tp->nonagle &= static_cast<uint8_t>(~TCP_NAGLE_PUSH);
  tp->sk_write_queue.push_back(std::move(skb));
  tcp_slow_start_after_idle_check(tp);
}

Skb tcp_stream_alloc_skb(tcp_sock* tp) {
  PROBE(net_of(tp).trace);
  net& n = net_of(tp);
  return alloc_skb(n.pool, n.trace, 0, 0);
}

// Room behind the last byte of the segment, without a new block.
uint32_t room_in_place(const sk_buff* s) {
  if (!s->nr_frags) return static_cast<uint32_t>(s->end - s->tail());
  const skb_frag& last = s->frag_at(s->nr_frags - 1u);
  return last.offset + last.size == last.block->used ? last.block->capacity - last.block->used : 0;
}

// Appends up to `want` bytes. Small writes stay inside the packet buffer; larger ones fill blocks of about the size
// asked for.
uint32_t append(tcp_sock* tp, sk_buff* s, Source& from, uint32_t want) {
  uint32_t room = room_in_place(s);
  // A first write that does not fit inside the packet buffer goes to a block whole.
  const bool use_block = !room || (!s->nr_frags && want > room && s->len == 0);
  if (use_block) {
    if (s->nr_frags == MAX_SKB_FRAGS) return 0;
    DataBlock* block = tp->skc_net->pool.alloc_block(std::max(want, std::min(2048u, 2 * s->len)));
    Skb borrowed(s);
    skb_add_frag(borrowed, block, 0, 0);
    (void)borrowed.release();
    room = block->capacity;
  }
  const uint32_t n = std::min(room, want);
  if (s->nr_frags) {
    skb_frag& last = s->frag_at(s->nr_frags - 1u);
    from.copy_to(last.data() + last.size, n);
    last.size += n;
    last.block->used += n;
    s->data_len += n;
  } else {
    from.copy_to(s->tail(), n);
  }
  s->len += n;
  s->truesize += n;
  tp->sk_wmem_queued += static_cast<int32_t>(n);
  tp->write_seq += n;
  TCP_SKB_CB(s).end_seq += n;
  TCP_SKB_CB(s).pcount = 0;
  return n;
}

void mark_push(tcp_sock* tp, sk_buff* s) {
  TCP_SKB_CB(s).tcp_flags |= TCPHDR_PSH;
  tp->pushed_seq = tp->write_seq;
}

// Linux sets PSH at the latest every half of the largest window seen.
bool forced_push(const tcp_sock* tp) { return after(tp->write_seq, tp->pushed_seq + (tp->max_window >> 1)); }

void tcp_push(tcp_sock* tp, int flags, uint32_t mss, int nonagle) {
  PROBE(net_of(tp).trace);
  sk_buff* tail = tp->sk_write_queue.back();
  if (!tail) return;
  if (!(flags & MSG_MORE) || forced_push(tp)) mark_push(tp, tail);
  __tcp_push_pending_frames(tp, mss, flags & MSG_MORE ? TCP_NAGLE_CORK : nonagle);
}

Result<void> may_send(tcp_sock* tp) {
  if (tp->sk_err) return Err(sock_error(tp));
  if (tp->sk_shutdown & SEND_SHUTDOWN) return Err(EPIPE);
  if (in_state(tp, bit(ESTABLISHED) | bit(CLOSE_WAIT))) return {};
  if (in_state(tp, bit(SYN_SENT) | bit(SYN_RECV))) return Err(EAGAIN);
  return Err(tp->skc_state == CLOSE && tp->skc_dport == 0 ? ENOTCONN : EPIPE);
}

// The segment to append to: the unsent tail if it has room, or a new one. Null: no memory.
sk_buff* tail_with_room(tcp_sock* tp, uint32_t size_goal, uint32_t& copy) {
  sk_buff* s = tp->sk_write_queue.back();
  if (s && !TCP_SKB_CB(s).eor && s->len < size_goal && (s->nr_frags < MAX_SKB_FRAGS || room_in_place(s))) {
    copy = size_goal - s->len;
    return s;
  }
  if (!sk_stream_memory_free(tp)) return nullptr;
  skb_entail(tp, tcp_stream_alloc_skb(tp));
  copy = size_goal;
  return tp->sk_write_queue.back();
}

Result<size_t> tcp_sendmsg_locked(tcp_sock* tp, const MsgSend& msg) {
  PROBE(net_of(tp).trace);
  if (Result<void> ok = may_send(tp); !ok) return Err(ok.error());
  tcp_rate_check_app_limited(tp);
  Source from(msg);
  const size_t total = from.left();
  const uint32_t mss = tcp_current_mss(tp);
  // A short write of its own needs no large segment, and no division to find that out.
  const uint32_t size_goal = total <= mss && tp->sk_write_queue.empty() ? mss : tcp_xmit_size_goal(tp, mss);
  while (from.left()) {
    uint32_t room = 0;
    sk_buff* s = tail_with_room(tp, size_goal, room);
    if (!s) {
      tp->sk_nospace = true;
      break;
    }
    const auto want = static_cast<uint32_t>(std::min<size_t>(room, from.left()));
    if (!append(tp, s, from, want)) {
      mark_push(tp, s);
      continue;
    }
    if (!from.left()) {
      if (msg.msg_flags & MSG_EOR) TCP_SKB_CB(s).eor = true;
      break;
    }
    if (s->len < size_goal) continue;
    if (forced_push(tp)) {
      mark_push(tp, s);
      __tcp_push_pending_frames(tp, mss, TCP_NAGLE_PUSH);
    } else if (s == tp->sk_write_queue.front()) {
      (void)tcp_write_xmit(tp, mss, TCP_NAGLE_PUSH, 1);
    }
  }
  const size_t copied = total - from.left();
  if (copied) tcp_push(tp, msg.msg_flags, mss, from.left() ? int{TCP_NAGLE_PUSH} : int{tp->nonagle});
  if (!copied && total) return Err(EAGAIN);
  return copied;
}

}  // namespace

Result<size_t> tcp_sendmsg(tcp_sock* tp, const MsgSend& msg) {
  PROBE(net_of(tp).trace);
  return tcp_sendmsg_locked(tp, msg);
}

bool sk_stream_memory_free(const tcp_sock* tp) { return tp->sk_wmem_queued < tp->sk_sndbuf; }

// At least a third of what is queued must be free, so that a writer is not woken for every segment.
bool sk_stream_is_writeable(const tcp_sock* tp) {
  return tp->sk_sndbuf - tp->sk_wmem_queued >= tp->sk_wmem_queued >> 1 && sk_stream_memory_free(tp);
}

void tcp_wmem_free_skb(tcp_sock* tp, Skb skb) {
  tp->sk_wmem_queued -= static_cast<int32_t>(skb->truesize);
  consume_skb(std::move(skb));
}

namespace {
// The buffer grows with the window: twice what may be in flight, at most tcp_wmem[2].
void sndbuf_expand(tcp_sock* tp) {
  if (tp->sk_userlocks & SOCK_SNDBUF_LOCK) return;
  if (tcp_packets_in_flight(tp) >= tp->snd_cwnd) return;
  const int64_t per_mss = std::max<int64_t>(tp->mss_cache, 536) + 320 + 256 + 320;
  const int64_t segments = std::max<int64_t>({TCP_INIT_CWND, tp->snd_cwnd, tp->reordering + 1});
  const int64_t wanted =
      std::min<int64_t>(tcp_ca_sndbuf_expand(tp) * segments * per_mss, net_of(tp).sysctl.tcp_wmem[2]);
  if (wanted > tp->sk_sndbuf) tp->sk_sndbuf = static_cast<int32_t>(wanted);
}
}  // namespace

void tcp_check_space(tcp_sock* tp) {
  PROBE(net_of(tp).trace);
  if (!tp->sk_nospace) return;
  sndbuf_expand(tp);
  if (!sk_stream_is_writeable(tp)) return;
  tp->sk_nospace = false;
  sock_def_write_space(tp);
}

}  // namespace glass
