#include "azulb/tls/session.hpp"

#include <doctest/doctest.h>
#include <openssl/err.h>
#include <sys/socket.h>

#include <array>
#include <string>
#include <string_view>

#include "fixture.hpp"

using namespace azulb;
using tls::IoResult;
using tls::IoStatus;
using FirstByte = tls::Session::FirstByte;

namespace {

struct Fixture {
  explicit Fixture(tls::Version version = tls::Version::tls12) {
    auto built = tls::ServerContext::build(
        {.certificates = {identity.files()}, .min_version = version, .application_protocols = {"http/1.1"}});
    REQUIRE_MESSAGE(built.has_value(), built.error().message);
    server = *built;
    auto client_built =
        tls::ClientContext::build({.ca = identity.certificate, .application_protocols = {"http/1.1"}});
    REQUIRE(client_built.has_value());
    client = *client_built;
  }
  test::Ends ends(const std::string& name = "a.test") {
    return {server->make_session(), client->make_session(name, resumption)};
  }

  test::Identity identity;
  tls::Resumption resumption;
  std::shared_ptr<tls::ServerContext> server;
  std::shared_ptr<tls::ClientContext> client;
};

/// The lengths of the records that lie in a socket, which are taken out of it.
std::vector<std::size_t> records_in(int descriptor) {
  std::string bytes(1 << 20, '\0');
  const ssize_t count = recv(descriptor, bytes.data(), bytes.size(), MSG_DONTWAIT);
  std::vector<std::size_t> lengths;
  for (std::size_t at = 0; at + 5 <= static_cast<std::size_t>(std::max<ssize_t>(count, 0));) {
    const auto byte = [&](std::size_t index) {
      return static_cast<std::size_t>(static_cast<unsigned char>(bytes[index]));
    };
    lengths.push_back(byte(at + 3) * 256 + byte(at + 4));
    at += 5 + lengths.back();
  }
  return lengths;
}

}  // namespace

TEST_CASE("two ends shake hands, agree on a protocol, and exchange bytes") {
  Fixture f;
  test::Ends ends = f.ends();
  CHECK(ends.server->awaits_first_byte());
  CHECK_FALSE(ends.client->awaits_first_byte());
  CHECK(ends.server->first_byte() == FirstByte::missing);
  REQUIRE(ends.shake_hands());
  CHECK(ends.server->application_protocol() == "http/1.1");
  CHECK(ends.client->application_protocol() == "http/1.1");
  CHECK(std::string_view(ends.server->version()) == "TLSv1.3");
  CHECK(ends.server->peer_subject().empty());
  CHECK(ends.client->peer_subject() == "CN=unit");
  CHECK(test::read_some(*ends.server).empty());
  CHECK(ends.client->write(std::string_view("hello"), 0).status == IoStatus::done);
  CHECK(test::read_some(*ends.server) == "hello");
  CHECK(ends.server->drained());
  CHECK(ends.server->write(std::string_view("world"), 0).size_bytes == 5);
  CHECK(test::read_some(*ends.client) == "world");
  std::array<char, 10> room;
  CHECK(ends.client->read(room).status == IoStatus::want_read);
}

TEST_CASE("the first byte tells TLS from what is plain, without being consumed") {
  Fixture f;
  test::Ends plain = f.ends();
  REQUIRE(send(plain.client_descriptor, "GET", 3, 0) == 3);
  CHECK(plain.server->first_byte() == FirstByte::other);
  CHECK(plain.server->first_byte() == FirstByte::other);
  std::array<char, 8> room;
  CHECK(recv(plain.server_descriptor, room.data(), room.size(), 0) == 3);
  test::Ends encrypted = f.ends();
  CHECK(encrypted.client->shake_hands() == IoStatus::want_read);
  CHECK(encrypted.server->first_byte() == FirstByte::tls);
  CHECK(encrypted.shake_hands());
  CHECK_FALSE(encrypted.server->awaits_first_byte());
}

