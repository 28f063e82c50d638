// sendmsg: the application's bytes become segments in the write queue (RFC 9293 section 3.10.2).
#include <algorithm>
#include <cstring>

#include "net/sk_error_queue.h"
#include "tcp/tcp_cong.h"
#include "tcp/tcp_internal.h"
#include "tcp/tcp_zerocopy.h"

namespace glass {

namespace {

using namespace tcp_state;

// Reads through the message's pieces.
class Source {
 public:
  Source(const MsgSend& msg, size_t size) : pieces_(msg.msg_iov), left_(size) {}
  size_t left() const { return left_; }
  // What is left of the piece the next byte comes from.
  size_t left_of_piece() {
    skip_empty();
    return pieces_.empty() ? 0 : pieces_.front().size() - offset_;
  }
  // False: the program gave an address that is none (EFAULT).
  bool copy_to(uint8_t* to, size_t n) {
    while (n) {
      skip_empty();
      const std::span<const uint8_t> piece = pieces_.front().subspan(offset_);
      const size_t take = std::min(n, piece.size());
      if (!access_ok(piece.data(), take)) [[unlikely]]
        return false;
      std::memcpy(to, piece.data(), take);
      to += take;
      n -= take;
      offset_ += take;
      left_ -= take;
    }
    return true;
  }

