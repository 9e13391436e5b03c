#include "azulb/http/normal_path.hpp"

#include <doctest/doctest.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

using namespace azulb::http;

namespace {

template <typename Write>
std::string written(std::string_view path, Write write) {
  std::string out(path.size(), '?');
  out.resize(write(path, out.data()));
  return out;
}

std::string normal(std::string_view path) {
  return written(path, write_normal_path);
}

using Pairs = std::initializer_list<std::pair<const char*, const char*>>;

}  // namespace

TEST_CASE("a path in its normal form stays as it is") {
  for (const char* path :
       {"/", "/a", "/a/", "/a/b.c", "/.well-known/acme", "/...", "/..a/.b", "/a..", "/caf%C3%A9", "/a%2Fb",
        "/%5C", "/a;b=c/d", "/~me/-_.", "/!$&'()*+,=:@", "/a\\b", "/%25", "/%252F", "/%20"}) {
    CAPTURE(path);
    CHECK(path_form(path) == PathForm::normal);
    CHECK(normal(path) == path);
  }
  CHECK(path_form("*") == PathForm::normal);
}

TEST_CASE("unreserved characters are decoded, other encodings get upper-case digits") {
  for (const auto& [path, expected] : Pairs{{"/%61dmin", "/admin"},
                                            {"/%7Eme", "/~me"},
                                            {"/%2d%2E%5f", "/-._"},
                                            {"/caf%c3%a9", "/caf%C3%A9"},
                                            {"/a%2fb", "/a%2Fb"},
                                            {"/%3f%23", "/%3F%23"},
                                            {"/%41%5a%30", "/AZ0"}}) {
    CAPTURE(path);
    CHECK(path_form(path) == PathForm::other);
    CHECK(normal(path) == expected);
  }
  CHECK(normal("/%2561") == "/%2561");  // once, not twice
}

TEST_CASE("dot segments are resolved, and runs of slashes are one") {
  for (const auto& [path, expected] : Pairs{{"//", "/"},
                                            {"//a", "/a"},
                                            {"/a//b///c", "/a/b/c"},
                                            {"/a//", "/a/"},
                                            {"/.", "/"},
                                            {"/..", "/"},
                                            {"/./a", "/a"},
                                            {"/a/.", "/a/"},
                                            {"/a/..", "/"},
                                            {"/a/b/..", "/a/"},
                                            {"/a/./b/../c", "/a/c"},
                                            {"/../../a", "/a"},
                                            {"/a/../../..", "/"},
                                            {"/a//../b", "/b"},
                                            {"/..//../a", "/a"},
                                            {"/a/b/../../", "/"}}) {
    CAPTURE(path);
    CHECK(path_form(path) == PathForm::other);
    CHECK(normal(path) == expected);
  }
}

TEST_CASE("encoded dots are dots") {
  for (const auto& [path, expected] : Pairs{{"/%2e", "/"},
                                            {"/%2E%2e/a", "/a"},
                                            {"/a/.%2e/b", "/b"},
                                            {"/a/%2e%2E", "/"},
                                            {"/a/%2e./%2e/b", "/b"}}) {
    CAPTURE(path);
    CHECK(normal(path) == expected);
  }
}

TEST_CASE("what encodes nothing, or a NUL, has no normal form") {
  for (const char* path :
       {"/%", "/a%", "/%4", "/%zz", "/%4g", "/%g4", "/%%41", "/%00", "/a%00b", "/%2e%00", "/%C3%"}) {
    CAPTURE(path);
    CHECK(path_form(path) == PathForm::malformed);
  }
}

TEST_CASE("encoded slashes and backslashes can be read as slashes, and what they hide resolved") {
  for (const auto& [path, expected] : Pairs{{"/a%2Fb", "/a/b"},
                                            {"/%2Fa", "/a"},
                                            {"/a/..%2Fb", "/b"},
                                            {"/a%5C..%5Cb", "/b"},
                                            {"/a\\b", "/a/b"},
                                            {"/a%2F", "/a/"},
                                            {"/%2F..", "/"}}) {
    CAPTURE(path);
    CHECK(hides_separators(path));
    CHECK(written(path, write_separators_decoded) == expected);
  }
  for (const char* path : {"/", "/a%20b", "/%252F", "/%2C", "/%5B"}) {
    CAPTURE(path);
    CHECK_FALSE(hides_separators(path));
  }
}
