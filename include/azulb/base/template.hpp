// A text with {names} in it, taken apart once.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "azulb/base/result.hpp"

namespace azulb::base {

class Template {
 public:
  static constexpr std::size_t no_variable = static_cast<std::size_t>(-1);
  struct Part {
    std::string literal;                 // before the variable
    std::size_t variable = no_variable;  // its place among the names
  };

  /// "{{" and "}}" are braces. The error says which name is unknown, and those there are, or which brace is
  /// open.
  static Result<Template> compile(std::string_view text, std::span<const std::string_view> names);

  const std::vector<Part>& parts() const { return parts_; }
  /// No variable is in it: it always says the same.
  bool is_literal() const {
    return parts_.empty() || (parts_.size() == 1 && parts_[0].variable == no_variable);
  }
  /// Of a literal template.
  std::string_view literal() const { return parts_.empty() ? std::string_view() : parts_[0].literal; }

 private:
  std::vector<Part> parts_;
};

}  // namespace azulb::base
