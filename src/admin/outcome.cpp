#include "azulb/admin/outcome.hpp"

namespace azulb::admin {

std::string ReloadFailure::text() const {
  return diagnostics.empty() ? error + '\n' : config::render(diagnostics);
}

}  // namespace azulb::admin
