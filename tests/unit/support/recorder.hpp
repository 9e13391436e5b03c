// A connection's handler that writes down what it is told.
#pragma once

#include <algorithm>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include "azulb/net/connection.hpp"

namespace azulb::test {

class Recorder : public net::ConnectionHandler {
 public:
  void on_connected() override {
    connected = true;
    if (when_connected) when_connected();
  }
  std::size_t on_bytes(std::span<const char> bytes) override {
    ++deliveries;
    largest_delivery = std::max(largest_delivery, bytes.size());
    offered.assign(bytes.data(), bytes.size());
    const std::size_t consumed = std::min(bytes.size(), consume_limit);
    received.append(bytes.data(), consumed);
    if (when_bytes) when_bytes(std::string_view(bytes.data(), bytes.size()));
    return consumed;
  }
  void on_end() override {
    ended = true;
    received_at_end = received.size();
  }
  void on_failure(int system_error) override {
    failure = system_error;
    ++failures;
    if (when_failed) when_failed();
  }
  void on_drained() override {
    ++drained;
    if (when_drained) when_drained();
  }

  std::string received;  // consumed
  std::string offered;   // by the last on_bytes
  std::size_t consume_limit = std::numeric_limits<std::size_t>::max();
  std::size_t largest_delivery = 0;
  std::size_t received_at_end = 0;
  int deliveries = 0;
  int drained = 0;
  int failure = 0;
  int failures = 0;
  bool connected = false;
  bool ended = false;
  std::function<void()> when_connected;
  std::function<void(std::string_view)> when_bytes;
  std::function<void()> when_failed;
  std::function<void()> when_drained;
};

}  // namespace azulb::test
