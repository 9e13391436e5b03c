// Hashing of what `hash_key` selects in a request.
#pragma once

#include <cstdint>
#include <string_view>

namespace azulb::balance {

/// XXH3 of the key's bytes: the same on every machine and in every run, so that several azulbs agree. Any
/// thread.
std::uint64_t hash_key(std::string_view key);

}  // namespace azulb::balance
