// listener.NAME.tls and upstream.NAME.tls, with a TLS library that says what the test wants.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "support.hpp"

using namespace azulb;
using namespace azulb::config;
using namespace azulb::config::test;

namespace {

/// Files whose names begin with "bad" are wrong; what was judged is in `seen`.
struct Library {
  LoadOptions options() {
    LoadOptions options = world();
    const auto judge = [this](const std::string& text) -> base::Result<void> {
      seen.push_back(text);
      if (text.starts_with("bad")) return base::failure(text + " is wrong");
      return {};
    };
    options.tls.certificate = [judge](const std::string& cert, const std::string& key) {
      auto judged = judge(cert);
      return judged ? judge(key) : judged;
    };
    options.tls.ocsp = options.tls.bundle = options.tls.ciphers = judge;
    return options;
  }
  std::vector<std::string> seen;
};

constexpr const char* pair =
    "[listener.s]\naddress = ':1'\n[listener.s.tls]\ncertificates = [{ cert = 'c', key = 'k' }]\n";

/// What stands behind `pair` begins with line 7.
std::string listener_fault(const std::string& text) {
  Library library;
  return only_fault(std::string(kLeast) + pair + text, library.options());
}

/// What stands in the table begins with line 4.
std::string upstream_fault(const std::string& text) {
  Library library;
  return only_fault(std::string(kLeast) + "[upstream.app.tls]\n" + text, library.options());
}

std::string certificates_fault(const std::string& list) {
  Library library;
  return only_fault(std::string(kLeast) + "listener.http.tls.certificates = " + list, library.options());
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a listener's TLS is read, and every file is judged") {
  Library library;
  const Config config = loaded(std::string(kLeast) + R"(
listener.http.timeout.tls_handshake = "3s"
[listener.http.tls]
certificates = [{ cert = "c1", key = "k1", ocsp = "o1" }, { cert = "c2", key = "k2" }]
min_version = "1.3"
ciphers = "HIGH"
client_ca = "ca"
client_verify = "optional"
session_tickets = false
redirect_http = true
)",
                               library.options());
  REQUIRE(config.listeners[0].tls.has_value());
  CHECK(*config.listeners[0].tls == ListenerTls{.certificates = {{"c1", "k1", "o1"}, {"c2", "k2", ""}},
                                                .min_version = TlsVersion::tls13,
                                                .ciphers = "HIGH",
                                                .client_ca = "ca",
                                                .client_verify = ClientVerify::optional,
                                                .session_tickets = false,
                                                .redirect_http = true});
  CHECK(config.listeners[0].timeout.tls_handshake.count() == 3000);
  CHECK(library.seen == std::vector<std::string>{"c1", "k1", "o1", "c2", "k2", "HIGH", "ca"});
}

TEST_CASE("an upstream's TLS is read, and every file is judged") {
  Library library;
  const Config config = loaded(std::string(kLeast) + R"([upstream.app.tls]
verify = false
ca = "ca"
server_name = "a.test"
cert = "c"
key = "k"
)",
                               library.options());
  REQUIRE(config.upstreams[0].tls.has_value());
  CHECK(*config.upstreams[0].tls ==
        UpstreamTls{.verify = false, .ca = "ca", .server_name = "a.test", .cert = "c", .key = "k"});
  CHECK(library.seen == std::vector<std::string>{"ca", "c", "k"});
  CHECK(loaded(std::string(kLeast) + "upstream.app.tls = {}").upstreams[0].tls == UpstreamTls{});
  CHECK_FALSE(loaded(kLeast).upstreams[0].tls.has_value());
}

TEST_CASE("what is wrong with a file is told where the file is named") {
  CHECK(contains(certificates_fault("[{ cert = 'c', key = 'k' }, { cert = 'bad', key = 'k' }]"),
                 "3:71 listener.http.tls.certificates[2].cert: bad is wrong"));
  CHECK(contains(certificates_fault("[{ cert = 'c', key = 'bad' }]"), "certificates[1].cert: bad is wrong"));
  CHECK(contains(certificates_fault("[{ cert = 'c', key = 'k', ocsp = 'bad' }]"),
                 "certificates[1].ocsp: bad is wrong"));
  CHECK(listener_fault("ciphers = 'bad'") == "7:11 listener.s.tls.ciphers: bad is wrong");
  CHECK(listener_fault("client_verify = 'required'\nclient_ca = 'bad'") ==
        "8:13 listener.s.tls.client_ca: bad is wrong");
  CHECK(upstream_fault("ca = 'bad'") == "4:6 upstream.app.tls.ca: bad is wrong");
  CHECK(upstream_fault("cert = 'bad'\nkey = 'k'") == "4:8 upstream.app.tls.cert: bad is wrong");
}

