#include <doctest/doctest.h>

#include "azulb/http/lookup.hpp"
#include "fixture.hpp"

using namespace azulb::http;

TEST_CASE("A cookie is found by its exact name") {
  const Request request("GET", "/",
                        {{"Cookie", "a=1; bb=2;c=\"3\" ; empty=; =x; lone"}, {"Cookie", "d=4; a=5"}});
  CHECK(find_cookie(request.head, "a") == "1");
  CHECK(find_cookie(request.head, "bb") == "2");
  CHECK(find_cookie(request.head, "c") == "3");
  CHECK(find_cookie(request.head, "empty") == "");
  CHECK(find_cookie(request.head, "d") == "4");
  CHECK_FALSE(find_cookie(request.head, "b").has_value());
  CHECK_FALSE(find_cookie(request.head, "A").has_value());
  CHECK_FALSE(find_cookie(request.head, "lone").has_value());
  CHECK_FALSE(find_cookie(Request("GET", "/", {}).head, "a").has_value());
}

TEST_CASE("A query value is found by its key") {
  constexpr const char* query = "a=1&bb=2&&lone&e=&a=3&x==y";
  CHECK(find_query(query, "a") == "1");
  CHECK(find_query(query, "bb") == "2");
  CHECK(find_query(query, "lone") == "");
  CHECK(find_query(query, "e") == "");
  CHECK(find_query(query, "x") == "=y");
  CHECK_FALSE(find_query(query, "b").has_value());
  CHECK_FALSE(find_query("", "a").has_value());
}

TEST_CASE("Lists are taken apart at their commas") {
  std::string_view list = " , a ,\tb,, c";
  std::string_view element;
  CHECK(next_list_element(list, element));
  CHECK(element == "a");
  CHECK(next_list_element(list, element));
  CHECK(element == "b");
  CHECK(next_list_element(list, element));
  CHECK(element == "c");
  CHECK_FALSE(next_list_element(list, element));
  CHECK(list_contains("x, UPGRADE", "upgrade"));
  CHECK_FALSE(list_contains("xupgrade, upgrad", "upgrade"));
}

TEST_CASE("a query is searched for a key and a value, both decoded") {
  CHECK(query_has("a=1&b=2", "b", "2"));
  CHECK(query_has("a=1;b=2", "b", "2"));
  CHECK(query_has("%61=%31", "a", "1"));
  CHECK(query_has("a=b+c", "a", "b c"));
  CHECK(query_has("a=0&a=1", "a", "1"));
  CHECK(query_has("&&a", "a", ""));
  CHECK(query_has("a=", "a", ""));
  CHECK(query_has("a==", "a", "="));
  CHECK_FALSE(query_has("", "a", ""));
  CHECK_FALSE(query_has("a=1", "a", ""));
  CHECK_FALSE(query_has("aa=1", "a", "1"));
  CHECK_FALSE(query_has("A=1", "a", "1"));
  CHECK_FALSE(query_has("a=1%", "a", "1"));
  CHECK_FALSE(query_has("a=%2531", "a", "1"));
}
