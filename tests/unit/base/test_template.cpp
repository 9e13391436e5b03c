#include "azulb/base/template.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <string_view>

using azulb::base::Template;

namespace {

constexpr std::array<std::string_view, 2> names = {"one", "two"};

/// With each variable as <its place>.
std::string written(std::string_view text) {
  const auto compiled = Template::compile(text, names);
  if (!compiled) return compiled.error().message;
  std::string out;
  for (const Template::Part& part : compiled->parts()) {
    out += part.literal;
    if (part.variable != Template::no_variable) out += "<" + std::to_string(part.variable) + ">";
  }
  return out;
}

}  // namespace

TEST_CASE("a template is taken apart into texts and variables") {
  CHECK(written("") == "");
  CHECK(written("text") == "text");
  CHECK(written("{two}{one} and {one}.") == "<1><0> and <0>.");
  CHECK(written("{{{one}}}") == "{<0>}");
  CHECK(Template::compile("a {{b}}", names)->literal() == "a {b}");
  CHECK(Template::compile("a {{b}}", names)->is_literal());
  CHECK(Template::compile("", names)->is_literal());
  CHECK_FALSE(Template::compile("a{one}", names)->is_literal());
}

TEST_CASE("a template with an unknown name or an open brace is refused") {
  CHECK(written("{three}") == "there is no variable {three}: there are one, two");
  CHECK(written("{}") == "there is no variable {}: there are one, two");
  CHECK(written("a{one") == "a { is not closed by }; write {{ for a brace");
  CHECK(written("a}") == "a } closes nothing; write }} for a brace");
}
