// Signals as callbacks on main's loop.
#pragma once

#include <uv.h>

#include <functional>
#include <list>

#include "azulb/net/loop.hpp"

namespace azulb::daemon {

class Signals {
 public:
  explicit Signals(net::Loop& loop) : loop_(loop) {}
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;
  /// The handles are closed; the loop must run once more before it is destroyed (its destructor does).
  ~Signals();

  /// `callback(number)` for each of these signals, on the loop's thread.
  void listen(std::initializer_list<int> numbers, std::function<void(int)> callback);

 private:
  net::Loop& loop_;
  std::function<void(int)> callback_;
  std::list<uv_signal_t*> handles_;
};

}  // namespace azulb::daemon
