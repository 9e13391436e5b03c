#include <doctest/doctest.h>

#include "azulb/http/target.hpp"

using namespace azulb::http;

TEST_CASE("Targets in origin, absolute and asterisk form are split") {
  struct Case {
    Method method;
    const char* text;
    const char* path;
    const char* query;
  };
  for (const Case& item :
       {Case{Method::get, "/", "/", ""}, Case{Method::get, "/a/b?c?d", "/a/b", "?c?d"},
        Case{Method::get, "/?", "/", "?"}, Case{Method::get, "//a/b", "//a/b", ""},
        Case{Method::get, "http://a", "/", ""}, Case{Method::get, "HTTPS://a/b?c", "/b", "?c"},
        Case{Method::get, "http://a:1?c=/d", "/", "?c=/d"}, Case{Method::options, "*", "*", ""},
        Case{Method::options, "http://a", "*", ""}, Case{Method::options, "http://a/", "/", ""}}) {
    CAPTURE(item.text);
    Target target;
    CHECK(parse_target(item.method, item.text, target) == Defect::none);
    CHECK(target.path == item.path);
    CHECK(target.query == item.query);
  }
}

TEST_CASE("Other targets are refused") {
  for (const char* text : {"",
                           "a",
                           "a/b",
                           "*",
                           "*a",
                           "?a",
                           "ftp://a/",
                           "http:/a",
                           "http:///a",
                           "http://",
                           "http://?a",
                           "http://u@a/",
                           "http://u:p@a/",
                           "http://a:x/",
                           "http://[::1/",
                           "http://a b/",
                           "a:80",
                           "/%",
                           "/a%00",
                           "/%zz?x",
                           "http://a/%2"}) {
    CAPTURE(text);
    Target target;
    CHECK(parse_target(Method::get, text, target) == Defect::bad_target);
  }
}

TEST_CASE("Only visible ASCII but the fragment's sign is a target's text") {
  CHECK(is_target_text("/a?b=%20\"<>|"));
  for (const char* text : {"", "/a b", "/a#b", "/\x7F", "/\t", "/\xC3\xA4", "/\x01"})
    CHECK_FALSE(is_target_text(text));
}

TEST_CASE("Authorities are names, addresses and ports") {
  Authority authority;
  for (const char* text : {"a", "a.b-c_d~e", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::ffff:1.2.3.4]:65535",
                           "a:", "a%41b", "xn--bcher-kva.example:8080"}) {
    CAPTURE(text);
    CHECK(parse_authority(text, authority));
  }
  for (const char* text :
       {"", ":1", "a:65536", "a:123456", "a: 1", "[]", "[::1]1", "[::1%25lo]", "a,b", "a%4"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_authority(text, authority));
  }
}

TEST_CASE("A _method key is found wherever it hides in a query") {
  for (const char* query : {"_method=delete", "_method", "_method=", "a=b&_method=put", "a;_method=x",
                            "%5Fmethod=x", "%5fmet%68od=x", "&&_method=x", "%5F%6D%65%74%68%6F%64"}) {
    CAPTURE(query);
    CHECK(has_method_override(query));
  }
  for (const char* query : {"", "method=x", "_methods=x", "x_method=y", "a=_method", "_metho", "_Method=x",
                            "%5", "%5Gmethod=x", "%255Fmethod=x"}) {
    CAPTURE(query);
    CHECK_FALSE(has_method_override(query));
  }
}
