#include "azulb/proxy/header_rules.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>

#include "allocation_counter.hpp"

using namespace azulb;

namespace {

/// What would be written: kept fields, then the rules' own.
std::string applied(const proxy::HeaderRules& rules, std::span<http::Field> fields,
                    const http::Request& request, proxy::HeaderScratch& scratch) {
  const auto own = rules.apply(fields,
                               {.request = request,
                                .listener = "http",
                                .route = "r",
                                .upstream = "app",
                                .server = "s1",
                                .status = 404},
                               scratch);
  std::string text;
  const auto add = [&text](const http::Field& field) {
    if (!field.drop) text.append(field.name).append("=").append(field.value).append(" ");
  };
  for (const http::Field& field : fields)
    add(field);
  for (const http::Field& field : own)
    add(field);
  return text;
}

std::array<http::Field, 4> some_fields() {
  return {http::make_field("A", "1"), http::make_field("b", "2"), http::make_field("B_C", "3"),
          http::make_field("D", "4")};
}

}  // namespace

TEST_CASE("fields are removed, set and added, in this order") {
  http::Request request;
  proxy::HeaderScratch scratch;
  auto fields = some_fields();
  const proxy::HeaderRules rules(
      {.remove = {"a", "X"}, .set = {{"B", "two"}, {"b-c", "3{{}}"}}, .add = {{"A", "new"}, {"D", "5"}}});
  CHECK(applied(rules, fields, request, scratch) == "D=4 B=two b-c=3{} A=new D=5 ");
  auto again = some_fields();
  CHECK(applied(rules, again, request, scratch) == "D=4 B=two b-c=3{} A=new D=5 ");
}

TEST_CASE("the variables are those of the request and its answer") {
  http::Request request;
  request.forwarded.client_ip = "10.0.0.1";
  request.forwarded.proto = "https";
  request.forwarded.request_id = "id";
  request.info.authority.host = "h.test";
  request.info.target.path = "/p";
  request.info.target.query = "?q=1";
  request.head.method_name = "GET";
  proxy::HeaderScratch scratch;
  const proxy::HeaderRules rules(
      {.remove = {},
       .set = {{"X", "{client_ip},{host},{scheme},{method},{path},{query},{request_id}"},
               {"L", "literal"},
               {"Y", "{listener},{route},{upstream},{server},{status}"}},
       .add = {}});
  CHECK(applied(rules, {}, request, scratch) ==
        "X=10.0.0.1,h.test,https,GET,/p,q=1,id L=literal Y=http,r,app,s1,404 ");
}

TEST_CASE("rules allocate nothing once their scratch is warm") {
  http::Request request;
  request.info.target.path = "/a/long/path/that/fits/no/small/string";
  proxy::HeaderScratch scratch;
  const proxy::HeaderRules rules({.remove = {"a"}, .set = {{"X", "{path}{path}"}}, .add = {{"Y", "{path}"}}});
  auto fields = some_fields();
  const proxy::HeaderFacts facts{
      .request = request, .listener = {}, .route = {}, .upstream = {}, .server = {}};
  rules.apply(fields, facts, scratch);
  const std::uint64_t before = test::allocation_count();
  CHECK(rules.apply(fields, facts, scratch).size() == 2);
  CHECK(test::allocation_count() == before);
}
