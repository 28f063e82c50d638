// The packet buffer.
//
// An sk_buff has linear data (headers; small packets whole) and up to MAX_SKB_FRAGS fragments of shared data blocks
// behind it. Short linear data lives inside the sk_buff itself, longer data in a block. `len` counts all, `data_len`
// the fragments.
//
// It is held by an Skb, a move-only handle. Every handle must reach exactly one end: consume_skb() (all is well),
// kfree_skb_reason() (dropped, with the place that decided it), a queue, or a device. A handle that merely goes out of
// scope is a defect: builds with GLASS_STRICT_SKB abort, others count it as NOT_SPECIFIED.
//
//   Skb skb = alloc_skb(pool, trace, 40, /*headroom=*/kMaxHeader);
//   uint8_t* p = skb_put(skb, 40);  ...  consume_skb(std::move(skb));
#pragma once
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include "base/time.h"
#include "skb/pool.h"
#include "trace/trace.h"

namespace glass {

struct net_device;
struct sock;

inline constexpr unsigned MAX_SKB_FRAGS = 17, kInlineFrags = 2;
inline constexpr unsigned kInlineData = 152;  // linear bytes inside an sk_buff
inline constexpr unsigned kMaxHeader = 96;    // headroom for link + IP + TCP headers without IP options or with few
inline constexpr uint32_t kMaxPacket = 65535;

enum class PacketType : uint8_t { host, broadcast, multicast, otherhost, outgoing };
// What is known of the transport checksum: Linux's CHECKSUM_NONE / UNNECESSARY / PARTIAL.
enum class IpSummed : uint8_t { none, unnecessary, partial };

// SO_TIMESTAMPING: when the packet reached the qdisc, the driver; when it was acknowledged.
inline constexpr uint8_t SKBTX_SW_TSTAMP = 1, SKBTX_SCHED_TSTAMP = 2, SKBTX_ACK_TSTAMP = 4;

struct skb_frag {
  DataBlock* block;
  uint32_t offset, size;
  uint8_t* data() const { return block->data() + offset; }
};

struct rb_node {  // place in a tree (out-of-order queue); see skb/rbtree.h
  rb_node *parent, *left, *right;
};

struct sk_buff {
  union {
    struct {
      sk_buff *next, *prev;
    };           // in one list at a time
    rb_node rb;  // or in one tree
  };
  SkbPool* pool;
  Trace* trace;  // of the stack that holds it now
  net_device* dev;
  sock* sk;                      // whose memory account it is on
  void (*destructor)(sk_buff*);  // takes it off that account
  DataBlock* block;              // holds the linear data; null: inside this object
  uint8_t *head, *data, *end;    // buffer start, data start, buffer end
  uint32_t len, data_len;
  uint32_t truesize;                                      // memory charged, by Linux's formula
  uint32_t id;                                            // for traces; clones keep it
  uint16_t mac_header, network_header, transport_header;  // offsets from head
  uint16_t protocol;                                      // EtherType, host order
  PacketType pkt_type;
  IpSummed ip_summed;
  uint8_t nr_frags;
  uint8_t tree_color : 1;            // red-black colour while in a tree
  uint8_t tx_flags : 7;              // SKBTX_*: stamps wanted of the byte `tskey`
  uint16_t gso_size, gso_segs;       // payload bytes a segment, segments; gso_size 0: one packet
  uint16_t csum_start, csum_offset;  // ip_summed partial: sum from head + csum_start, result at + csum_offset
  uint32_t tskey;                    // with tx_flags: sequence number
  Instant tstamp;                    // received, or to be sent
  skb_frag* more_frags;              // fragments beyond kInlineFrags
  skb_frag frag[kInlineFrags];
  alignas(8) uint8_t cb[72];  // the layer that holds the packet keeps its notes here
  uint8_t inline_data[kInlineData];

