#include "skb/skb.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstdio>
#include <cstdlib>

#include "base/checksum.h"
#include "skb/queue.h"

namespace glass {

namespace {

sk_buff* new_head(SkbPool& pool, Trace& trace) {
  sk_buff* s = pool.alloc_head();
  std::memset(static_cast<void*>(s), 0, offsetof(sk_buff, inline_data));
  s->pool = &pool;
  s->trace = &trace;
  return s;
}

void release_data(sk_buff* s) {
  for (unsigned i = 0; i < s->nr_frags; ++i) s->frag_at(i).block->put();
  if (s->more_frags) s->pool->free_more_frags(s->more_frags);
  if (s->block) s->block->put();
}

void free_skb(sk_buff* s) {
  if (s->destructor) s->destructor(s);
  release_data(s);
  s->pool->free_head(s);
}

void use_inline(sk_buff* s) {
  s->head = s->data = s->inline_data;
  s->end = s->inline_data + kInlineData;
}

void use_block(sk_buff* s, DataBlock* b) {
  s->block = b;
  b->used = b->capacity;
  s->head = s->data = b->data();
  s->end = s->head + b->capacity;
}

// Moves the linear data into a buffer of its own with the given head- and tailroom; header offsets follow.
void reallocate_linear(sk_buff* s, uint32_t headroom, uint32_t tailroom) {
  const uint32_t headlen = s->headlen();
  const uint32_t used_before = skb_headroom(*s);
  const uint32_t room = std::max(headroom, used_before);
  DataBlock* b = s->pool->alloc_block(room + headlen + tailroom);
  std::memcpy(b->data() + room - used_before, s->head, used_before + headlen);
  DataBlock* old = s->block;
  use_block(s, b);
  s->data = s->head + room;
  const auto shift = static_cast<uint16_t>(room - used_before);
  s->mac_header += shift;
  s->network_header += shift;
  s->transport_header += shift;
  s->csum_start += shift;
  if (old) old->put();
}

bool linear_is_shared(const sk_buff& s) { return s.block && s.block->refs > 1; }

void remove_front_frags(sk_buff* s, unsigned count) {
  for (unsigned i = count; i < s->nr_frags; ++i) s->frag_at(i - count) = s->frag_at(i);
  s->nr_frags = static_cast<uint8_t>(s->nr_frags - count);
}

// Calls fn(pointer, bytes, offset from the start of the range) for each piece of [offset, offset + n).
template <class Fn>
void for_each_piece(const sk_buff& s, uint32_t offset, uint32_t n, Fn fn) {
  uint32_t done = 0, start = s.headlen();
  if (n && offset < start) {
    done = std::min(n, start - offset);
    fn(s.data + offset, done, 0u);
  }
  for (unsigned i = 0; done < n && i < s.nr_frags; ++i) {
    const skb_frag& f = s.frag_at(i);
    if (offset + done < start + f.size) {
      const uint32_t skip = offset + done - start;
      const uint32_t take = std::min(n - done, f.size - skip);
      fn(f.data() + skip, take, done);
      done += take;
    }
    start += f.size;
  }
  assert(done == n);
}

}  // namespace

void Skb::leaked(sk_buff* s) {
#ifdef GLASS_STRICT_SKB
  std::fprintf(stderr, "skb %u (%u bytes) went out of scope without consume_skb or kfree_skb_reason\n", s->id, s->len);
  std::abort();
#else
  s->trace->leak();
  kfree_skb_reason(Skb(s), DROP(NOT_SPECIFIED));
#endif
}

void consume_skb(Skb skb) {
  if (!skb) return;
  skb->trace->consume(skb->id, skb->len);
  free_skb(skb.release());
}

void kfree_skb_reason(Skb skb, Verdict why) {
  if (!skb) return;
  const std::span<const uint8_t> packet = skb_linear_packet(*skb);
  skb->trace->drop(why, skb->id, skb->len, packet.data(), packet.size());
  free_skb(skb.release());
}

void kfree_skb_partial(Skb skb) {
  if (skb) free_skb(skb.release());
}

Skb alloc_skb(SkbPool& pool, Trace& trace, uint32_t size, uint32_t headroom) {
  sk_buff* s = new_head(pool, trace);
  if (size + headroom <= kInlineData)
    use_inline(s);
  else
    use_block(s, pool.alloc_block(size + headroom));
  s->data += headroom;
  s->id = pool.next_id();
  s->truesize = SKB_TRUESIZE(size);
  return Skb(s);
}

Skb skb_clone(const sk_buff& o) {
  sk_buff* s = o.pool->alloc_head();
  std::memcpy(static_cast<void*>(s), &o, offsetof(sk_buff, inline_data));
  s->next = s->prev = nullptr;
  s->sk = nullptr;
  s->destructor = nullptr;
  if (o.block) {
    o.block->get();
  } else {
    std::memcpy(s->inline_data, o.inline_data, static_cast<size_t>(o.tail() - o.inline_data));
    s->head = s->inline_data;
    s->data = s->inline_data + (o.data - o.head);
    s->end = s->inline_data + kInlineData;
  }
  s->more_frags = nullptr;
  if (o.nr_frags > kInlineFrags) {
    s->more_frags = static_cast<skb_frag*>(o.pool->alloc_more_frags());
    std::copy_n(o.more_frags, o.nr_frags - kInlineFrags, s->more_frags);
  }
  for (unsigned i = 0; i < o.nr_frags; ++i) o.frag_at(i).block->get();
  return Skb(s);
}

Skb skb_copy(const sk_buff& o) {
  const uint32_t headroom = std::max(skb_headroom(o), kMaxHeader);
  Skb s = alloc_skb(*o.pool, *o.trace, o.len, headroom);
  skb_copy_bits(o, 0, skb_put(s, o.len), o.len);
  const auto shift = static_cast<uint16_t>(headroom - skb_headroom(o));
  std::memcpy(s->head + shift, o.head, skb_headroom(o));
  s->dev = o.dev;
  s->id = o.id;
  s->truesize = o.truesize;
  s->mac_header = static_cast<uint16_t>(o.mac_header + shift);
  s->network_header = static_cast<uint16_t>(o.network_header + shift);
  s->transport_header = static_cast<uint16_t>(o.transport_header + shift);
  s->csum_start = static_cast<uint16_t>(o.csum_start + shift);
  s->csum_offset = o.csum_offset;
  s->protocol = o.protocol;
  s->pkt_type = o.pkt_type;
  s->ip_summed = o.ip_summed;
  s->gso_size = o.gso_size;
  s->gso_segs = o.gso_segs;
  s->tstamp = o.tstamp;
  std::memcpy(s->cb, o.cb, sizeof s->cb);
  return s;
}

void skb_reserve(const Skb& s, uint32_t n) {
  assert(s->len == 0 && s->data + n <= s->end);
  s->data += n;
}

uint8_t* skb_put(const Skb& s, uint32_t n) {
  assert(skb_tailroom(*s) >= n);
  uint8_t* p = s->tail();
  s->len += n;
  return p;
}

uint8_t* skb_push(const Skb& s, uint32_t n) {
  if (skb_headroom(*s) < n) [[unlikely]]
    reallocate_linear(s.get(), n + kMaxHeader, 0);
  s->data -= n;
  s->len += n;
  return s->data;
}

uint8_t* skb_pull(const Skb& s, uint32_t n) {
  assert(n <= s->headlen());
  s->len -= n;
  return s->data += n;
}

bool pskb_pull(sk_buff& s, uint32_t n) {
  if (n <= s.headlen()) return true;
  if (n > s.len) return false;
  const uint32_t missing = n - s.headlen();
  if (linear_is_shared(s) || static_cast<uint32_t>(s.end - s.tail()) < missing) reallocate_linear(&s, 0, missing);
  uint32_t left = missing;
  uint8_t* to = s.tail();
  unsigned gone = 0;
  while (left) {
    skb_frag& f = s.frag_at(gone);
    const uint32_t take = std::min(left, f.size);
    std::memcpy(to, f.data(), take);
    to += take;
    left -= take;
    f.offset += take;
    f.size -= take;
    if (f.size) break;
    f.block->put();
    ++gone;
  }
  remove_front_frags(&s, gone);
  s.data_len -= missing;
  return true;
}

void skb_eat(const Skb& s, uint32_t n) {
  assert(n <= s->len);
  const uint32_t linear = std::min(n, s->headlen());
  skb_pull(s, linear);
  n -= linear;
  unsigned gone = 0;
  while (n) {
    skb_frag& f = s->frag_at(gone);
    const uint32_t take = std::min(n, f.size);
    f.offset += take;
    f.size -= take;
    n -= take;
    s->len -= take;
    s->data_len -= take;
    if (f.size) break;
    f.block->put();
    ++gone;
  }
  remove_front_frags(s.get(), gone);
}

void pskb_trim(const Skb& s, uint32_t len) {
  if (len >= s->len) return;
  const uint32_t headlen = s->headlen();
  uint32_t in_frags = len > headlen ? len - headlen : 0;
  unsigned keep = 0;
  for (unsigned i = 0; i < s->nr_frags; ++i) {
    skb_frag& f = s->frag_at(i);
    const uint32_t take = std::min(in_frags, f.size);
    in_frags -= take;
    f.size = take;
    if (take)
      keep = i + 1;
    else
      f.block->put();
  }
  s->nr_frags = static_cast<uint8_t>(keep);
  s->data_len = len > headlen ? len - headlen : 0;
  s->len = len;
}

void skb_cow_head(const Skb& s, uint32_t headroom) {
  if (linear_is_shared(*s) || skb_headroom(*s) < headroom) reallocate_linear(s.get(), headroom, 0);
}

void skb_make_writable(const Skb& s) {
  pskb_pull(*s, s->len);
  if (linear_is_shared(*s)) reallocate_linear(s.get(), skb_headroom(*s), 0);
}

void skb_add_frag(const Skb& s, DataBlock* block, uint32_t offset, uint32_t size) {
  assert(s->nr_frags < MAX_SKB_FRAGS);
  if (s->nr_frags >= kInlineFrags && !s->more_frags)
    s->more_frags = static_cast<skb_frag*>(s->pool->alloc_more_frags());
  s->frag_at(s->nr_frags++) = {block, offset, size};
  s->len += size;
  s->data_len += size;
}

void skb_copy_bits(const sk_buff& s, uint32_t offset, void* to, uint32_t n) {
  if (n && offset + n <= s.headlen()) return static_cast<void>(std::memcpy(to, s.data + offset, n));
  for_each_piece(s, offset, n, [to](const uint8_t* p, uint32_t bytes, uint32_t at) {
    std::memcpy(static_cast<uint8_t*>(to) + at, p, bytes);
  });
}

void skb_store_bits(const Skb& s, uint32_t offset, const void* from, uint32_t n) {
  for_each_piece(*s, offset, n, [from](uint8_t* p, uint32_t bytes, uint32_t at) {
    std::memcpy(p, static_cast<const uint8_t*>(from) + at, bytes);
  });
}

uint32_t skb_checksum(const sk_buff& s, uint32_t offset, uint32_t n, uint32_t sum) {
  if (offset + n <= s.headlen()) return csum_partial(s.data + offset, n, sum);
  for_each_piece(s, offset, n, [&sum](const uint8_t* p, uint32_t bytes, uint32_t at) {
    sum = at & 1 ? csum_block_add(sum, csum_partial(p, bytes, 0), at) : csum_partial(p, bytes, sum);
  });
  return sum;
}

bool skb_checksum_help(const Skb& s) {
  if (s->ip_summed != IpSummed::partial) return true;
  const uint32_t start = static_cast<uint32_t>(s->head + s->csum_start - s->data);
  const uint32_t field = start + s->csum_offset;
  if (s->head + s->csum_start < s->data || field + 2 > s->len || !pskb_may_pull(s, field + 2)) return false;
  skb_cow_head(s, skb_headroom(*s));
  const uint16_t folded = csum_fold(skb_checksum(*s, start, s->len - start, 0));
  const uint16_t check = folded ? folded : 0xffff;
  std::memcpy(s->data + field, &check, 2);
  s->ip_summed = IpSummed::none;
  return true;
}

std::span<const uint8_t> skb_linear_packet(const sk_buff& s) {
  const uint8_t* from = s.network_header ? s.head + s.network_header : s.data;
  if (from > s.tail()) from = s.data;
  return {from, static_cast<size_t>(s.tail() - from)};
}

void skb_split(const Skb& s, const Skb& rest, uint32_t len) {
  assert(len <= s->len && rest->len == 0);
  const uint32_t headlen = s->headlen();
  if (len < headlen) {
    assert(skb_tailroom(*rest) >= headlen - len);
    std::memcpy(skb_put(rest, headlen - len), s->data + len, headlen - len);
  }
  uint32_t skip = len > headlen ? len - headlen : 0;
  for (unsigned i = 0; i < s->nr_frags; ++i) {
    const skb_frag f = s->frag_at(i);
    if (skip >= f.size) {
      skip -= f.size;
      continue;
    }
    f.block->get();
    skb_add_frag(rest, f.block, f.offset + skip, f.size - skip);
    skip = 0;
  }
  pskb_trim(s, len);
}

bool skb_try_coalesce(const Skb& to, const Skb& from) {
  if (from->len <= skb_tailroom(*to) && !linear_is_shared(*to)) {  // a clone may be about to use the same room
    skb_copy_bits(*from, 0, skb_put(to, from->len), from->len);
    return true;
  }
  if (from->headlen() || to->nr_frags + from->nr_frags > MAX_SKB_FRAGS) {
    if (!from->block || to->nr_frags + from->nr_frags + 1u > MAX_SKB_FRAGS) return false;
  }
  if (from->headlen()) {
    from->block->get();
    skb_add_frag(to, from->block, static_cast<uint32_t>(from->data - from->block->data()), from->headlen());
  }
  for (unsigned i = 0; i < from->nr_frags; ++i) {
    const skb_frag f = from->frag_at(i);
    skb_frag* last = to->nr_frags ? &to->frag_at(to->nr_frags - 1u) : nullptr;
    if (last && last->block == f.block && last->offset + last->size == f.offset) {
      last->size += f.size;
      to->len += f.size;
      to->data_len += f.size;
      continue;
    }
    f.block->get();
    skb_add_frag(to, f.block, f.offset, f.size);
  }
  return true;
}

void skb_expand_tail(const Skb& s, uint32_t n) {
  assert(!s->data_len);
  if (skb_tailroom(*s) < n || linear_is_shared(*s)) reallocate_linear(s.get(), skb_headroom(*s), n);
}

namespace {
constexpr uint32_t kSharedInfo = 320, kHeadObject = 256, kPage = 4096, kRxPad = 64;
constexpr uint32_t kSmallHead = 576;  // a slab of its own for what a bare header needs

constexpr uint32_t align(uint32_t n, uint32_t to) { return (n + to - 1) & ~(to - 1); }

// Bytes of the buffer kmalloc gives for `size` bytes of data and the shared info behind them, without the latter.
constexpr uint32_t head_size(uint32_t size) {
  const uint32_t wanted = align(size, 64) + kSharedInfo;
  return (wanted <= kSmallHead ? kSmallHead : std::bit_ceil(wanted)) - kSharedInfo;
}
}  // namespace

uint32_t skb_alloc_charge(uint32_t size) { return head_size(size) + kHeadObject + kSharedInfo; }

RxCharge skb_rx_charge(uint32_t len) {
  if (kRxPad + len < kPage) {
    const uint32_t head = head_size(kRxPad + len);
    return {head + kHeadObject + kSharedInfo, head - kRxPad - len};
  }
  constexpr uint32_t kLinear = kPage - kSharedInfo - kRxPad;
  return {kPage + kHeadObject + align(len - kLinear, kPage), 0};
}

}  // namespace glass
