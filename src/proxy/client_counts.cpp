#include "azulb/proxy/client_counts.hpp"

#include <functional>
#include <string_view>

#include "azulb/base/assert.hpp"

namespace azulb::proxy {

std::size_t ClientCounts::Hash::operator()(const base::IpAddress& address) const {
  return std::hash<std::string_view>{}(
      std::string_view(reinterpret_cast<const char*>(address.bytes.data()), address.bytes.size()));
}

ClientCounts::Shard& ClientCounts::shard(const base::IpAddress& address) {
  return shards_[Hash{}(address) % shards_.size()];
}

bool ClientCounts::begin(const base::IpAddress& address, std::uint64_t limit) {
  Shard& home = shard(address);
  const std::lock_guard lock(home.mutex);
  return ++home.counts[address] <= limit;
}

void ClientCounts::end(const base::IpAddress& address) {
  Shard& home = shard(address);
  const std::lock_guard lock(home.mutex);
  const auto found = home.counts.find(address);
  AZULB_ASSERT(found != home.counts.end());
  if (--found->second == 0) home.counts.erase(found);
}

}  // namespace azulb::proxy
