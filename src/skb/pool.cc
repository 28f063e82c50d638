#include "skb/pool.h"

#include <new>

#include "skb/skb.h"

namespace glass {

SkbPool::SkbPool()
    : heads_(sizeof(sk_buff), 64, 64),
      more_frags_(sizeof(skb_frag) * (MAX_SKB_FRAGS - kInlineFrags), 64, 16),
      blocks_{Slab(sizeof(DataBlock) + kSizes[0], 64, 32), Slab(sizeof(DataBlock) + kSizes[1], 64, 32),
              Slab(sizeof(DataBlock) + kSizes[2], 64, 8), Slab(sizeof(DataBlock) + kSizes[3], 64, 4),
              Slab(sizeof(DataBlock) + kSizes[4], 64, 2)} {}

SkbPool::~SkbPool() = default;

DataBlock* SkbPool::alloc_block(uint32_t size) {
  ++blocks_in_use_;
  uint8_t c = 0;
  while (c < kSizes.size() && kSizes[c] < size) ++c;
  if (c == kSizes.size()) {
    void* memory = ::operator new(sizeof(DataBlock) + size);
    return new (memory) DataBlock{this, 1, size, 0, kHeap};
  }
  return new (blocks_[c].alloc()) DataBlock{this, 1, kSizes[c], 0, c};
}

void SkbPool::free_block(DataBlock* b) {
  --blocks_in_use_;
  if (b->size_class == kHeap) return ::operator delete(b);
  blocks_[b->size_class].free(b);
}

size_t SkbPool::bytes_reserved() const {
  size_t sum = heads_.bytes_reserved() + more_frags_.bytes_reserved();
  for (const Slab& s : blocks_) sum += s.bytes_reserved();
  return sum;
}

}  // namespace glass
