#include "azulb/http/head.hpp"

#include "azulb/base/assert.hpp"
#include "azulb/http/bytes.hpp"

namespace azulb::http {

Method method_of(std::string_view name) {
  switch (name.size()) {
    case 3:
      if (is_literal(name, "GET")) return Method::get;
      if (is_literal(name, "PUT")) return Method::put;
      break;
    case 4:
      if (is_literal(name, "POST")) return Method::post;
      if (is_literal(name, "HEAD")) return Method::head;
      break;
    case 5:
      if (is_literal(name, "PATCH")) return Method::patch;
      if (is_literal(name, "TRACE")) return Method::trace;
      break;
    case 6:
      if (is_literal(name, "DELETE")) return Method::delete_;
      break;
    case 7:
      if (is_literal(name, "OPTIONS")) return Method::options;
      if (is_literal(name, "CONNECT")) return Method::connect;
      break;
    default:
      break;
  }
  return Method::other;
}

bool is_idempotent(Method method) {
  switch (method) {
    case Method::get:
    case Method::head:
    case Method::options:
    case Method::trace:
    case Method::put:
    case Method::delete_:
      return true;
    case Method::post:
    case Method::patch:
    case Method::connect:
    case Method::other:
      return false;
  }
  return false;
}

namespace {

std::string_view moved(std::string_view view, const char* from, const char* to) {
  return {to + (view.data() - from), view.size()};
}

std::span<Field> moved(std::span<Field> fields, const char* from, const char* to, std::span<Field> storage) {
  AZULB_ASSERT(storage.size() >= fields.size());
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const Field& field = fields[i];
    storage[i] = Field{moved(field.name, from, to), moved(field.value, from, to), field.id, field.drop,
                       field.verbatim};
  }
  return storage.first(fields.size());
}

}  // namespace

void relocate(RequestHead& head, const char* from, const char* to, std::span<Field> storage) {
  head.method_name = moved(head.method_name, from, to);
  head.target = moved(head.target, from, to);
  head.fields = moved(head.fields, from, to, storage);
}

void relocate(ResponseHead& head, const char* from, const char* to, std::span<Field> storage) {
  head.reason = moved(head.reason, from, to);
  head.fields = moved(head.fields, from, to, storage);
}

}  // namespace azulb::http
