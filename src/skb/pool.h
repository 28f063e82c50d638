// Where packets live: slabs for sk_buffs and for the reference-counted data blocks they point into.
//
// One pool serves one thread; stacks of one simulated world share it, so that a packet can pass from host to host
// without a copy. It must outlive every stack and device that uses it. Nothing here touches the heap in the steady
// state.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

#include "base/slab.h"

namespace glass {

class SkbPool;
struct sk_buff;

// A piece of packet memory shared by everything that references it (fragments, external linear data).
struct DataBlock {
  SkbPool* pool;
  uint32_t refs;
  uint32_t capacity;   // bytes at data()
  uint32_t used;       // bytes handed out from the front; whoever fills it up may append at `used`
  uint8_t size_class;  // kHeap = its own heap allocation
  uint8_t* data() { return reinterpret_cast<uint8_t*>(this + 1); }

  void get() { ++refs; }
  inline void put();
};

class SkbPool {
 public:
  SkbPool();
  ~SkbPool();
  SkbPool(const SkbPool&) = delete;
  SkbPool& operator=(const SkbPool&) = delete;

  sk_buff* alloc_head() { return static_cast<sk_buff*>(heads_.alloc()); }
  void free_head(sk_buff* skb) { heads_.free(skb); }
  void* alloc_more_frags() { return more_frags_.alloc(); }
  void free_more_frags(void* p) { more_frags_.free(p); }

  // A block with at least `size` bytes, one reference, used = 0.
  DataBlock* alloc_block(uint32_t size);
  void free_block(DataBlock*);

  uint32_t next_id() { return ++last_id_; }
  size_t skbs_in_use() const { return heads_.in_use(); }
  size_t blocks_in_use() const { return blocks_in_use_; }
  size_t bytes_reserved() const;

 private:
  static constexpr std::array<uint32_t, 5> kSizes{512, 2048, 8192, 33024, 67584};
  static constexpr uint8_t kHeap = 0xff;
  Slab heads_, more_frags_;
  std::array<Slab, kSizes.size()> blocks_;
  size_t blocks_in_use_ = 0;
  uint32_t last_id_ = 0;
};

void DataBlock::put() {
  if (--refs == 0) pool->free_block(this);
}

}  // namespace glass
