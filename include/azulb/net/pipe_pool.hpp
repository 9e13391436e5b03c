// Pipes for splice(2).
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace azulb::net {

/// Both ends of a pipe, and what it holds.
struct Pipe {
  int read_end = -1;
  int write_end = -1;
  std::size_t held_bytes = 0;
};

/// A loop's reserve of empty pipes. Their number is bounded: their pages are kernel memory that counts for
/// nobody.
class PipePool {
 public:
  static constexpr std::size_t capacity_bytes = 1024 * 1024;
  static constexpr std::size_t pipes_limit = 64;
  static constexpr std::size_t reserve_limit = 8;

  PipePool() = default;
  PipePool(const PipePool&) = delete;
  PipePool& operator=(const PipePool&) = delete;
  ~PipePool() { clear(); }

  /// Closes the reserve.
  void clear();

  /// Null if none is to be had: the bytes are then copied.
  std::unique_ptr<Pipe> acquire();
  void release(std::unique_ptr<Pipe> pipe);

 private:
  static void destroy(const Pipe& pipe);
  std::vector<std::unique_ptr<Pipe>> reserve_;
  std::size_t made_ = 0;
};

}  // namespace azulb::net
