// A request's head kept for as long as its exchange lives: a retry, the access log and header rules read it
// after the bytes it came in are gone. One pooled block holds the head, its fields and their bytes.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "azulb/base/buffer.hpp"
#include "azulb/http/forwarded.hpp"
#include "azulb/http/framing.hpp"
#include "azulb/http/head.hpp"

namespace azulb::http {

/// What is known about one request. Views point into the block that holds it.
struct Request {
  std::size_t head_bytes = 0;  // as it came over the connection
  std::string_view version;    // of the protocol it came by, for the log; a constant
  std::uint32_t head_ms = 0;   // from its first byte to its end
  RequestHead head;
  RequestInfo info;
  ForwardedValues forwarded;
};

/// Owns one Request; movable, and empty after a move or `reset`. Not thread-safe.
class StoredRequest {
 public:
  StoredRequest() = default;
  /// Copies `parsed`, whose views all point into `bytes`. `info` and `forwarded` are left to be judged.
  StoredRequest(const RequestHead& parsed, std::string_view bytes);
  StoredRequest(StoredRequest&&) noexcept = default;
  StoredRequest& operator=(StoredRequest&&) noexcept = default;

  explicit operator bool() const { return !block_.empty(); }
  Request& operator*() { return *get(); }
  Request* operator->() { return get(); }
  const Request* operator->() const { return get(); }
  /// Of a request that has been judged: from here on info.target.path is in its normal form, while
  /// head.target stays as it came. Allocates nothing.
  void normalise_path();
  void reset() { block_.clear(); }

 private:
  Request* get() const { return reinterpret_cast<Request*>(const_cast<char*>(block_.data())); }
  base::Buffer block_;
};

/// Copies of fields, for trailers that cannot be sent on at once. Movable; not thread-safe.
class StoredFields {
 public:
  StoredFields() = default;
  explicit StoredFields(std::span<const Field> fields);
  std::span<Field> fields();

 private:
  base::Buffer block_;
  std::size_t count_ = 0;
};

}  // namespace azulb::http
