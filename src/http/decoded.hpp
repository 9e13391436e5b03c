// Comparing what is percent-encoded.
#pragma once

#include <string_view>

namespace azulb::http {

/// Whether the text, percent-decoded once and "+" read as a space, is `wanted`. An invalid encoding stands
/// for itself.
bool decodes_to(std::string_view text, std::string_view wanted);

}  // namespace azulb::http
