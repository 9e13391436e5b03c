#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "allocation_counter.hpp"
#include "azulb/http/framing.hpp"
#include "azulb/http1/head_parser.hpp"
#include "azulb/proxy/router.hpp"

using namespace azulb;

namespace {

/// A judged request, from the method, the target and the Host field.
class Asking {
 public:
  explicit Asking(std::string_view target, std::string_view host = "example.com",
                  std::string_view method = "GET")
      : text_(std::string(method) + " " + std::string(target) + " HTTP/1.1\r\nHost: " + std::string(host) +
              "\r\n\r\n") {
    http1::HeadParser parser;
    http::RequestHead head;
    REQUIRE(parser.parse_request(text_, {.start_line_bytes = 65536}, fields_, head) ==
            http1::ParseStatus::complete);
    stored_ = http::StoredRequest(head, text_);
    REQUIRE(http::judge_request(stored_->head, stored_->info) == http::Defect::none);
    stored_.normalise_path();
  }
  const http::Request& operator*() { return *stored_; }

 private:
  std::string text_;
  http::FieldList fields_{16};
  http::StoredRequest stored_;
};

struct RouteBuilder {
  config::Route route;
  RouteBuilder() { route.upstream = "app"; }
  RouteBuilder& host(std::vector<std::string> names) { return route.host = std::move(names), *this; }
  RouteBuilder& path(std::string text) { return route.path = std::move(text), *this; }
  RouteBuilder& prefix(std::string text) { return route.path_prefix = std::move(text), *this; }
  RouteBuilder& methods(std::vector<std::string> names) { return route.methods = std::move(names), *this; }
  RouteBuilder& listener(std::vector<std::string> names) { return route.listener = std::move(names), *this; }
};

config::Config with_routes(std::vector<RouteBuilder> routes) {
  config::Config config;
  for (const char* name : {"http", "internal"})
    config.listeners.emplace_back().name = name;
  config.upstreams.emplace_back().name = "app";
  for (RouteBuilder& each : routes)
    config.routes.push_back(std::move(each.route));
  return config;
}

constexpr int none = -1;

int matched(const config::Config& config, Asking&& asking, std::uint32_t listener = 0) {
  const std::optional<std::uint32_t> index = proxy::Router(config).match(listener, *asking);
  return index ? static_cast<int>(*index) : none;
}

std::string redirected(const std::string& to, Asking&& asking, std::string_view scheme = "https") {
  std::vector<char> out(65536);
  const config::Redirect redirect{308, to};
  const std::size_t size = proxy::write_redirect_location(redirect, *asking, scheme, out.data(), out.size());
  REQUIRE(size <= out.size());
  return {out.data(), size};
}

using R = RouteBuilder;

}  // namespace

TEST_CASE("a route without conditions takes every request") {
  const auto config = with_routes({R{}});
  CHECK(matched(config, Asking("/")) == 0);
  CHECK(matched(config, Asking("/a/b?c=d", "[::1]:8080")) == 0);
  CHECK(matched(config, Asking("*", "example.com", "OPTIONS")) == 0);
}

TEST_CASE("a request that no route takes has none") {
  CHECK(matched(with_routes({}), Asking("/")) == none);
  CHECK(matched(with_routes({R{}.host({"example.com"})}), Asking("/", "example.org")) == none);
}

TEST_CASE("the first route that matches wins, whichever table it stands in") {
  const auto any_first = with_routes({R{}, R{}.host({"example.com"}), R{}.host({"*.com"})});
  CHECK(matched(any_first, Asking("/")) == 0);
  const auto wildcard_first = with_routes({R{}.host({"*.com"}), R{}.host({"example.com"}), R{}});
  CHECK(matched(wildcard_first, Asking("/")) == 0);
  const auto exact_first = with_routes({R{}.host({"example.com"}), R{}, R{}.host({"*.com"})});
  CHECK(matched(exact_first, Asking("/")) == 0);
  CHECK(matched(exact_first, Asking("/", "other.com")) == 1);
}