TEST_CASE("a peer that leaves before or during the handshake has failed it") {
  Fixture f;
  for (const bool begun : {false, true}) {
    CAPTURE(begun);
    test::Ends ends = f.ends();
    if (begun) CHECK(ends.client->shake_hands() == IoStatus::want_read);
    shutdown(ends.client_descriptor, SHUT_WR);
    IoStatus status = IoStatus::want_read;
    for (int turn = 0; turn < 3 && status == IoStatus::want_read; ++turn)
      status = ends.server->shake_hands();
    CHECK(status == IoStatus::failed);
    CHECK_FALSE(ends.server->failure().empty());
    CHECK(ends.server->end_writing() == IoStatus::done);
    CHECK(ERR_peek_error() == 0);
  }
}

TEST_CASE("a close_notify in the handshake is a failure for a client, too") {
  Fixture f;
  test::Ends ends = f.ends();
  CHECK(ends.client->shake_hands() == IoStatus::want_read);
  constexpr std::array<char, 7> alert = {21, 3, 3, 0, 2, 1, 0};
  REQUIRE(send(ends.server_descriptor, alert.data(), alert.size(), 0) == 7);
  CHECK(ends.client->shake_hands() == IoStatus::failed);
  CHECK(ends.client->failure() == "closed during the handshake");
}

TEST_CASE("a certificate that is not believed is named as the failure, for its reason") {
  Fixture f;
  SUBCASE("the name") {
    test::Ends ends = f.ends("b.test");
    CHECK_FALSE(ends.shake_hands());
    CHECK(ends.client->failure().find("ostname mismatch") != std::string::npos);
  }
  SUBCASE("the address") {
    test::Ends ends = f.ends("127.0.0.1");
    CHECK_FALSE(ends.shake_hands());
    CHECK(ends.client->failure().find("IP address mismatch") != std::string::npos);
  }
  SUBCASE("the authority") {
    const test::Identity other;
    const auto client = tls::ClientContext::build({.ca = other.certificate});
    test::Ends ends(f.server->make_session(), (*client)->make_session("a.test", f.resumption));
    CHECK_FALSE(ends.shake_hands());
    CHECK(ends.client->failure().find("the certificate is not accepted: self-signed") == 0);
    CHECK(ends.client->system_error() == 0);
  }
  CHECK(ERR_peek_error() == 0);
}

