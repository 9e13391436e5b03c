// The keys that session tickets are sealed with (RFC 5077, RFC 8446 section 4.6.1): made at random, kept in
// memory only, replaced by and by.
#pragma once

#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <mutex>
#include <span>

#include "azulb/tls/handle.hpp"

namespace azulb::tls {

/// Shared by the threads that shake hands for one listener. A key seals for four hours and opens for
/// twelve, which bounds how long a stolen one can open recorded sessions; a ticket is good for eight or more.
class TicketKeys {
 public:
  static constexpr std::int64_t rotation_ms = std::int64_t{4} * 60 * 60 * 1000;

  TicketKeys();
  TicketKeys(const TicketKeys&) = delete;
  TicketKeys& operator=(const TicketKeys&) = delete;
  ~TicketKeys();

  /// What SSL_CTX_set_tlsext_ticket_key_evp_cb asks for: 1 = the key is set, 2 = set, and the ticket is to be
  /// renewed, 0 = its key is not known, -1 = failure. `now_ms`: of a monotonic clock.
  int prepare(std::span<unsigned char, 16> name, unsigned char* initial_vector, EVP_CIPHER_CTX* cipher,
              EVP_MAC_CTX* mac, bool sealing, std::int64_t now_ms);

 private:
  struct Key {
    std::array<unsigned char, 16> name;
    std::array<unsigned char, 32> cipher;
    std::array<unsigned char, 32> mac;
    std::int64_t made_ms;
  };
  static constexpr std::size_t kept = 3;

  bool rotate(std::int64_t now_ms);
  /// Copies the key that is in use, or the named one; returns its place, `count_` = there is none.
  std::size_t find(std::span<unsigned char, 16> name, bool sealing, Key& key) const;
  bool set(const Key& key, const unsigned char* initial_vector, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
           bool sealing) const;

  const Handle<EVP_CIPHER, EVP_CIPHER_free> algorithm_;
  std::mutex mutex_;              // of what follows
  std::array<Key, kept> keys_{};  // the one in use first
  std::size_t count_ = 0;
};

}  // namespace azulb::tls
