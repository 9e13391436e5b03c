#include "azulb/tls/ticket_keys.hpp"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <algorithm>

namespace azulb::tls {

// Fetched by name once: that takes locks that all threads share.
TicketKeys::TicketKeys() : algorithm_(EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr)) {}

TicketKeys::~TicketKeys() {
  OPENSSL_cleanse(keys_.data(), sizeof keys_);
}

bool TicketKeys::rotate(std::int64_t now_ms) {
  while (count_ > 0 && now_ms - keys_[count_ - 1].made_ms >= static_cast<std::int64_t>(kept) * rotation_ms)
    --count_;
  if (count_ > 0 && now_ms - keys_.front().made_ms < rotation_ms) return true;
  Key fresh;
  const bool made = RAND_bytes(fresh.name.data(), static_cast<int>(fresh.name.size())) == 1 &&
                    RAND_priv_bytes(fresh.cipher.data(), static_cast<int>(fresh.cipher.size())) == 1 &&
                    RAND_priv_bytes(fresh.mac.data(), static_cast<int>(fresh.mac.size())) == 1;
  if (!made) return count_ > 0;  // the old key goes on
  fresh.made_ms = now_ms;
  std::move_backward(keys_.begin(), keys_.end() - 1, keys_.end());
  keys_.front() = fresh;
  OPENSSL_cleanse(&fresh, sizeof fresh);
  count_ = std::min(count_ + 1, kept);
  return true;
}

bool TicketKeys::set(const Key& key, const unsigned char* initial_vector, EVP_CIPHER_CTX* cipher,
                     EVP_MAC_CTX* mac, bool sealing) const {
  char digest[] = "SHA256";
  const std::array<OSSL_PARAM, 3> params = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, const_cast<unsigned char*>(key.mac.data()),
                                        key.mac.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
  return EVP_CipherInit_ex(cipher, algorithm_.get(), nullptr, key.cipher.data(), initial_vector,
                           sealing ? 1 : 0) == 1 &&
         EVP_MAC_CTX_set_params(mac, params.data()) == 1;
}

std::size_t TicketKeys::find(std::span<unsigned char, 16> name, bool sealing, Key& key) const {
  if (sealing) {
    key = keys_.front();
    return 0;
  }
  std::size_t index = 0;
  while (index < count_ && !std::equal(name.begin(), name.end(), keys_[index].name.begin()))
    ++index;
  if (index < count_) key = keys_[index];
  return index;
}

int TicketKeys::prepare(std::span<unsigned char, 16> name, unsigned char* initial_vector,
                        EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, bool sealing, std::int64_t now_ms) {
  if (!algorithm_) return -1;
  Key key;
  std::size_t index;
  {
    const std::lock_guard lock(mutex_);
    if (!rotate(now_ms)) return -1;
    index = find(name, sealing, key);
    if (index == count_) return 0;
  }
  bool good = true;
  if (sealing) {
    std::copy(key.name.begin(), key.name.end(), name.begin());
    good = RAND_bytes(initial_vector, EVP_CIPHER_get_iv_length(algorithm_.get())) == 1;
  }
  good = good && set(key, initial_vector, cipher, mac, sealing);
  OPENSSL_cleanse(&key, sizeof key);
  if (!good) return -1;
  return index == 0 ? 1 : 2;
}

}  // namespace azulb::tls
