#include "tcp/tcp_zerocopy.h"

#include "net/sk_error_queue.h"
#include "tcp/tcp_internal.h"

namespace glass {

namespace {
constexpr uint32_t kByteLimit = 1 << 19, kMostCalls = 65534;  // calls that complete together

// The unsent tail belongs to the latest set of calls.
bool tail_is_open(const tcp_sock* tp) {
  const sk_buff* tail = tp->sk_write_queue.back();
  return tail && TCP_SKB_CB(tail).zerocopy;
}
}  // namespace

void tcp_zerocopy_delete::operator()(tcp_zerocopy* z) const { delete z; }

bool tcp_zerocopy_begin(tcp_sock* tp, size_t size) {
  if (!tp->ext->zerocopy) tp->ext.make().zerocopy.reset(new tcp_zerocopy);
  auto& pending = tp->ext->zerocopy->pending;
  uint32_t& next = sock_ext_of(tp).sk_zckey;
  if (!pending.empty() && tail_is_open(tp)) {
    tcp_zerocopy::Calls& last = pending.back();
    if (last.len < kMostCalls && last.bytelen + size <= kByteLimit && last.id + last.len == next) {
      ++last.len;
      last.bytelen += static_cast<uint32_t>(size);
      ++next;
      return true;
    }
  }
  if (!sock_omalloc(tp)) return false;
  pending.push_back({next++, 1, static_cast<uint32_t>(size), tp->write_seq, false});
  return true;
}

bool tcp_zerocopy_may_append(const tcp_sock* tp, const sk_buff* s) {
  // Another set's segment: that set was full.
  return !TCP_SKB_CB(s).zerocopy || tp->ext->zerocopy->pending.back().queued;
}

void tcp_zerocopy_appended(tcp_sock* tp, sk_buff* s) {
  TCP_SKB_CB(s).zerocopy = true;
  tp->ext->zerocopy->pending.back().end_seq = tp->write_seq;
  tp->ext->zerocopy->pending.back().queued = true;
}

void tcp_zerocopy_end(tcp_sock* tp, bool anything) {
  auto& pending = tp->ext->zerocopy->pending;
  if (anything || pending.empty()) return;
  --sock_ext_of(tp).sk_zckey;
  if (--pending.back().len) return;
  pending.pop_back();
  sock_omem_free(tp);
}

void tcp_zerocopy_skb_done(tcp_sock* tp, Seq end_seq) {
  if (!tp->ext->zerocopy) return;
  auto& pending = tp->ext->zerocopy->pending;
  while (!pending.empty() && pending.front().queued && !after(pending.front().end_seq, end_seq)) {
    const tcp_zerocopy::Calls done = pending.front();
    pending.pop_front();
    sock_zerocopy_complete(tp, done.id, done.len);
  }
}

void tcp_zerocopy_purge(tcp_sock* tp) {
  if (!tp->ext->zerocopy) return;
  for (const tcp_zerocopy::Calls& c : std::exchange(tp->ext->zerocopy->pending, {}))
    sock_zerocopy_complete(tp, c.id, c.len);
}

}  // namespace glass
