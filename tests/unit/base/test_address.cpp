#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <string>

#include "azulb/base/address.hpp"

using azulb::base::HostPort;
using azulb::base::IpAddress;
using azulb::base::Network;
using azulb::base::parse_host_port;
using azulb::base::resolve;
using azulb::base::SocketAddress;

TEST_CASE("host and port are read in every form") {
  CHECK(parse_host_port("127.0.0.1:3000").value() == HostPort{"127.0.0.1", 3000, false});
  CHECK(parse_host_port("[::1]:3000").value() == HostPort{"::1", 3000, false});
  CHECK(parse_host_port("[fe80::1%eth0]:80").value() == HostPort{"fe80::1%eth0", 80, false});
  CHECK(parse_host_port("my_app-1.internal:3000").value() == HostPort{"my_app-1.internal", 3000, false});
  CHECK(parse_host_port(":8080").value() == HostPort{"", 8080, false});
  CHECK(parse_host_port("127.0.0.1:0").value() == HostPort{"127.0.0.1", 0, false});
  CHECK(parse_host_port("unix:/run/app.sock").value() == HostPort{"/run/app.sock", 0, true});
}

TEST_CASE("host and port are written as they are read") {
  for (const char* text : {"127.0.0.1:3000", "[::1]:3000", "app:3000", ":8080", "unix:/run/app.sock"}) {
    CHECK(parse_host_port(text).value().text() == text);
  }
}

TEST_CASE("a malformed address is refused with a reason") {
  struct Case {
    const char* text;
    const char* reason;
  };
  for (const Case& malformed : {Case{"", "no port"},
                                {"127.0.0.1", "no port"},
                                {"app:", "no valid port"},
                                {"app:x", "no valid port"},
                                {"app:80x", "no valid port"},
                                {"app:-1", "no valid port"},
                                {"app:65536", "at most 65535"},
                                {"app:99999999999999", "at most 65535"},
                                {"::1:3000", "in brackets"},
                                {"[::1]", "no valid port"},
                                {"[::1:3000", "no valid port"},
                                {"[app]:80", "not an IPv6 address"},
                                {"[127.0.0.1]:80", "not an IPv6 address"},
                                {"[::1%]:80", "not an IPv6 address"},
                                {"300.1.1.1:80", "not an IPv4 address"},
                                {"127.1:80", "not an IPv4 address"},
                                {"*:80", "not a host name"},
                                {"a b:80", "not a host name"},
                                {"http//x:80", "not a host name"},
                                {"a..b:80", "not a host name"},
                                {"unix:", "needs a path"}}) {
    CAPTURE(malformed.text);
    const auto parsed = parse_host_port(malformed.text);
    REQUIRE_FALSE(parsed.has_value());
    CHECK(parsed.error().message.find(malformed.reason) != std::string::npos);
  }
}

TEST_CASE("a unix path may fill the kernel's field but not exceed it") {
  const std::string longest(sizeof(sockaddr_un::sun_path) - 1, 'x');
  CHECK(parse_host_port("unix:" + longest).has_value());
  CHECK(SocketAddress::from_unix_path(longest).value().text() == "unix:" + longest);
  CHECK_FALSE(parse_host_port("unix:" + longest + "x").has_value());
  CHECK_FALSE(SocketAddress::from_unix_path(longest + "x").has_value());
  CHECK_FALSE(SocketAddress::from_unix_path("").has_value());
  CHECK_FALSE(SocketAddress::from_unix_path(std::string("a\0b", 3)).has_value());
}

TEST_CASE("IP addresses are read and written in the kernel's form") {
  for (const char* text : {"0.0.0.0", "1.20.100.255", "127.0.0.1", "::", "::1", "2001:db8::8:800:200c:417a",
                           "1111:2222:3333:4444:5555:6666:7777:8888"}) {
    CHECK(IpAddress::parse(text).value().text() == text);
  }
  CHECK(IpAddress::parse("10.0.0.1").value().is_v4());
  CHECK_FALSE(IpAddress::parse("::1").value().is_v4());
  for (const char* text : {"", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.4 ", ":::", "g::", "01.2.3.4",
                           "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc"}) {
    CAPTURE(text);
    CHECK_FALSE(IpAddress::parse(text).has_value());
  }
  CHECK_FALSE(IpAddress::parse(std::string("1.2.3.4\0x", 9)).has_value());
}

TEST_CASE("an IPv4 address mapped into IPv6 is the IPv4 address") {
  CHECK(IpAddress::parse("::ffff:10.0.0.1").value() == IpAddress::parse("10.0.0.1").value());
  CHECK(IpAddress::parse("::ffff:10.0.0.1").value().text() == "10.0.0.1");
}

