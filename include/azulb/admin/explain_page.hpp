// An explanation as JSON, for the API and the command line.
#pragma once

#include <string>

#include "azulb/proxy/explain.hpp"

namespace azulb::admin {

/// docs/admin-api.md, POST /explain.
std::string explain_page(const proxy::Snapshot& snapshot, const proxy::Explanation& explanation);

}  // namespace azulb::admin
