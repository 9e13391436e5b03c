#include "azulb/base/expression.hpp"

#include <doctest/doctest.h>

#include <string>

using azulb::base::Expression;

TEST_CASE("an expression is found anywhere unless it says where") {
  CHECK(Expression::compile("b+")->found_in("abc"));
  CHECK_FALSE(Expression::compile("^b+")->found_in("abc"));
  CHECK(Expression::compile("^a.c$")->found_in("abc"));
  CHECK_FALSE(Expression::compile("^a.c$")->found_in("abcd"));
  CHECK(Expression::compile("^/caf\\x{e9}$")->found_in("/caf\xE9"));
}

TEST_CASE("what is no expression says so") {
  CHECK(Expression::compile("a(").error().message == "missing ): a(");
  CHECK_FALSE(Expression::compile("(?=a)").has_value());
  CHECK_FALSE(Expression::compile("((a{1000}){1000}){1000}").has_value());
}