TEST_CASE("a listener's TLS needs certificates, each with its key") {
  CHECK(contains(certificates_fault("[]"), "\"certificates\" must have at least one member"));
  CHECK(contains(certificates_fault("'c'"), "must be a list of tables"));
  CHECK(contains(certificates_fault("['c']"), "must be a table"));
  CHECK(contains(certificates_fault("[{}]"), "a certificate has cert and key"));
  CHECK(contains(certificates_fault("[{ cert = 'c' }]"), "a certificate needs its private key: add key"));
  CHECK(contains(certificates_fault("[{ key = 'k' }]"), "a private key needs its certificate: add cert"));
  CHECK(contains(certificates_fault("[{ cert = 1, key = 'k' }]"), "must be a string"));
  CHECK(
      contains(certificates_fault("[{ cert = 'c', key = 'k', oscp = 'o' }]"), "unknown key \"oscp\" [ocsp]"));
  CHECK(contains(only_fault(std::string(kLeast) + "listener.http.tls = {}"), "TLS needs a certificate"));
  CHECK(contains(only_fault(std::string(kLeast) + "listener.http.tls = { certificate = [] }"),
                 "unknown key \"certificate\" [certificates]"));
}

TEST_CASE("a misspelled key is one fault, not two") {
  CHECK(certificates_fault("[{ cret = 'c', key = 'k' }]").find('\n') == std::string::npos);
  CHECK(certificates_fault("[{ cert = 'c', kye = 'k' }]").find('\n') == std::string::npos);
  CHECK(listener_fault("client_verify = 'required'\nclient_cA = 'ca'").find('\n') == std::string::npos);
}

TEST_CASE("clients are verified against a bundle, and a bundle is for verifying") {
  CHECK(contains(listener_fault("client_verify = 'required'"),
                 "listener.s.tls.client_verify: to verify clients' certificates takes client_ca"));
  CHECK(contains(listener_fault("client_verify = 'optional'"), "takes client_ca"));
  CHECK(contains(listener_fault("client_ca = 'ca'"), "client_ca has no effect without client_verify"));
  CHECK(listener_fault("client_verify = 'off'\nclient_ca = 'ca'").empty());
  CHECK(contains(listener_fault("client_verify = 'always'"), "always"));
}

TEST_CASE("versions and switches are of their kinds") {
  CHECK(contains(listener_fault("min_version = '1.1'"), "1.1"));
  CHECK(contains(listener_fault("min_version = 1.2"), "must be a string"));
  CHECK(contains(listener_fault("session_tickets = 'yes'"), "must be true or false"));
  CHECK(contains(listener_fault("redirect_http = 1"), "must be true or false"));
  CHECK(contains(upstream_fault("verify = 'no'"), "must be true or false"));
}

TEST_CASE("an upstream's name can be proved") {
  for (const char* name : {"a b", "a:1", "https://a", "*.a.test"}) {
    CAPTURE(name);
    CHECK(contains(upstream_fault("server_name = '" + std::string(name) + "'"),
                   "is neither a host name nor an address (without a port)"));
  }
  for (const char* name : {"a", "A.test", "10.0.0.1", "::1", ""}) {
    CAPTURE(name);
    CHECK(upstream_fault("server_name = '" + std::string(name) + "'").empty());
  }
  CHECK(contains(upstream_fault("cert = 'c'"), "a certificate needs its private key: add key"));
  CHECK(contains(upstream_fault("key = 'k'"), "a private key needs its certificate: add cert"));
  const std::string socket =
      "listener.http.address = ':1'\n[upstream.app]\nservers = ['unix:/s']\n[upstream.app.tls]\n";
  CHECK(
      contains(only_fault(socket), "a server on a unix socket has no name that its certificate could prove"));
  CHECK(only_fault(socket + "verify = false").empty());
  CHECK(only_fault(socket + "server_name = 'a'").empty());
}
