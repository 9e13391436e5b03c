#include <doctest/doctest.h>

#include <string>

#include "azulb/tls/handle.hpp"
#include "server_names.hpp"

using namespace azulb;

namespace {

struct Fixture {
  Fixture() {
    names.add("a.test", exact.get());
    names.add("*.wild.test", wildcard.get());
    names.add("in.wild.test", inner.get());
  }
  tls::ContextHandle exact{SSL_CTX_new(TLS_method())};
  tls::ContextHandle wildcard{SSL_CTX_new(TLS_method())};
  tls::ContextHandle inner{SSL_CTX_new(TLS_method())};
  tls::ServerNames names;
};

using Groups = std::map<std::string, std::vector<std::size_t>>;

}  // namespace

TEST_CASE("a name is found whatever its case and with a dot at its end") {
  const Fixture f;
  for (const char* name : {"a.test", "A.TEST", "a.Test.", "A.test."}) {
    CAPTURE(name);
    CHECK(f.names.find(name) == f.exact.get());
  }
  for (const char* name : {"b.test", "test", "", ".", "a.test..", "xa.test", "a.tes", ".a.test"}) {
    CAPTURE(name);
    CHECK(f.names.find(name) == nullptr);
  }
}

TEST_CASE("a wildcard is for exactly one label, and an exact name goes before it") {
  const Fixture f;
  for (const char* name : {"x.wild.test", "X.Wild.Test.", "xn--a.wild.test", "*.wild.test"}) {
    CAPTURE(name);
    CHECK(f.names.find(name) == f.wildcard.get());
  }
  CHECK(f.names.find("in.wild.test") == f.inner.get());
  for (const char* name : {"wild.test", ".wild.test", "a.b.wild.test", "x.in.wild.test"}) {
    CAPTURE(name);
    CHECK(f.names.find(name) == nullptr);
  }
}

TEST_CASE("names of every length are looked up") {
  tls::ServerNames names;
  const tls::ContextHandle context(SSL_CTX_new(TLS_method()));
  const std::string longest(250, 'x');
  names.add(longest + ".test", context.get());
  names.add("*.test", context.get());
  CHECK(names.find(longest + ".test") == context.get());
  CHECK(names.find(std::string(249, 'y') + ".test") == context.get());
  for (const std::size_t length : {251U, 255U, 256U, 257U, 5000U}) {
    CAPTURE(length);
    CHECK(names.find(std::string(length, 'x') + ".test") == nullptr);
    CHECK(names.find(std::string(length, '.')) == nullptr);
  }
}

TEST_CASE("each name is served with the first certificate of each kind of key") {
  CHECK(tls::group_by_name({{"a"}, {"a", "b"}, {"b", "a"}, {"c"}}, {1, 1, 2, 2}) ==
        Groups{{"a", {0, 2}}, {"b", {1, 2}}, {"c", {3}}});
  CHECK(tls::group_by_name({}, {}).empty());
  CHECK(tls::group_by_name({{}}, {1}).empty());
  CHECK(tls::group_by_name({{"a", "a"}}, {1}) == Groups{{"a", {0}}});
}
