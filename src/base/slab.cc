#include "base/slab.h"

#include <algorithm>
#include <new>

namespace glass {

Slab::Slab(size_t object_size, size_t align, size_t per_chunk)
    : align_(std::max(align, alignof(Node))), per_chunk_(std::max<size_t>(per_chunk, 1)) {
  size_ = (std::max(object_size, sizeof(Node)) + align_ - 1) / align_ * align_;
}

Slab::~Slab() {
  for (void* chunk : chunks_) {
    detail::unpoison(chunk, size_ * per_chunk_);
    ::operator delete (chunk, std::align_val_t{align_});
  }
}

void Slab::grow() {
  chunks_.reserve(chunks_.size() + 1);
  auto* chunk = static_cast<std::byte*>(::operator new (size_* per_chunk_, std::align_val_t{align_}));
  chunks_.push_back(chunk);
  // Backwards, so that objects are handed out in the order of their addresses.
  for (size_t i = per_chunk_; i-- > 0;) free_ = new (chunk + i * size_) Node{free_};
  detail::poison(chunk, size_ * per_chunk_);
}

}  // namespace glass
