// The wall clock as HTTP writes it.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace azulb::proxy {

/// Made anew once a second.
class HttpDate {
 public:
  std::string_view text();

 private:
  std::int64_t second_ = -1;
  std::array<char, 32> text_{};
};

}  // namespace azulb::proxy
