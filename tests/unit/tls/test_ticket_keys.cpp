#include "azulb/tls/ticket_keys.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstdint>

#include "azulb/tls/handle.hpp"

using namespace azulb;

namespace {

using Name = std::array<unsigned char, 16>;

struct Fixture {
  /// What OpenSSL is answered; `name` is filled in when a ticket is sealed.
  int prepare(Name& name, bool sealing, std::int64_t now_ms) {
    const tls::Handle<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free> cipher(EVP_CIPHER_CTX_new());
    const tls::Handle<EVP_MAC, EVP_MAC_free> kind(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
    const tls::Handle<EVP_MAC_CTX, EVP_MAC_CTX_free> mac(EVP_MAC_CTX_new(kind.get()));
    std::array<unsigned char, EVP_MAX_IV_LENGTH> initial_vector{};
    return keys.prepare(name, initial_vector.data(), cipher.get(), mac.get(), sealing, now_ms);
  }
  Name seal(std::int64_t now_ms) {
    Name name{};
    CHECK(prepare(name, true, now_ms) == 1);
    return name;
  }
  int open(Name name, std::int64_t now_ms) { return prepare(name, false, now_ms); }

  tls::TicketKeys keys;
};

constexpr std::int64_t turn_ms = tls::TicketKeys::rotation_ms;

}  // namespace

TEST_CASE("a ticket is opened, renewed once its key has been replaced, and refused when that is too old") {
  Fixture f;
  const std::int64_t begin = 5'000;
  const Name name = f.seal(begin);
  CHECK(f.open(name, begin) == 1);
  CHECK(f.open(name, begin + turn_ms - 1) == 1);
  CHECK(f.open(name, begin + turn_ms) == 2);
  CHECK(f.open(name, begin + 2 * turn_ms) == 2);
  CHECK(f.open(name, begin + 3 * turn_ms - 1) == 2);
  CHECK(f.open(name, begin + 3 * turn_ms) == 0);
}

TEST_CASE("tickets are sealed with the newest key") {
  Fixture f;
  const Name first = f.seal(0);
  CHECK(f.seal(turn_ms - 1) == first);
  const Name second = f.seal(turn_ms);
  CHECK(second != first);
  CHECK(f.open(second, turn_ms) == 1);
  CHECK(f.open(first, turn_ms) == 2);
}

TEST_CASE("an unknown key opens nothing") {
  Fixture f;
  CHECK(f.open(Name{}, 0) == 0);
  Name name = f.seal(0);
  name[15] ^= 1;
  CHECK(f.open(name, 0) == 0);
  Fixture other;
  CHECK(other.open(f.seal(0), 0) == 0);
}

TEST_CASE("after a quiet time a key that would have been dropped is dropped") {
  for (const int turns : {2, 3, 4, 100}) {
    CAPTURE(turns);
    Fixture f;
    const Name name = f.seal(0);
    CHECK(f.open(name, turns * turn_ms) == (turns < 3 ? 2 : 0));
  }
  // With a key behind the first one.
  Fixture f;
  const Name oldest = f.seal(0);
  const Name older = f.seal(turn_ms);
  CHECK(f.open(oldest, 3 * turn_ms) == 0);
  CHECK(f.open(older, 3 * turn_ms) == 2);
  CHECK(f.open(older, 4 * turn_ms) == 0);
}
