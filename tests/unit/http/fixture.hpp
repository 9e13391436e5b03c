// Heads from literals, as a parser would have made them.
#pragma once

#include <initializer_list>
#include <span>
#include <string_view>
#include <utility>

#include "azulb/http/head.hpp"

namespace azulb::http {

using Lines = std::initializer_list<std::pair<std::string_view, std::string_view>>;

struct Request {
  Request(std::string_view method, std::string_view target, Lines lines, int version_minor = 1) {
    for (const auto& [name, value] : lines)
      list.push(make_field(name, value));
    head.method_name = method;
    head.method = method_of(method);
    head.target = target;
    head.version_minor = version_minor;
    head.fields = list.fields();
    head.present = list.present();
  }

  FieldList list{32};
  RequestHead head;
};

struct Response {
  Response(int status, Lines lines, int version_minor = 1) {
    for (const auto& [name, value] : lines)
      list.push(make_field(name, value));
    head.status = status;
    head.reason = "Some Reason";
    head.version_minor = version_minor;
    head.fields = list.fields();
    head.present = list.present();
  }

  FieldList list{32};
  ResponseHead head;
};

/// Whether the first field of that name is marked.
inline bool dropped(std::span<const Field> fields, std::string_view name) {
  const Field* field = find_field(fields, name);
  return field != nullptr && field->drop;
}

}  // namespace azulb::http