TEST_CASE("a host matches without case, port and final dot") {
  const auto config = with_routes({R{}.host({"example.com", "[2001:db8::1]"})});
  for (const char* host : {"example.com", "EXAMPLE.com", "example.com:8080", "example.com.",
                           "Example.COM.:80", "ex%61mple.com", "[2001:db8::1]", "[2001:DB8:0:0::1]:80"}) {
    CAPTURE(host);
    CHECK(matched(config, Asking("/", host)) == 0);
  }
  for (const char* host :
       {"xexample.com", "www.example.com", "example.co", "example.com..", "[2001:db8::2]"}) {
    CAPTURE(host);
    CHECK(matched(config, Asking("/", host)) == none);
  }
}

TEST_CASE("a wildcard stands for one or more whole labels") {
  const auto config = with_routes({R{}.host({"*.example.com"})});
  CHECK(matched(config, Asking("/", "api.example.com")) == 0);
  CHECK(matched(config, Asking("/", "A.B.Example.com:81")) == 0);
  CHECK(matched(config, Asking("/", "example.com")) == none);
  CHECK(matched(config, Asking("/", "notexample.com")) == none);
  CHECK(matched(config, Asking("/", ".example.com")) == none);
  CHECK(matched(config, Asking("/", "api.example.com.evil.org")) == none);
}

TEST_CASE("hosts too long to be configured take the routes without host") {
  const auto config = with_routes({R{}.host({"example.com"}), R{}});
  CHECK(matched(config, Asking("/", std::string(4000, 'a') + ".example.com")) == 1);
}

TEST_CASE("a path matches exactly and a prefix by whole segments") {
  const auto config = with_routes({R{}.path("/exact"), R{}.prefix("/api/users"), R{}.prefix("/dir/")});
  CHECK(matched(config, Asking("/exact")) == 0);
  CHECK(matched(config, Asking("/exact?query")) == 0);
  CHECK(matched(config, Asking("/exact/")) == none);
  CHECK(matched(config, Asking("/Exact")) == none);
  CHECK(matched(config, Asking("/api/users")) == 1);
  CHECK(matched(config, Asking("/api/users/7")) == 1);
  CHECK(matched(config, Asking("/api/users?x=1")) == 1);
  CHECK(matched(config, Asking("/api/usersX")) == none);
  CHECK(matched(config, Asking("/dir/")) == 2);
  CHECK(matched(config, Asking("/dir/file")) == 2);
  CHECK(matched(config, Asking("/dir")) == none);
  CHECK(matched(config, Asking("http://example.com/exact")) == 0);
}

TEST_CASE("methods and listeners narrow a route") {
  const auto config = with_routes({R{}.methods({"GET", "PURGE"}),
                                   R{}.methods({"POST"}).listener({"internal"}), R{}.listener({"internal"})});
  CHECK(matched(config, Asking("/")) == 0);
  CHECK(matched(config, Asking("/", "example.com", "PURGE")) == 0);
  CHECK(matched(config, Asking("/", "example.com", "PURGER")) == none);
  CHECK(matched(config, Asking("/", "example.com", "HEAD")) == none);
  CHECK(matched(config, Asking("/", "example.com", "POST"), 0) == none);
  CHECK(matched(config, Asking("/", "example.com", "POST"), 1) == 1);
  CHECK(matched(config, Asking("/", "example.com", "PUT"), 1) == 2);
}

TEST_CASE("an equal spelling of a path takes the same route") {
  const auto config = with_routes({R{}.prefix("/admin"), R{}.path("/caf%C3%A9"), R{}.path("/~me"), R{}});
  for (const char* target : {"/%61dmin/x", "//admin", "/x/../admin", "/./admin", "/%2e/admin",
                             "/x/%2E%2e/admin/", "/../admin", "/admin//x", "/admin/./x"}) {
    CAPTURE(target);
    CHECK(matched(config, Asking(target)) == 0);
  }
  CHECK(matched(config, Asking("/caf%c3%a9")) == 1);
  CHECK(matched(config, Asking("/%7Eme")) == 2);
  for (const char* target :
       {"/admin/../public", "/admin/..", "/.well-known/acme", "/...", "/free/%2F/a//b/./c"}) {
    CAPTURE(target);
    CHECK(matched(config, Asking(target)) == 3);
  }
}

