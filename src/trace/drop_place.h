// Drop places: every spot in the code where a packet can end early, registered at compile time.
//
// DROP(REASON) is an expression: it puts one DropPlace (reason, function, file, line) into a linker section and yields
// a pointer to it. So the catalogue of all places exists without running anything, and each place has an index under
// which a stack counts it.
//
//   if (bad) return kfree_skb_reason(std::move(skb), DROP(TCP_CSUM));
//   DropPlace const* why = DROP(TCP_OVERWINDOW);      // a verdict that is decided here and carried out by the caller
//
// Use it in functions with a body in a .cc file only: inside templates and inline functions the section would clash.
#pragma once
#include <cstdint>
#include <span>

#include "trace/drop_reason.h"

namespace glass {

struct alignas(64) DropPlace {  // size equals alignment, so that the section is an array
  DropReason reason;
  int line;
  const char* function;
  const char* file;  // relative to the source tree
};
static_assert(sizeof(DropPlace) == 64);

extern "C" const DropPlace __start_glass_drop_places[] __attribute__((visibility("hidden")));
extern "C" const DropPlace __stop_glass_drop_places[] __attribute__((visibility("hidden")));

// All places of this program, in link order.
inline std::span<const DropPlace> drop_places() {
  return {__start_glass_drop_places, static_cast<size_t>(__stop_glass_drop_places - __start_glass_drop_places)};
}
inline size_t index_of(const DropPlace* place) { return static_cast<size_t>(place - __start_glass_drop_places); }

// A verdict on a packet: null means "no reason to drop it".
using Verdict = const DropPlace*;

}  // namespace glass

#define DROP(reason_name)                                                                                        \
  (__extension__({                                                                                               \
    [[gnu::section("glass_drop_places"), gnu::used]] static constinit const ::glass::DropPlace glass_place_here{ \
        ::glass::DropReason::reason_name, __LINE__, __func__, __FILE__};                                         \
    &glass_place_here;                                                                                           \
  }))
