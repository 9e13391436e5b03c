// Message heads as views. They own nothing: the bytes and the fields belong to whoever parsed them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "azulb/http/field.hpp"

namespace azulb::http {

enum class Method : std::uint8_t { other, get, head, post, put, delete_, options, patch, connect, trace };

/// Case-sensitive (RFC 9110 section 9.1); `other` for every other token.
Method method_of(std::string_view name);
/// RFC 9110 section 9.2.2: GET, HEAD, OPTIONS, TRACE, PUT, DELETE. `other` is taken for not idempotent.
bool is_idempotent(Method method);

struct RequestHead {
  std::string_view method_name;
  Method method = Method::other;
  std::string_view target;
  int version_minor = 1;  // HTTP/1.x; higher minors than 1 are 1 (RFC 9110 section 2.5)
  std::span<Field> fields;
  std::uint64_t present = 0;  // id_bit()s of the fields

  bool has(FieldId id) const { return (present & id_bit(id)) != 0; }
};

struct ResponseHead {
  int status = 0;
  std::string_view reason;  // may be empty
  int version_minor = 1;
  std::span<Field> fields;
  std::uint64_t present = 0;

  bool has(FieldId id) const { return (present & id_bit(id)) != 0; }
};

/// Makes all views of `head`, which all point into the bytes at `from`, point to the same offsets at `to`;
/// the caller copies the bytes there. `storage` takes over the fields (it must have room for them; it may be
/// where they are already).
void relocate(RequestHead& head, const char* from, const char* to, std::span<Field> storage);
void relocate(ResponseHead& head, const char* from, const char* to, std::span<Field> storage);

}  // namespace azulb::http