TEST_CASE("a route's own path is brought into its normal form") {
  const auto config = with_routes({R{}.path("/a//b/../c"), R{}.prefix("/%61dmin/./x")});
  CHECK(matched(config, Asking("/a/c")) == 0);
  CHECK(matched(config, Asking("/admin/x/y")) == 1);
}

TEST_CASE("a path whose hidden slashes would lead to another route takes none") {
  const auto config = with_routes({R{}.prefix("/admin"), R{}.path("/a/b"), R{}.path("/c%2Fd"), R{}});
  for (const char* target :
       {"/%2Fadmin", "/a%2Fb", "/a%2fb", "/admin%2Fsecret", "/x%2F..%2Fadmin", "/x/..%2fadmin",
        "/admin/..%2Fpublic", "/admin%5Csecret", "/\\admin", "/x\\..\\admin"}) {
    CAPTURE(target);
    CHECK(matched(config, Asking(target)) == none);
  }
  CHECK(matched(config, Asking("/admin/a%2Fb")) == 0);
  CHECK(matched(config, Asking("/c%2Fd")) == 2);
  CHECK(matched(config, Asking("/c/d")) == 3);
  CHECK(matched(config, Asking("/%252Fadmin")) == 3);
}

TEST_CASE("an expression is looked for in the normal form, and where slashes may hide with them") {
  auto config = with_routes({R{}, R{}});
  config.routes[0].path_regex = "^/files/[^/]+$";
  CHECK(matched(config, Asking("/files/a")) == 0);
  CHECK(matched(config, Asking("/x/..//file%73/a%20b")) == 0);
  CHECK(matched(config, Asking("/files/a/b")) == 1);
  CHECK(matched(config, Asking("/files/a%2Fb")) == none);
}

TEST_CASE("the query takes no part in matching paths") {
  const auto config = with_routes({R{}.prefix("/admin"), R{}});
  CHECK(matched(config, Asking("/?/../admin")) == 1);
}

TEST_CASE("matching allocates nothing once warm") {
  const proxy::Router router(
      with_routes({R{}.host({"*.example.com"}).prefix("/api"), R{}.host({"example.com"})}));
  Asking plain("/api/v1", "a.b.example.com");
  Asking encoded("/api/%41//../x%2Fy", "Example.com");
  router.match(0, *encoded);
  const std::uint64_t before = test::allocation_count();
  CHECK(router.match(0, *plain) == 0);
  CHECK(router.match(0, *encoded) == 1);
  CHECK(test::allocation_count() == before);
}

TEST_CASE("of ten thousand routes by host only the host's own are looked at") {
  std::vector<RouteBuilder> routes;
  for (int index = 0; index < 10'000; ++index) {
    routes.push_back(R{}.host({(index % 2 ? "*.h" : "h") + std::to_string(index) + ".example.com"}));
  }
  const proxy::Router router(with_routes(std::move(routes)));
  const auto exact = router.explain(0, *Asking("/", "h9998.example.com"));
  CHECK(exact.match == 9998);
  CHECK(exact.looked_at == 1);
  const auto wildcard = router.explain(0, *Asking("/", "x.h9999.example.com"));
  CHECK(wildcard.match == 9999);
  CHECK(wildcard.looked_at == 1);
  const auto other = router.explain(0, *Asking("/", "h9999.example.com"));
  CHECK_FALSE(other.match);
  CHECK(other.looked_at == 0);
}

