// What the people who run azulb have changed of an upstream's servers while it runs, beside its sources.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "azulb/config/config.hpp"

namespace azulb::discovery {

struct Amendments {
  std::vector<config::Server> added;  // addresses, no names
  /// Servers of the sources that are not to serve, by address. True: a source has listed it. When none does
  /// any more, it is forgotten.
  std::map<std::string, bool> removed;

  bool empty() const { return added.empty() && removed.empty(); }
  bool operator==(const Amendments&) const = default;
};

/// By the upstream's name.
using AmendmentsByUpstream = std::map<std::string, Amendments>;

/// FoundServer::source of those that were added.
inline constexpr const char* added_source = "api";

}  // namespace azulb::discovery