TEST_CASE("a network holds what shares its prefix and nothing else") {
  const auto contains = [](const char* network, const char* address) {
    return Network::parse(network).value().contains(IpAddress::parse(address).value());
  };
  CHECK(contains("10.0.0.0/8", "10.255.1.2"));
  CHECK_FALSE(contains("10.0.0.0/8", "11.0.0.0"));
  CHECK(contains("192.168.4.0/22", "192.168.7.255"));
  CHECK_FALSE(contains("192.168.4.0/22", "192.168.8.0"));
  CHECK(contains("127.0.0.1", "127.0.0.1"));
  CHECK_FALSE(contains("127.0.0.1", "127.0.0.2"));
  CHECK(contains("127.0.0.1/32", "127.0.0.1"));
  CHECK(contains("0.0.0.0/0", "1.2.3.4"));
  CHECK_FALSE(contains("0.0.0.0/0", "2001:db8::1"));
  CHECK(contains("::/0", "1.2.3.4"));
  CHECK(contains("2001:db8::/33", "2001:db8:7fff::1"));
  CHECK_FALSE(contains("2001:db8::/33", "2001:db8:8000::1"));
  CHECK(contains("::ffff:10.0.0.0/104", "10.9.9.9"));
}

TEST_CASE("a malformed network is refused") {
  for (const char* text :
       {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x", "::/129", "10.0.0/8", "app/8"}) {
    CAPTURE(text);
    CHECK_FALSE(Network::parse(text).has_value());
  }
  const auto stray_bits = Network::parse("10.1.2.3/8");
  REQUIRE_FALSE(stray_bits.has_value());
  CHECK(stray_bits.error().message.find("write 10.0.0.0/8") != std::string::npos);
}

TEST_CASE("a socket address gives back its IP address and port") {
  for (const char* text : {"127.0.0.1", "10.20.30.40", "::1", "2001:db8::1"}) {
    const IpAddress ip = IpAddress::parse(text).value();
    const SocketAddress address = SocketAddress::from_ip(ip, 8080);
    CHECK(address.ip() == ip);
    CHECK(address.port() == 8080);
    CHECK(address.family() == (ip.is_v4() ? AF_INET : AF_INET6));
    CHECK_FALSE(address.is_unix());
    CHECK(address == SocketAddress::from_ip(ip, 8080));
    CHECK_FALSE(address == SocketAddress::from_ip(ip, 8081));
    CHECK(parse_host_port(address.text()).value() == HostPort{text, 8080, false});
  }
}

TEST_CASE("a client of a dual-stack socket is shown by its IPv4 address") {
  sockaddr_in6 mapped{};
  mapped.sin6_family = AF_INET6;
  mapped.sin6_port = htons(99);
  const IpAddress ip = IpAddress::parse("10.0.0.1").value();
  std::memcpy(&mapped.sin6_addr, ip.bytes.data(), ip.bytes.size());
  CHECK(SocketAddress(reinterpret_cast<const sockaddr*>(&mapped), sizeof(mapped)).text() == "10.0.0.1:99");
}

TEST_CASE("a unix socket has a path, no port and no IP address") {
  const SocketAddress address = SocketAddress::from_unix_path("/run/app.sock").value();
  CHECK(address.is_unix());
  CHECK(address.text() == "unix:/run/app.sock");
  CHECK(address.port() == 0);
  CHECK(address.ip() == IpAddress{});
  CHECK(SocketAddress().text().empty());
}

TEST_CASE("an unnamed peer of a unix socket has an empty path") {
  sockaddr_un unnamed{};
  unnamed.sun_family = AF_UNIX;
  const SocketAddress address(reinterpret_cast<const sockaddr*>(&unnamed), offsetof(sockaddr_un, sun_path));
  CHECK(address.is_unix());
  CHECK(address.text() == "unix:");
}

TEST_CASE("numeric addresses and unix paths resolve to themselves") {
  for (const char* text : {"127.0.0.1:80", "[::1]:80", "unix:/run/app.sock"}) {
    for (const bool for_listening : {false, true}) {
      const auto addresses = resolve(parse_host_port(text).value(), for_listening);
      REQUIRE(addresses.has_value());
      REQUIRE(addresses->size() == 1);
      CHECK(addresses->front().text() == text);
    }
  }
}

TEST_CASE("no host means every address when listening and is an error when connecting") {
  const auto addresses = resolve(HostPort{"", 8080, false}, true);
  REQUIRE(addresses.has_value());
  REQUIRE_FALSE(addresses->empty());
  CHECK(addresses->front().text() == "0.0.0.0:8080");
  CHECK_FALSE(resolve(HostPort{"", 8080, false}, false).has_value());
}

TEST_CASE("localhost resolves, each address once") {
  const auto addresses = resolve(HostPort{"localhost", 80, false}, false);
  REQUIRE(addresses.has_value());
  REQUIRE_FALSE(addresses->empty());
  for (std::size_t first = 0; first < addresses->size(); ++first) {
    CHECK((*addresses)[first].port() == 80);
    for (std::size_t second = first + 1; second < addresses->size(); ++second) {
      CHECK_FALSE((*addresses)[first] == (*addresses)[second]);
    }
  }
}

TEST_CASE("a name that does not exist is named in the error") {
  const auto addresses = resolve(HostPort{"no-such-host.invalid", 80, false}, false);
  REQUIRE_FALSE(addresses.has_value());
  CHECK(addresses.error().message.find("no-such-host.invalid") != std::string::npos);
}