TEST_CASE("a full socket takes a part, and the rest from elsewhere, with more behind it") {
  Fixture f;
  test::Ends ends = f.ends();
  REQUIRE(ends.shake_hands());
  ends.shrink_buffers();
  std::string sent;
  for (std::size_t index = 0; index < 300'000; ++index)
    sent += static_cast<char>('a' + index % 23);
  const std::string wanted = sent;
  std::string received;
  bool was_blocked = false;
  int turns = 0;
  for (std::size_t at = 0; received.size() < wanted.size();) {
    // Another place each time, as when a queue moves; and now and then only a little more than before.
    std::string copy(sent.substr(at, at % 3 == 0 ? 100'000 : std::string::npos));
    const IoResult result = ends.server->write(copy, 0);
    std::fill(copy.begin(), copy.end(), '!');
    at += result.size_bytes;
    if (at < sent.size() && result.status != IoStatus::done) {
      CHECK(result.status == IoStatus::want_write);
      was_blocked = true;
    }
    const std::string some = test::read_some(*ends.client);
    received += some;
    if (++turns > 10'000) break;
  }
  CHECK(was_blocked);
  CHECK((received == wanted));  // in brackets: half a megabyte is not to be printed
}

TEST_CASE("records begin small, grow to 16 KiB, and begin again after a pause") {
  Fixture f;
  test::Ends ends = f.ends();
  REQUIRE(ends.shake_hands());
  test::read_some(*ends.client);  // tickets
  const std::string bulk(80'000, 'x');
  constexpr std::size_t overhead = 17;  // of TLS 1.3 with AES-GCM: the kind of content and the tag
  const std::vector<std::size_t> expected = {1369 + overhead, 2738 + overhead, 5476 + overhead,
                                             10952 + overhead, 16384 + overhead};
  const auto written = [&](std::int64_t now_ms) {
    REQUIRE(ends.server->write(bulk, now_ms).size_bytes == bulk.size());
    std::vector<std::size_t> lengths = records_in(ends.client_descriptor);
    lengths.resize(5);
    return lengths;
  };
  CHECK(written(10'000) == expected);
  CHECK(written(10'900)[0] == 16384 + overhead);
  CHECK(written(12'000) == expected);
}

TEST_CASE("an end that is told is an end, also behind bytes, and nothing more is waited for") {
  Fixture f;
  test::Ends ends = f.ends();
  REQUIRE(ends.shake_hands());
  CHECK(ends.server->write(std::string_view("last"), 0).status == IoStatus::done);
  CHECK(ends.server->end_writing() == IoStatus::done);
  std::array<char, 100> room;
  const IoResult bytes = ends.client->read(room);
  CHECK(bytes.status == IoStatus::done);
  CHECK(bytes.size_bytes == 4);
  CHECK_FALSE(ends.client->drained());
  CHECK(ends.client->has_input());
  CHECK(ends.client->read(room).status == IoStatus::end);
  // The other direction goes on.
  CHECK(ends.client->write(std::string_view("still"), 0).status == IoStatus::done);
  CHECK(test::read_some(*ends.server) == "still");
}

TEST_CASE("a bare FIN is truncation for a client, and an end for a server") {
  Fixture f;
  for (const bool with_bytes : {false, true}) {
    CAPTURE(with_bytes);
    test::Ends ends = f.ends();
    REQUIRE(ends.shake_hands());
    if (with_bytes) {
      CHECK(ends.server->write(std::string_view("last"), 0).status == IoStatus::done);
      CHECK(ends.client->write(std::string_view("last"), 0).status == IoStatus::done);
    }
    shutdown(ends.server_descriptor, SHUT_WR);
    shutdown(ends.client_descriptor, SHUT_WR);
    CHECK(test::read_some(*ends.client) == (with_bytes ? "last" : ""));
    CHECK(test::read_some(*ends.server) == (with_bytes ? "last" : ""));
    std::array<char, 10> room;
    CHECK(ends.client->read(room).status == IoStatus::failed);
    CHECK(ends.client->failure().find("unexpected eof") != std::string::npos);
    CHECK(ends.server->read(room).status == IoStatus::end);
    CHECK(ERR_peek_error() == 0);
  }
}

TEST_CASE("an end waits for room where the socket is full") {
  Fixture f;
  test::Ends ends = f.ends();
  REQUIRE(ends.shake_hands());
  ends.shrink_buffers();
  // Small writes until one is not taken whole would leave a record half sent: fill the socket from below
  // instead.
  std::size_t sent = 0;
  std::string filler(1, 'x');
  while (true) {
    const IoResult result = ends.server->write(filler, 0);
    if (result.status != IoStatus::done) break;
    sent += result.size_bytes;
  }
  CHECK(test::read_some(*ends.client).size() == sent);
  CHECK(ends.server->write(filler, 0).status == IoStatus::done);  // what was blocked
  CHECK(test::read_some(*ends.client).size() == 1);
  std::array<char, 64> junk{};
  const int descriptor = ends.server_descriptor;
  std::size_t junk_bytes = 0;
  for (ssize_t count; (count = send(descriptor, junk.data(), junk.size(), MSG_DONTWAIT)) > 0;)
    junk_bytes += static_cast<std::size_t>(count);
  CHECK(ends.server->end_writing() == IoStatus::want_write);
  while (junk_bytes > 0) {
    const ssize_t count =
        recv(ends.client_descriptor, junk.data(), std::min(junk.size(), junk_bytes), MSG_DONTWAIT);
    REQUIRE(count > 0);
    junk_bytes -= static_cast<std::size_t>(count);
  }
  CHECK(ends.server->end_writing() == IoStatus::done);
  std::array<char, 10> room;
  CHECK(ends.client->read(room).status == IoStatus::end);
}

TEST_CASE("a broken record is a failure, told behind the bytes before it") {
  Fixture f;
  test::Ends ends = f.ends();
  REQUIRE(ends.shake_hands());
  CHECK(ends.server->write(std::string_view("good"), 0).status == IoStatus::done);
  const std::string_view broken("\x17\x03\x03\x00\x20 thirty-two bytes of no meaning..", 37);
  REQUIRE(send(ends.server_descriptor, broken.data(), broken.size(), 0) == 37);
  CHECK(test::read_some(*ends.client) == "good");
  CHECK_FALSE(ends.client->drained());
  std::array<char, 10> room;
  CHECK(ends.client->read(room).status == IoStatus::failed);
  CHECK(ends.client->system_error() == 0);
  CHECK(ends.client->write(std::string_view("x"), 0).status == IoStatus::failed);
  CHECK(ERR_peek_error() == 0);
}

TEST_CASE("a read fills its room from several records and leaves the rest") {
  Fixture f;
  test::Ends ends = f.ends();
  REQUIRE(ends.shake_hands());
  for (int number = 0; number < 10; ++number)
    CHECK(ends.client->write(std::string(100, static_cast<char>('0' + number)), 0).status == IoStatus::done);
  std::array<char, 250> room;
  const IoResult first = ends.server->read(room);
  CHECK(first.size_bytes == 250);
  CHECK_FALSE(ends.server->drained());
  CHECK(ends.server->has_input());
  CHECK(test::read_all(*ends.server).size() == 750);
}

TEST_CASE("half a record is nothing to read yet") {
  Fixture f;
  test::Ends ends = f.ends();
  REQUIRE(ends.shake_hands());
  CHECK(ends.client->write(std::string_view("hello"), 0).status == IoStatus::done);
  std::array<char, 200> raw;
  const ssize_t count = recv(ends.server_descriptor, raw.data(), raw.size(), 0);
  REQUIRE(count > 10);
  std::array<char, 10> room;
  for (ssize_t at = 0; at < count; ++at) {
    CHECK(ends.server->read(room).status == IoStatus::want_read);
    CHECK_FALSE(ends.server->has_input());
    REQUIRE(send(ends.client_descriptor, raw.data() + at, 1, 0) == 1);
  }
  CHECK(test::read_some(*ends.server) == "hello");
}

TEST_CASE("a client's key updates are taken, but a flood of them ends the connection") {
  Fixture f(tls::Version::tls13);
  for (const int kind : {SSL_KEY_UPDATE_NOT_REQUESTED, SSL_KEY_UPDATE_REQUESTED}) {
    CAPTURE(kind);
    test::Ends ends = f.ends();  // for its sockets and its server
    const tls::ContextHandle context(SSL_CTX_new(TLS_client_method()));
    const tls::Handle<SSL, SSL_free> client(SSL_new(context.get()));
    SSL_set_fd(client.get(), ends.client_descriptor);
    SSL_set_connect_state(client.get());
    while (SSL_do_handshake(client.get()) != 1)
      REQUIRE(ends.server->shake_hands() != IoStatus::failed);
    REQUIRE(ends.server->shake_hands() == IoStatus::done);
    const auto update_keys = [&](int count) {
      for (int number = 0; number < count; ++number) {
        REQUIRE(SSL_key_update(client.get(), kind) == 1);
        REQUIRE(SSL_do_handshake(client.get()) == 1);
      }
    };
    update_keys(10);
    REQUIRE(SSL_write(client.get(), "hello", 5) == 5);
    CHECK(test::read_some(*ends.server) == "hello");

    char room[16];
    for (int round = 0; round < 100 && ends.server->read(room).status == IoStatus::want_read; ++round)
      update_keys(10);
    CHECK(ends.server->read(room).status == IoStatus::failed);
    CHECK(ends.server->failure() == "too many key updates or alerts");
    CHECK(ERR_peek_error() == 0);
  }
}
