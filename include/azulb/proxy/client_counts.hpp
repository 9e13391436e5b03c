// How many connections each client address has, over all workers: only for listeners that limit them, and
// only when a connection begins or ends.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "azulb/base/address.hpp"

namespace azulb::proxy {

/// Any thread. Memory is bounded by the connections that are open.
class ClientCounts {
 public:
  /// Counts one connection of `address`. False if it has `limit` already; it is then counted all the same,
  /// and ended like any other.
  bool begin(const base::IpAddress& address, std::uint64_t limit);
  void end(const base::IpAddress& address);

 private:
  struct Hash {
    std::size_t operator()(const base::IpAddress& address) const;
  };
  struct Shard {
    std::mutex mutex;
    std::unordered_map<base::IpAddress, std::uint64_t, Hash> counts;
  };
  Shard& shard(const base::IpAddress& address);

  std::array<Shard, 16> shards_;
};

}  // namespace azulb::proxy
