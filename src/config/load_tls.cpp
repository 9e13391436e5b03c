// listener.NAME.tls and upstream.NAME.tls
#include <fmt/format.h>

#include "tables.hpp"

namespace azulb::config {
namespace {

constexpr const char* self_signed_hint =
    "for a first try, make one: openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days "
    "365 "
    "-subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout example.key -out example.crt";

/// The value of a key that names a file; empty where it is not written.
Text path_of(TableReader& table, std::string_view key) {
  if (auto text = table.text(key)) return std::move(*text);
  return {{}, table.position(), table.path_of(key)};
}

void report_failure(Context& context, const Text& where, const base::Result<void>& result,
                    std::string hint = {}) {
  if (!result) context.report(where, {result.error().message, {}, std::move(hint)});
}

/// Both or neither. True if both are there.
bool are_a_pair(TableReader& table, const Text& cert, const Text& key) {
  if (cert.value.empty() == key.value.empty()) return !cert.value.empty();
  const bool lacks_key = key.value.empty();
  if (table.is_misspelled(lacks_key ? "key" : "cert")) return false;
  table.report(lacks_key ? "cert" : "key", {lacks_key ? "a certificate needs its private key: add key"
                                                      : "a private key needs its certificate: add cert"});
  return false;
}

void check_certificate(Context& context, const Text& cert, const Text& key, std::string hint = {}) {
  const auto& check = context.options().tls.certificate;
  if (check) report_failure(context, cert, check(cert.value, key.value), std::move(hint));
}

void read_certificate(TableReader& table, Certificate& certificate) {
  const Text cert = path_of(table, "cert");
  const Text key = path_of(table, "key");
  const Text ocsp = path_of(table, "ocsp");
  certificate = {cert.value, key.value, ocsp.value};
  if (are_a_pair(table, cert, key)) {
    check_certificate(table.context(), cert, key, self_signed_hint);
  } else if (cert.value.empty() && key.value.empty() && table.lacks("cert")) {
    table.report("cert",
                 {"a certificate has cert and key", {}, "{ cert = \"site.crt\", key = \"site.key\" }"});
  }
  const auto& check = table.context().options().tls.ocsp;
  if (check && !ocsp.value.empty()) report_failure(table.context(), ocsp, check(ocsp.value));
}

void read_certificates(TableReader& table, std::vector<Certificate>& certificates) {
  const std::string key = table.path_of("certificates");
  const toml::node* const node = table.node("certificates");
  if (node == nullptr) {
    if (table.lacks("certificates"))
      table.report(
          "certificates",
          {"TLS needs a certificate", {}, "certificates = [{ cert = \"site.crt\", key = \"site.key\" }]"});
    return;
  }
  const toml::array* const list = node->as_array();
  if (list == nullptr) return table.report_type(*node, key, "a list of tables");
  if (list->empty()) table.report("certificates", {"\"certificates\" must have at least one member"});
  std::size_t number = 0;
  for (const toml::node& element : *list) {
    const std::string path = fmt::format("{}[{}]", key, ++number);
    const toml::table* const inner = element.as_table();
    if (inner == nullptr) {
      table.report_type(element, path, "a table", "{ cert = \"site.crt\", key = \"site.key\" }");
      continue;
    }
    TableReader reader(table.context(), *inner, path, begin_of(element));
    read_certificate(reader, certificates.emplace_back());
  }
}

void read_bundle(TableReader& table, std::string_view key, std::string& member) {
  const Text text = path_of(table, key);
  member = text.value;
  const auto& check = table.context().options().tls.bundle;
  if (check && !text.value.empty()) report_failure(table.context(), text, check(text.value));
}

void read_ciphers(TableReader& table, std::string& ciphers) {
  const Text text = path_of(table, "ciphers");
  ciphers = text.value;
  const auto& check = table.context().options().tls.ciphers;
  if (check && !ciphers.empty()) report_failure(table.context(), text, check(ciphers));
}

}  // namespace

void read_listener_tls(TableReader& table, ListenerTls& tls) {
  read_certificates(table, tls.certificates);
  table.choice<TlsVersion>("min_version", tls.min_version,
                           {{"1.2", TlsVersion::tls12}, {"1.3", TlsVersion::tls13}});
  read_ciphers(table, tls.ciphers);
  read_bundle(table, "client_ca", tls.client_ca);
  table.choice<ClientVerify>("client_verify", tls.client_verify,
                             {{"off", ClientVerify::off},
                              {"optional", ClientVerify::optional},
                              {"required", ClientVerify::required}});
  table.boolean("session_tickets", tls.session_tickets);
  table.boolean("redirect_http", tls.redirect_http);
  if (tls.client_verify != ClientVerify::off && tls.client_ca.empty() && !table.is_misspelled("client_ca")) {
    table.report("client_verify", {"to verify clients' certificates takes client_ca, the bundle of the CAs "
                                   "that may issue them"});
  }
  if (tls.client_verify == ClientVerify::off && !tls.client_ca.empty() && table.lacks("client_verify")) {
    table.report("client_ca", {"client_ca has no effect without client_verify",
                               {},
                               "add client_verify = \"required\", or \"optional\""});
  }
}

void read_upstream_tls(TableReader& table, UpstreamTls& tls) {
  table.boolean("verify", tls.verify);
  read_bundle(table, "ca", tls.ca);
  table.text("server_name", tls.server_name, check_server_name);
  const Text cert = path_of(table, "cert");
  const Text key = path_of(table, "key");
  tls.cert = cert.value;
  tls.key = key.value;
  if (are_a_pair(table, cert, key)) check_certificate(table.context(), cert, key);
}

}  // namespace azulb::config
