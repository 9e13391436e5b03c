// Regular expressions that take linear time whatever they are and are matched against (RE2).
#pragma once

#include <memory>
#include <string_view>

#include "azulb/base/result.hpp"

namespace re2 {
class RE2;
}

namespace azulb::base {

/// Immutable. Matching is for any thread and allocates nothing once the states that the texts lead through
/// are known; those are kept within a limit of memory.
class Expression {
 public:
  /// The error says what is wrong with it.
  static Result<Expression> compile(std::string_view text);
  Expression(Expression&&) noexcept;
  Expression& operator=(Expression&&) noexcept;
  ~Expression();

  /// Anywhere in the text, unless the expression says "^" or "$". Bytes are characters.
  bool found_in(std::string_view text) const;

 private:
  explicit Expression(std::unique_ptr<const re2::RE2> compiled);
  std::unique_ptr<const re2::RE2> compiled_;
};

}  // namespace azulb::base
