// Which sessions are resumed, which certificate is shown, and whose certificate is asked for.
#include <doctest/doctest.h>
#include <unistd.h>

#include <string>

#include "fixture.hpp"

using namespace azulb;
using tls::ClientVerify;

namespace {

struct Servers {
  explicit Servers(tls::ServerSettings settings = {}) {
    settings.certificates = {identity.files()};
    auto built = tls::ServerContext::build(settings);
    REQUIRE_MESSAGE(built.has_value(), built.error().message);
    server = *built;
    auto client_built = tls::ClientContext::build({.ca = identity.certificate});
    REQUIRE(client_built.has_value());
    client = *client_built;
  }
  /// Whether a handshake that uses, and refreshes, `resumption` was a short one.
  bool resumes() {
    test::Ends ends(server->make_session(), client->make_session("a.test", resumption));
    REQUIRE(ends.shake_hands());
    test::read_some(*ends.client);  // tickets of TLS 1.3
    CHECK(ends.server->resumed() == ends.client->resumed());
    return ends.server->resumed();
  }

  test::Identity identity;
  tls::Resumption resumption;
  std::shared_ptr<tls::ServerContext> server;
  std::shared_ptr<tls::ClientContext> client;
};

}  // namespace

TEST_CASE("a session is resumed on the next connection, also of one that was closed without ceremony") {
  Servers f;
  CHECK_FALSE(f.resumes());
  CHECK(f.resumes());
  CHECK(f.resumes());
}

TEST_CASE("without tickets nothing is resumed") {
  Servers f({.session_tickets = false});
  CHECK_FALSE(f.resumes());
  CHECK_FALSE(f.resumes());
}

TEST_CASE("another listener's session is not resumed") {
  Servers f;
  CHECK_FALSE(f.resumes());
  auto other = tls::ServerContext::build({.certificates = {f.identity.files()}, .scope = "other"});
  REQUIRE(other.has_value());
  f.server = *other;
  CHECK_FALSE(f.resumes());
}

TEST_CASE("a client shows its certificate where it is asked, and may be required to") {
  for (const ClientVerify rule : {ClientVerify::off, ClientVerify::optional, ClientVerify::required}) {
    CAPTURE(static_cast<int>(rule));
    const test::Identity own;
    Servers f({.client_ca = own.certificate, .client_verify = rule});
    const auto with = tls::ClientContext::build(
        {.ca = f.identity.certificate, .certificate = own.certificate, .key = own.key});
    REQUIRE(with.has_value());
    test::Ends shown(f.server->make_session(), (*with)->make_session("a.test", f.resumption));
    REQUIRE(shown.shake_hands());
    CHECK(shown.server->peer_subject() == (rule == ClientVerify::off ? "" : "CN=unit"));
    tls::Resumption fresh;
    test::Ends without(f.server->make_session(), f.client->make_session("a.test", fresh));
    CHECK(without.shake_hands() == (rule != ClientVerify::required));
    const test::Identity stranger;
    const auto wrong = tls::ClientContext::build(
        {.ca = f.identity.certificate, .certificate = stranger.certificate, .key = stranger.key});
    test::Ends refused(f.server->make_session(), (*wrong)->make_session("a.test", fresh));
    CHECK(refused.shake_hands() == (rule == ClientVerify::off));
    if (rule != ClientVerify::off)
      CHECK(refused.server->failure().find("certificate is not accepted") != std::string::npos);
  }
}

TEST_CASE("a session is not resumed when the client's certificate has expired meanwhile") {
  const test::Identity own("DNS:app.test", "EC", 2);
  Servers f({.client_ca = own.certificate, .client_verify = ClientVerify::required});
  const auto with = tls::ClientContext::build(
      {.ca = f.identity.certificate, .certificate = own.certificate, .key = own.key});
  REQUIRE(with.has_value());
  f.client = *with;
  CHECK_FALSE(f.resumes());
  CHECK(f.resumes());
  while (X509_cmp_current_time(X509_get0_notAfter(own.made.certificate.get())) > 0)
    usleep(20'000);
  test::Ends ends(f.server->make_session(), f.client->make_session("a.test", f.resumption));
  CHECK_FALSE(ends.shake_hands());
  CHECK(ends.server->failure().find("expired") != std::string::npos);
}

TEST_CASE("files that cannot be used are errors that name them") {
  const test::Identity own;
  CHECK_FALSE(tls::ServerContext::build({}).has_value());
  const std::string missing = own.directory.path("missing");
  for (const tls::ServerSettings& settings :
       {tls::ServerSettings{.certificates = {{missing, own.key, ""}}},
        tls::ServerSettings{.certificates = {{own.certificate, missing, ""}}},
        tls::ServerSettings{
            .certificates = {own.files()}, .client_ca = missing, .client_verify = ClientVerify::optional}}) {
    const auto built = tls::ServerContext::build(settings);
    REQUIRE_FALSE(built.has_value());
    CHECK(built.error().message.find(missing) != std::string::npos);
  }
  CHECK_FALSE(tls::ClientContext::build({.ca = missing}).has_value());
  CHECK_FALSE(tls::ClientContext::build({.certificate = missing, .key = own.key}).has_value());
  CHECK_FALSE(tls::ServerContext::build({.certificates = {own.files()}, .ciphers = "NONSENSE"}).has_value());
}
