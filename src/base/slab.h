// A slab of equal objects: alloc and free are a pop and a push on an intrusive free list; memory is taken from the heap
// in chunks and given back only when the slab dies. Single-threaded. Objects are raw storage: the caller constructs and
// destroys.
//
//   Slab pool(sizeof(Thing), alignof(Thing));   Thing* t = new (pool.alloc()) Thing;   t->~Thing(); pool.free(t);
//
// Under AddressSanitizer free objects are poisoned: touching or freeing one again is reported.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#define GLASS_HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GLASS_HAS_ASAN 1
#endif
#endif
#ifndef GLASS_HAS_ASAN
#define GLASS_HAS_ASAN 0
#endif
#if GLASS_HAS_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace glass {

namespace detail {
#if GLASS_HAS_ASAN
inline void poison(void* p, size_t size) { __asan_poison_memory_region(p, size); }
inline void unpoison(void* p, size_t size) { __asan_unpoison_memory_region(p, size); }
#else
inline void poison(void*, size_t) {}
inline void unpoison(void*, size_t) {}
#endif
}  // namespace detail

class Slab {
 public:
  // `per_chunk` objects are taken at a time. `align` is a power of two, at most 4096.
  explicit Slab(size_t object_size, size_t align = 64, size_t per_chunk = 64);
  ~Slab();
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;

  void* alloc() {
    if (!free_) [[unlikely]]
      grow();
    Node* n = free_;
    detail::unpoison(n, size_);
    free_ = n->next;
    ++in_use_;
    return n;
  }
  void free(void* p) {
    Node* n = static_cast<Node*>(p);
    n->next = free_;
    free_ = n;
    --in_use_;
    detail::poison(n, size_);
  }
  size_t in_use() const { return in_use_; }     // objects handed out now
  size_t object_size() const { return size_; }  // after rounding up to the alignment
  size_t bytes_reserved() const { return chunks_.size() * size_ * per_chunk_; }

 private:
  struct Node {
    Node* next;
  };
  void grow();

  Node* free_ = nullptr;
  size_t size_ = 0, align_, per_chunk_, in_use_ = 0;
  std::vector<void*> chunks_;
};

}  // namespace glass