  skb_frag& frag_at(unsigned i) { return i < kInlineFrags ? frag[i] : more_frags[i - kInlineFrags]; }
  const skb_frag& frag_at(unsigned i) const { return i < kInlineFrags ? frag[i] : more_frags[i - kInlineFrags]; }
  uint32_t headlen() const { return len - data_len; }
  uint8_t* tail() const { return data + headlen(); }
  uint8_t* mac() const { return head + mac_header; }
  uint8_t* network() const { return head + network_header; }
  uint8_t* transport() const { return head + transport_header; }
  bool is_gso() const { return gso_size != 0; }
};

// The layer's notes: SKB_CB<TcpCb>(skb)->seq. The struct must fit and be trivial.
template <class Cb>
Cb* SKB_CB(sk_buff* skb) {
  static_assert(sizeof(Cb) <= sizeof(sk_buff::cb) && std::is_trivially_copyable_v<Cb>);
  return reinterpret_cast<Cb*>(skb->cb);
}

class Skb {
 public:
  Skb() = default;
  explicit Skb(sk_buff* p) : p_(p) {}
  Skb(Skb&& o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
  Skb& operator=(Skb&& o) noexcept {
    if (p_) [[unlikely]]
      leaked(p_);
    p_ = std::exchange(o.p_, nullptr);
    return *this;
  }
  ~Skb() {
    if (p_) [[unlikely]]
      leaked(p_);
  }
  sk_buff* operator->() const { return p_; }
  sk_buff& operator*() const { return *p_; }
  sk_buff* get() const { return p_; }
  explicit operator bool() const { return p_ != nullptr; }
  [[nodiscard]] sk_buff* release() { return std::exchange(p_, nullptr); }

 private:
  static void leaked(sk_buff*);
  sk_buff* p_ = nullptr;
};

// --- ends
// The packet did its duty.
void consume_skb(Skb);
// The packet is dropped; `why` comes from DROP(REASON) and is not null.
void kfree_skb_reason(Skb, Verdict why);
// Takes the memory back without counting an end: for a header whose content went on in another packet.
void kfree_skb_partial(Skb);

// --- making
// Linear room for `size` bytes behind `headroom`. Never fails below 4 GiB.
Skb alloc_skb(SkbPool&, Trace&, uint32_t size, uint32_t headroom = kMaxHeader);
// Another handle on the same data. Inline linear data is copied, blocks are shared; queue linkage, sk and destructor
// are not taken over.
Skb skb_clone(const sk_buff&);
// A deep copy, linear.
Skb skb_copy(const sk_buff&);

// --- linear data (sizes in bytes; room is the caller's duty, checked by assertion)
void skb_reserve(const Skb&, uint32_t n);
uint8_t* skb_put(const Skb&, uint32_t n);   // appends to the linear data; only while there are no fragments
uint8_t* skb_push(const Skb&, uint32_t n);  // prepends
uint8_t* skb_pull(const Skb&, uint32_t n);  // removes from the front; n <= headlen()
inline uint32_t skb_headroom(const sk_buff& s) { return static_cast<uint32_t>(s.data - s.head); }
inline uint32_t skb_tailroom(const sk_buff& s) { return s.data_len ? 0 : static_cast<uint32_t>(s.end - s.tail()); }

// The first n bytes of the packet are linear afterwards (moved out of fragments if need be); false if it is shorter.
bool pskb_pull(sk_buff&, uint32_t n);
inline bool pskb_may_pull(const Skb& s, uint32_t n) { return n <= s->headlen() || pskb_pull(*s, n); }
// Removes n bytes from the front, across fragments. n <= len.
void skb_eat(const Skb&, uint32_t n);
// Shortens to `len` bytes.
void pskb_trim(const Skb&, uint32_t len);
// The linear data belongs to this packet alone afterwards, with at least `headroom` before it.
void skb_cow_head(const Skb&, uint32_t headroom);
// As above, for all data: one linear piece.
void skb_make_writable(const Skb&);

inline void skb_set_network_header(const Skb& s, int offset) {
  s->network_header = static_cast<uint16_t>(s->data - s->head + offset);
}
inline void skb_reset_network_header(const Skb& s) { skb_set_network_header(s, 0); }
inline void skb_reset_mac_header(const Skb& s) { s->mac_header = static_cast<uint16_t>(s->data - s->head); }
inline void skb_reset_transport_header(const Skb& s) { s->transport_header = static_cast<uint16_t>(s->data - s->head); }

// --- fragments
// Appends a fragment; takes over the caller's reference to the block. nr_frags < MAX_SKB_FRAGS.
void skb_add_frag(const Skb&, DataBlock*, uint32_t offset, uint32_t size);

// --- content
void skb_copy_bits(const sk_buff&, uint32_t offset, void* to, uint32_t n);       // offset + n <= len
void skb_store_bits(const Skb&, uint32_t offset, const void* from, uint32_t n);  // data must be writable
uint32_t skb_checksum(const sk_buff&, uint32_t offset, uint32_t n, uint32_t sum);
// Completes a partial checksum in software; false if its place lies outside the packet.
bool skb_checksum_help(const Skb&);
// The bytes from the network header on that are in one piece, for traces.
std::span<const uint8_t> skb_linear_packet(const sk_buff&);

// --- cutting and joining
// Moves the bytes from `len` on into `rest` (an empty packet of the same pool), sharing blocks. rest's cb, truesize are
// the caller's.
void skb_split(const Skb& skb, const Skb& rest, uint32_t len);
// At least n bytes fit behind the linear data afterwards; the packet has no fragments.
void skb_expand_tail(const Skb&, uint32_t n);
// Appends `from`'s data to `to` by moving its fragments; `from` is left to be freed by kfree_skb_partial(). False if it
// does not fit.
bool skb_try_coalesce(const Skb& to, const Skb& from);

// Memory charge of a packet with `size` linear bytes, by Linux's SKB_TRUESIZE: what buffer limits are counted in.
constexpr uint32_t SKB_TRUESIZE(uint32_t size) { return ((size + 63) & ~63u) + 320 + 256; }

// What Linux charges for a received IP packet of `len` bytes whose driver copied it (TUN, and any driver below its
// copybreak): the head comes from kmalloc's sizes, what is beyond one page from whole pages. `tailroom` is what such a
// buffer leaves behind the data: a small segment that follows fits there and costs nothing more.
struct RxCharge {
  uint32_t truesize, tailroom;
};
RxCharge skb_rx_charge(uint32_t len);
// The same for a buffer that is made to hold exactly `size` bytes.
uint32_t skb_alloc_charge(uint32_t size);

}  // namespace glass
