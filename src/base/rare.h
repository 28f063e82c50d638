// The part of an object that few of its kind need: a pointer until it is first changed; until then everybody reads the
// same defaults.
//
//   Rare<Settings> set;
//   if (set->limit) ...          // reads, never allocates
//   set.make().limit = 3;        // from here on the object has its own
//
// Copies are deep, where T can be copied.
#pragma once
#include <memory>

namespace glass {

template <class T>
class Rare {
 public:
  Rare() = default;
  Rare(const Rare& o) { *this = o; }
  Rare& operator=(const Rare& o) {
    own_ = o.own_ ? std::make_unique<T>(*o.own_) : nullptr;
    return *this;
  }

  const T* operator->() const { return own_ ? own_.get() : &kDefaults; }
  T& make() {
    if (!own_) own_ = std::make_unique<T>();
    return *own_;
  }
  // Null: nothing was changed.
  T* own() const { return own_.get(); }

 private:
  static inline constinit const T kDefaults{};
  std::unique_ptr<T> own_;
};

}  // namespace glass
