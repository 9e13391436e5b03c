// Objects of one type from chunks of memory: creating and destroying on a warm slab costs a few instructions
// and no call of the allocator, and an object carries no allocator header.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "azulb/base/assert.hpp"

namespace azulb::base {

/// Not thread-safe. Every object must be destroyed before its slab. Chunks are kept until the slab goes, so
/// its size is the most objects that ever lived at once.
template <typename T>
class Slab {
 public:
  Slab() = default;
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;
  ~Slab() { AZULB_ASSERT(live_ == 0); }

  template <typename... Arguments>
  T& create(Arguments&&... arguments) {
#if defined(__SANITIZE_ADDRESS__)
    ++live_;  // the sanitizer sees a use after destroy only if the memory really goes back
    return *new T(std::forward<Arguments>(arguments)...);
#endif
    if (free_ == nullptr) grow();
    Slot* slot = free_;
    free_ = slot->next;
    ++live_;
    return *new (slot->object) T(std::forward<Arguments>(arguments)...);
  }

  void destroy(T& object) noexcept {
#if defined(__SANITIZE_ADDRESS__)
    --live_;
    delete std::addressof(object);
    return;
#endif
    object.~T();
    auto* slot = reinterpret_cast<Slot*>(std::addressof(object));
    slot->next = free_;
    free_ = slot;
    --live_;
  }

  std::size_t live() const {
    return live_;
  }

 private:
  union Slot {
    Slot* next;
    alignas(T) std::byte object[sizeof(T)];
  };
  static constexpr std::size_t chunk_slots = sizeof(T) >= 4096 ? 4 : 16384 / sizeof(T);

  void grow() {
    chunks_.push_back(std::unique_ptr<Slot[]>(new Slot[chunk_slots]));
    for (std::size_t index = chunk_slots; index-- > 0;) {
      Slot& slot = chunks_.back()[index];
      slot.next = free_;
      free_ = &slot;
    }
  }

  std::vector<std::unique_ptr<Slot[]>> chunks_;
  Slot* free_ = nullptr;
  std::size_t live_ = 0;
};

}  // namespace azulb::base
