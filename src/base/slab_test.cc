#include "base/slab.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <vector>

#include "base/rng.h"

namespace glass {
namespace {

TEST(Slab, SizesAreRoundedToTheAlignment) {
  EXPECT_EQ(Slab(1, 1).object_size(), sizeof(void*));
  EXPECT_EQ(Slab(65, 64).object_size(), 128u);
  EXPECT_EQ(Slab(24, 8).object_size(), 24u);
  EXPECT_EQ(Slab(24, 8).bytes_reserved(), 0u);
}

TEST(Slab, ObjectsAreAlignedAndApart) {
  for (size_t align : {8u, 16u, 64u, 4096u}) {
    Slab slab(100, align, 5);
    std::set<uintptr_t> seen;
    for (int i = 0; i < 17; ++i) {
      void* p = slab.alloc();
      std::memset(p, i, 100);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(p) % align, 0u);
      seen.insert(reinterpret_cast<uintptr_t>(p));
    }
    ASSERT_EQ(seen.size(), 17u);
    for (auto it = seen.begin(); std::next(it) != seen.end(); ++it) EXPECT_GE(*std::next(it) - *it, slab.object_size());
    EXPECT_EQ(slab.bytes_reserved(), 4 * 5 * slab.object_size());
    EXPECT_EQ(slab.in_use(), 17u);
  }
}

TEST(Slab, AFreedObjectIsTheNextOneGiven) {
  Slab slab(48);
  slab.alloc();
  void* p = slab.alloc();
  slab.free(p);
  EXPECT_EQ(slab.in_use(), 1u);
  EXPECT_EQ(slab.alloc(), p);
}

TEST(Slab, RandomUseKeepsContentsAndDoesNotGrowBeyondThePeak) {
  Rng rng(1);
  Slab slab(sizeof(uint64_t) * 3, 8, 16);
  std::vector<uint64_t*> live;
  size_t peak = 0;
  for (int i = 0; i < 20000; ++i) {
    if (live.empty() || rng.chance(live.size() < 500 ? 0.55 : 0.4)) {
      auto* p = static_cast<uint64_t*>(slab.alloc());
      p[0] = p[1] = p[2] = reinterpret_cast<uintptr_t>(p);
      live.push_back(p);
    } else {
      std::swap(live[rng.below(static_cast<uint32_t>(live.size()))], live.back());
      uint64_t* p = live.back();
      live.pop_back();
      for (int k = 0; k < 3; ++k) ASSERT_EQ(p[k], reinterpret_cast<uintptr_t>(p)) << "seed 1, round " << i;
      slab.free(p);
    }
    peak = std::max(peak, live.size());
    ASSERT_EQ(slab.in_use(), live.size());
  }
  EXPECT_EQ(slab.bytes_reserved(), (peak + 15) / 16 * 16 * slab.object_size());
}

#if GLASS_HAS_ASAN
TEST(Slab, FreeObjectsArePoisoned) {
  Slab slab(40, 8, 4);
  auto* p = static_cast<char*>(slab.alloc());
  EXPECT_EQ(__asan_region_is_poisoned(p, 40), nullptr);
  EXPECT_TRUE(__asan_address_is_poisoned(p + 40));  // the next one, never given out
  slab.free(p);
  EXPECT_TRUE(__asan_address_is_poisoned(p));
  EXPECT_TRUE(__asan_address_is_poisoned(p + 39));
}
#endif

}  // namespace
}  // namespace glass
