// How many files and sockets the process may open.
#pragma once

#include <cstdint>

namespace azulb::daemon {

/// Raises the limit to what so many client connections need, as far as this process may (root: beyond the
/// hard limit too), and warns if that is not enough.
void raise_descriptor_limit(std::uint64_t max_connections);

}  // namespace azulb::daemon