TEST_CASE("of ten thousand routes by path only those that may match are looked at") {
  std::vector<RouteBuilder> routes{R{}.prefix("/a%2Fb").methods({"PUT"})};
  for (int index = 1; index < 10'000; ++index) {
    const std::string path = "/p" + std::to_string(index);
    routes.push_back(index % 3 == 0   ? R{}.path(path)
                     : index % 3 == 1 ? R{}.prefix(path)
                                      : R{}.prefix(path + "/x/"));
  }
  routes.push_back(R{}.prefix("/p1/deep"));
  routes.push_back(R{}.prefix("/"));
  const proxy::Router router(with_routes(std::move(routes)));
  const auto found = [&](std::string_view target) {
    const auto explained = router.explain(0, *Asking(target));
    CHECK(explained.looked_at <= 3);
    // The first that matches by the long way round, too.
    for (std::uint32_t index = 0; index < explained.match; ++index)
      CHECK(explained.routes[index] != proxy::RouteMismatch::none);
    return static_cast<int>(explained.match.value_or(0));
  };
  CHECK(found("/p9999") == 9999);
  CHECK(found("/p9999/x") == 10'001);
  CHECK(found("/p9997/any/thing") == 9997);
  CHECK(found("/p9998/x/y") == 9998);
  CHECK(found("/p9998/x/") == 9998);
  CHECK(found("/p9998/x") == 10'001);
  CHECK(found("/p1/deep/x") == 1);
  CHECK(found("/p1") == 1);
  CHECK(found("/p1x") == 10'001);
  CHECK(found("/") == 10'001);
  CHECK(found("/nowhere/" + std::string(4000, 'a')) == 10'001);
}

TEST_CASE("a redirect's variables are those of the request") {
  CHECK(redirected("https://${host}${target}", Asking("/a/b?c=d", "Example.com:8080")) ==
        "https://Example.com/a/b?c=d");
  CHECK(redirected("${scheme}://new.example${path}?old&${query}", Asking("/a?b"), "http") ==
        "http://new.example/a?old&b");
  CHECK(redirected("https://[::1]/fixed", Asking("/a")) == "https://[::1]/fixed");
  CHECK(redirected("https://${host}${target}", Asking("*", "example.com", "OPTIONS")) ==
        "https://example.com/");
  CHECK(redirected("https://${host}${target}", Asking("http://other.example/x?y")) ==
        "https://other.example/x?y");
}

TEST_CASE("a redirect to a path leads to no other host") {
  CHECK(redirected("${target}", Asking("//evil.example/x")) == "/evil.example/x");
  CHECK(redirected("${path}", Asking("/\\/evil.example")) == "/evil.example");
  CHECK(redirected("${path}", Asking("/\\\\evil.example")) == "/evil.example");
  CHECK(redirected("https://example.com${path}", Asking("//evil.example")) ==
        "https://example.com/evil.example");
}

TEST_CASE("a redirect that does not fit tells how much room it needs") {
  Asking asking("/path", "example.com");
  const config::Redirect redirect{301, "https://${host}${target}"};
  char small[8];
  CHECK(proxy::write_redirect_location(redirect, *asking, "http", small, sizeof small) == 24);
  CHECK(std::string_view(small, sizeof small) == "https://");
}

TEST_CASE("a redirect to the request's host needs one") {
  const std::string text = "GET / HTTP/1.0\r\n\r\n";
  http1::HeadParser parser;
  http::FieldList fields(4);
  http::RequestHead head;
  REQUIRE(parser.parse_request(text, {}, fields, head) == http1::ParseStatus::complete);
  http::StoredRequest stored(head, text);
  REQUIRE(http::judge_request(stored->head, stored->info) == http::Defect::none);
  char out[64];
  CHECK(proxy::write_redirect_location({308, "https://${host}/"}, *stored, "http", out, sizeof out) == 0);
  CHECK(proxy::write_redirect_location({308, "/x"}, *stored, "http", out, sizeof out) == 2);
}
