#include "socket/file.h"

#include <algorithm>
#include <cstring>

#include "socket/eventpoll.h"

namespace glass {

File::~File() {
  while (!eventpolls.empty()) eventpolls.back()->forget(*this);
}

Result<size_t> MemoryFile::read_at(std::span<uint8_t> to, size_t at) const {
  if (!content_) {
    std::ranges::fill(to, uint8_t{0});
    return to.size();
  }
  if (at >= content_->size()) return size_t{0};
  const size_t n = std::min(to.size(), content_->size() - at);
  if (n) std::memcpy(to.data(), content_->data() + at, n);
  return n;
}

Result<size_t> MemoryFile::read(std::span<uint8_t> to) {
  Result<size_t> n = read_at(to, offset);
  if (n) offset += *n;
  return n;
}

Result<size_t> MemoryFile::write(std::span<const uint8_t> from) {
  if (!content_) return from.size();
  if (content_->size() < offset + from.size()) content_->resize(offset + from.size());
  std::ranges::copy(from, content_->begin() + static_cast<ptrdiff_t>(offset));
  offset += from.size();
  return from.size();
}

}  // namespace glass
