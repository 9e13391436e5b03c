// Which certificates serve a host name.
#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace azulb::tls {

/// Names in lower case, "*.example.com" among them (RFC 6125 section 6.4.3: for exactly one label).
class ServerNames {
 public:
  void add(std::string name, SSL_CTX* context) { contexts_.insert_or_assign(std::move(name), context); }

  /// The context for a name as a client wrote it; null if no certificate is for it.
  SSL_CTX* find(std::string_view name) const;

 private:
  std::map<std::string, SSL_CTX*, std::less<>> contexts_;
};

/// For each name that a certificate has: the certificates to serve it with, by their indices, the first of
/// each kind of key. `names` and `kinds` are the certificates' names and kinds of key.
std::map<std::string, std::vector<std::size_t>> group_by_name(
    const std::vector<std::vector<std::string>>& names, const std::vector<int>& kinds);

}  // namespace azulb::tls
