#include "azulb/balance/hash_key.hpp"

#include <xxhash.h>

namespace azulb::balance {

std::uint64_t hash_key(std::string_view key) {
  return XXH3_64bits(key.data(), key.size());
}

}  // namespace azulb::balance
