// What the access log needs of a request whose head is no longer kept: one small block, for tunnels.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

#include "azulb/http/stored_request.hpp"
#include "azulb/proxy/access_log.hpp"

namespace azulb::proxy {

/// Sets the request's part of the record to views into the request.
void fill_from_request(const http::Request& request, AccessRecord& record);

class RequestSummary {
 public:
  /// Copies; allocates once.
  static std::unique_ptr<RequestSummary> of(const http::Request& request);
  /// Sets the request's part of the record to views into this.
  void fill(AccessRecord& record) const;

  // Allocated with the texts behind it.
  static void operator delete(void* block) { ::operator delete(block); }

 private:
  static constexpr std::size_t text_count = 8;
  RequestSummary() = default;
  const char* text() const { return reinterpret_cast<const char*>(this + 1); }
  std::array<std::uint32_t, text_count> sizes_{};
};

}  // namespace azulb::proxy
