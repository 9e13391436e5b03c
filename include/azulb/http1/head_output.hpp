// Writes a head into a connection's gathered output, once, in place where it fits.
#pragma once

#include <span>

#include "azulb/base/buffer.hpp"
#include "azulb/net/connection.hpp"

namespace azulb::http1 {

/// `write(out, capacity)` returns the size it has or would need (http/head_writer.hpp).
template <typename Write>
void write_head(net::Connection& connection, Write write) {
  constexpr std::size_t usual_bytes = 4096;
  const std::span<char> room = connection.write_scratch(usual_bytes);
  const std::size_t size = write(room.data(), room.size());
  if (size <= room.size()) {
    connection.commit_scratch(size);
    return;
  }
  // Larger than what is left of the scratch: a block of its own, sent off before it goes.
  base::Buffer block;
  write(block.prepare(size).data(), size);
  block.commit(size);
  connection.write(block.bytes());
  connection.flush();
}

}  // namespace azulb::http1
