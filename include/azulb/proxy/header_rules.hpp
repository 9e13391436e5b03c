// A route's rules for header fields, compiled.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "azulb/base/template.hpp"
#include "azulb/config/config.hpp"
#include "azulb/http/field.hpp"
#include "azulb/http/stored_request.hpp"

namespace azulb::proxy {

/// What the variables of rules stand for.
struct HeaderFacts {
  const http::Request& request;
  std::string_view listener;
  std::string_view route;
  std::string_view upstream;
  std::string_view server;
  int status = 0;  // of the response; 0 in requests
};

/// Where the lines that rules make are kept until they are written; reused, so that a warm one allocates
/// nothing.
struct HeaderScratch {
  std::vector<http::Field> fields;
  std::string text;
};

/// Immutable; any thread.
class HeaderRules {
 public:
  explicit HeaderRules(const config::HeaderRules& rules);

  bool empty() const { return lines_.empty() && replaced_.empty(); }

  /// Marks (Field::drop) those of `fields` that are removed or set anew, and returns those to be written
  /// besides, in `scratch` until its next use. Names compare without case and with "_" for "-", as some
  /// servers do.
  std::span<const http::Field> apply(std::span<http::Field> fields, const HeaderFacts& facts,
                                     HeaderScratch& scratch) const;

 private:
  struct Line {
    std::string name;
    http::FieldId id;
    base::Template value;
  };

  void mark_replaced(std::span<http::Field> fields) const;
  void add_line(const std::string& name, const std::string& value);

  std::vector<std::string> replaced_;  // names
  std::vector<Line> lines_;
};

}  // namespace azulb::proxy