 private:
  void skip_empty() {
    while (!pieces_.empty() && offset_ == pieces_.front().size()) {
      pieces_ = pieces_.subspan(1);
      offset_ = 0;
    }
  }
  std::span<const std::span<const uint8_t>> pieces_;
  size_t offset_ = 0, left_;
};

// One call under way.
struct Sending {
  const MsgSend& msg;
  Source from;
  size_t total;
  uint32_t mss = 0, size_goal = 0;
  uint32_t tsflags = 0;
  bool zerocopy = false;
  int error = 0;
  size_t copied() const { return total - from.left(); }
};

void skb_entail(tcp_sock* tp, Skb skb) {
  TcpCb& cb = TCP_SKB_CB(skb);
  cb = {};
  cb.seq = cb.end_seq = tp->write_seq;
  cb.tcp_flags = TCPHDR_ACK;
  if (tp->nonagle & TCP_NAGLE_PUSH) tp->nonagle &= static_cast<uint8_t>(~TCP_NAGLE_PUSH);
  tcp_add_write_queue_tail(tp, std::move(skb));
  tcp_slow_start_after_idle_check(tp);
}

// Room behind the last byte of the segment, without a new block.
uint32_t room_in_place(const sk_buff* s) {
  if (!s->nr_frags) return static_cast<uint32_t>(s->end - s->tail());
  const skb_frag& last = s->frag_at(s->nr_frags - 1u);
  return last.offset + last.size == last.block->used ? last.block->capacity - last.block->used : 0;
}

void account_appended(tcp_sock* tp, sk_buff* s, uint32_t n, uint32_t truesize) {
  s->len += n;
  s->truesize += truesize;
  sk_wmem_queued_add(tp, static_cast<int32_t>(truesize));
  tp->write_seq += n;
  TCP_SKB_CB(s).end_seq += n;
  TCP_SKB_CB(s).pcount = 0;
}

void add_frag(sk_buff* s, DataBlock* block, uint32_t offset, uint32_t size) {
  Skb borrowed(s);
  skb_add_frag(borrowed, block, offset, size);
  (void)borrowed.release();
}

// Appends up to `want` bytes. Small writes stay inside the packet buffer; larger ones fill blocks of about the size
// asked for. 0: no room (EFAULT: send.error).
uint32_t append(tcp_sock* tp, sk_buff* s, Sending& send, uint32_t want) {
  uint32_t room = room_in_place(s);
  // A first write that does not fit inside the packet buffer goes to a block whole.
  const bool use_block = !room || (!s->nr_frags && want > room && s->len == 0);
  if (use_block) {
    if (s->nr_frags == MAX_SKB_FRAGS) return 0;
    DataBlock* block = tp->skc_net->pool.alloc_block(std::max(want, std::min(2048u, 2 * s->len)));
    add_frag(s, block, 0, 0);
    room = block->capacity;
  }
  const uint32_t n = std::min(room, want);
  skb_frag* last = s->nr_frags ? &s->frag_at(s->nr_frags - 1u) : nullptr;
  if (!send.from.copy_to(last ? last->data() + last->size : s->tail(), n)) [[unlikely]] {
    send.error = EFAULT;
    return 0;
  }
  if (last) {
    last->size += n;
    last->block->used += n;
    s->data_len += n;
  }
  account_appended(tp, s, n, n);
  return n;
}

// MSG_ZEROCOPY: a fragment a page, as if the caller's own pages were pinned.
uint32_t append_zerocopy(tcp_sock* tp, sk_buff* s, Sending& send, uint32_t want) {
  constexpr uint32_t kPage = 4096;
  if (s->nr_frags == MAX_SKB_FRAGS || !tcp_zerocopy_may_append(tp, s)) return 0;
  DataBlock* block = tp->skc_net->pool.alloc_block(want);
  uint32_t done = 0;
  while (done < want && s->nr_frags < MAX_SKB_FRAGS) {
    const auto n = static_cast<uint32_t>(std::min<size_t>({want - done, kPage, send.from.left_of_piece()}));
    if (!send.from.copy_to(block->data() + done, n)) {
      send.error = EFAULT;
      break;
    }
    block->get();
    add_frag(s, block, done, n);
    s->len -= n;  // counted below
    account_appended(tp, s, n, kPage);
    done += n;
  }
  block->used = block->capacity;
  block->put();
  if (done) tcp_zerocopy_appended(tp, s);
  return done;
}

void tcp_mark_push(tcp_sock* tp, sk_buff* s) {
  TCP_SKB_CB(s).tcp_flags |= TCPHDR_PSH;
  tp->pushed_seq = tp->write_seq;
}

// Linux sets PSH at the latest every half of the largest window seen.
bool forced_push(const tcp_sock* tp) { return after(tp->write_seq, tp->pushed_seq + (tp->max_window >> 1)); }

// A small tail waits for more data while packets of this connection lie in a qdisc anyway.
bool tcp_should_autocork(const tcp_sock* tp, const sk_buff* s, uint32_t size_goal) {
  return tp->sk_wmem_alloc > static_cast<int32_t>(s->truesize) && s->len < size_goal &&
         net_of(tp).sysctl.tcp_autocorking && !tp->tcp_rtx_queue.empty() && !TCP_SKB_CB(s).eor;
}

void tcp_push(tcp_sock* tp, int flags, uint32_t mss, int nonagle, uint32_t size_goal) {
  PROBE(net_of(tp).trace);
  sk_buff* tail = tp->sk_write_queue.back();
  if (!tail) return;
  if (!(flags & MSG_MORE) || forced_push(tp)) tcp_mark_push(tp, tail);
  if (flags & MSG_OOB) tp->snd_up = tp->write_seq;
  if (tcp_should_autocork(tp, tail, size_goal)) [[unlikely]] {
    if (!tp->tsq_throttled) count(tp, Mib::TcpExtTCPAutoCorking);
    tp->tsq_throttled = true;
    return;
  }
  __tcp_push_pending_frames(tp, mss, flags & MSG_MORE ? TCP_NAGLE_CORK : nonagle);
}

// Nothing came of the segment begun last.
void tcp_remove_empty_skb(tcp_sock* tp) {
  sk_buff* tail = tp->sk_write_queue.back();
  if (!tail || TCP_SKB_CB(tail).end_seq != TCP_SKB_CB(tail).seq) return;
  Skb empty = tp->sk_write_queue.unlink(tail);
  sk_wmem_queued_add(tp, -static_cast<int32_t>(empty->truesize));
  if (tp->sk_write_queue.empty()) tcp_chrono_stop(tp, TcpChrono::busy);
  kfree_skb_partial(std::move(empty));
}

int may_send(tcp_sock* tp) {
  if (!in_state(tp, bit(ESTABLISHED) | bit(CLOSE_WAIT)) && !tcp_passive_fastopen(tp)) {
    if (const int error = sock_error(tp)) return error;
    return in_state(tp, bit(SYN_SENT) | bit(SYN_RECV)) ? EAGAIN : EPIPE;
  }
  if (const int error = sock_error(tp)) return error;
  return tp->sk_shutdown & SEND_SHUTDOWN ? EPIPE : 0;
}

void tcp_send_mss(tcp_sock* tp, Sending& send) {
  send.mss = tcp_current_mss(tp);
  send.size_goal = tcp_xmit_size_goal(tp, send.mss, !(send.msg.msg_flags & MSG_OOB));
}

// The segment to append to: the unsent tail if it has room, or a new one. Null: no room in the send buffer.
sk_buff* tail_with_room(tcp_sock* tp, const Sending& send, bool tail_is_full) {
  sk_buff* s = tp->sk_write_queue.back();
  if (s && !tail_is_full && s->len < send.size_goal && !TCP_SKB_CB(s).eor) return s;
  if (!sk_stream_memory_free(tp)) return nullptr;
  skb_entail(tp, tcp_stream_alloc_skb(tp, 0));
  return tp->sk_write_queue.back();
}

// A large enough piece of the queue may leave while the rest is still being written.
void push_full_segment(tcp_sock* tp, sk_buff* s, const Sending& send) {
  if (s->len < send.size_goal || (send.msg.msg_flags & MSG_OOB)) return;
  if (forced_push(tp)) {
    tcp_mark_push(tp, s);
    __tcp_push_pending_frames(tp, send.mss, TCP_NAGLE_PUSH);
  } else if (s == tp->sk_write_queue.front()) {
    tcp_push_one(tp, send.mss);
  }
}

void wait_for_space(tcp_sock* tp, Sending& send) {
  tp->sk_nospace = true;
  tcp_remove_empty_skb(tp);
  if (send.copied()) tcp_push(tp, send.msg.msg_flags & ~MSG_MORE, send.mss, TCP_NAGLE_PUSH, send.size_goal);
  send.error = EAGAIN;
}

// The bytes become segments; send.error says why if some are left.
void fill_segments(tcp_sock* tp, Sending& send) {
  bool tail_is_full = false;
  while (send.from.left()) {
    sk_buff* s = tail_with_room(tp, send, tail_is_full);
    if (!s) return wait_for_space(tp, send);
    const bool first = !send.copied() && !send.msg.msg_goes_on;
    const auto want = static_cast<uint32_t>(std::min<size_t>(send.size_goal - s->len, send.from.left()));
    const uint32_t n = send.zerocopy ? append_zerocopy(tp, s, send, want) : append(tp, s, send, want);
    if (n && first) TCP_SKB_CB(s).tcp_flags &= static_cast<uint16_t>(~TCPHDR_PSH);
    if (send.error) return tcp_remove_empty_skb(tp);
    tail_is_full = !n;
    if (!n) {
      tcp_mark_push(tp, s);
      continue;
    }
    if (send.from.left()) {
      push_full_segment(tp, s, send);
    } else if (send.msg.msg_flags & MSG_EOR) {
      TCP_SKB_CB(s).eor = true;
    }
  }
}

Result<size_t> tcp_sendmsg_locked(tcp_sock* tp, const MsgSend& msg) {
  PROBE(net_of(tp).trace);
  const size_t size = msg.size();
  Sending send{.msg = msg, .from = Source(msg, size), .total = size};
  if (sk_tsflags(tp) || !msg.msg_control.empty()) [[unlikely]] {
    const Result<uint32_t> tsflags = tcp_tsflags_of_call(tp, msg);
    if (!tsflags) return Err(tsflags.error());
    send.tsflags = *tsflags;
  }
  tp->sk_write_pending = false;
  if ((msg.msg_flags & MSG_FASTOPEN) || tp->defer_connect) [[unlikely]] {
    Result<size_t> syn = tcp_sendmsg_fastopen(tp, msg);
    if (!syn || *syn) return syn;
  }
  tcp_rate_check_app_limited(tp);
  if (const int error = may_send(tp)) {
    tp->sk_write_pending = error == EAGAIN && msg.msg_waits;
    return Err(error);
  }
  send.zerocopy = (msg.msg_flags & MSG_ZEROCOPY) && send.total && sock_flag(tp, SOCK_ZEROCOPY);
  if (send.zerocopy && !msg.msg_goes_on && !tcp_zerocopy_begin(tp, send.total)) return Err(ENOBUFS);
  tcp_send_mss(tp, send);
  fill_segments(tp, send);
  const size_t copied = send.copied();
  const bool waits = msg.msg_waits && send.error == EAGAIN;
  if (copied && !waits) {
    if (send.tsflags) tcp_tx_timestamp(tp, send.tsflags);
    tcp_push(tp, msg.msg_flags, send.mss, tp->nonagle, send.size_goal);
  }
  if (send.zerocopy && !waits) tcp_zerocopy_end(tp, copied || msg.msg_goes_on);
  if (copied || !send.error) return copied;
  // An edge-triggered waiter has to hear of it.
  if (send.error == EAGAIN && tp->sk_write_queue.empty() && tp->tcp_rtx_queue.empty()) {
    sk_stream_write_space(tp);
    tcp_chrono_stop(tp, TcpChrono::sndbuf_limited);
  }
  return Err(send.error);
}

}  // namespace

void tcp_add_write_queue_tail(tcp_sock* tp, Skb skb) {
  sk_wmem_queued_add(tp, static_cast<int32_t>(skb->truesize));
  if (tp->sk_write_queue.empty()) tcp_chrono_start(tp, TcpChrono::busy);
  tp->sk_write_queue.push_back(std::move(skb));
}

Result<size_t> tcp_sendmsg(tcp_sock* tp, const MsgSend& msg) {
  PROBE(net_of(tp).trace);
  return tcp_sendmsg_locked(tp, msg);
}

}  // namespace glass
