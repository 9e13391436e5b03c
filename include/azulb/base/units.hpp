// Durations, sizes and rates as people write them in the configuration, and back.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "azulb/base/result.hpp"

namespace azulb::base {

using Milliseconds = std::chrono::milliseconds;

/// "250ms" "2s" "1m30s" "1h" "0". Units h, m, s, ms in falling order, each at most once; a bare number only
/// if it is 0. An overflow (over 10 years) is an error.
Result<Milliseconds> parse_duration(std::string_view text);

/// "512" "16KiB" "4MiB" "1GiB": bytes, in powers of 1024.
Result<std::uint64_t> parse_size(std::string_view text);

/// "1m30s", "250ms", "0s".
std::string format_duration(Milliseconds duration);
/// "64KiB", "512".
std::string format_size(std::uint64_t size_bytes);

}  // namespace azulb::base
