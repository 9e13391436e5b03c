// A DNS server on the test's own loop: answers from a table over UDP, counts what it was asked, and falls
// silent on demand.
#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "azulb/base/address.hpp"
#include "azulb/discovery/dns_records.hpp"
#include "azulb/net/loop.hpp"

namespace azulb::discovery::test {

inline void put16(std::string& out, unsigned value) {
  out += static_cast<char>(value >> 8U & 0xffU);
  out += static_cast<char>(value & 0xffU);
}

inline void put32(std::string& out, std::uint32_t value) {
  put16(out, value >> 16U);
  put16(out, value & 0xffffU);
}

/// "a.b" as a sequence of labels.
inline std::string wire_name(const std::string& name) {
  std::string out;
  for (std::size_t at = 0; at < name.size();) {
    const std::size_t dot = std::min(name.find('.', at), name.size());
    out += static_cast<char>(dot - at);
    out += name.substr(at, dot - at);
    at = dot + 1;
  }
  return out + '\0';
}

/// A resource record. `data`: its RDATA.
struct WireRecord {
  std::string name;
  unsigned type = 0;
  std::uint32_t ttl_s = 0;
  std::string data;
};

inline WireRecord a(const std::string& name, const std::string& ip, std::uint32_t ttl_s) {
  in_addr address{};
  REQUIRE(inet_pton(AF_INET, ip.c_str(), &address) == 1);
  return {name, 1, ttl_s, {reinterpret_cast<const char*>(&address), sizeof address}};
}

inline WireRecord aaaa(const std::string& name, const std::string& ip, std::uint32_t ttl_s) {
  in6_addr address{};
  REQUIRE(inet_pton(AF_INET6, ip.c_str(), &address) == 1);
  return {name, 28, ttl_s, {reinterpret_cast<const char*>(&address), sizeof address}};
}

inline WireRecord cname(const std::string& name, const std::string& target, std::uint32_t ttl_s) {
  return {name, 5, ttl_s, wire_name(target)};
}

inline WireRecord srv(const std::string& name, unsigned priority, unsigned weight, unsigned port,
                      const std::string& target, std::uint32_t ttl_s) {
  std::string data;
  put16(data, priority);
  put16(data, weight);
  put16(data, port);
  return {name, 33, ttl_s, data + (target == "." ? std::string(1, '\0') : wire_name(target))};
}

/// A response to `question` (name, type and class, as on the wire) with these answers.
inline std::string response(const std::string& id, const std::string& question, unsigned rcode,
                            const std::vector<WireRecord>& answers) {
  std::string out = id;
  put16(out, 0x8180U | rcode);
  put16(out, 1);
  put16(out, static_cast<unsigned>(answers.size()));
  put32(out, 0);
  out += question;
  for (const WireRecord& record : answers) {
    out += wire_name(record.name);
    put16(out, record.type);
    put16(out, 1);
    put32(out, record.ttl_s);
    put16(out, static_cast<unsigned>(record.data.size()));
    out += record.data;
  }
  return out;
}

class FakeDns final : private net::Watcher {
 public:
  explicit FakeDns(net::Loop& loop) : loop_(loop), socket_(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0)) {
    const base::SocketAddress any = base::SocketAddress::from_ip(*base::IpAddress::parse("127.0.0.1"), 0);
    REQUIRE(bind(socket_, any.get(), any.length()) == 0);
    REQUIRE(loop_.watch_level(socket_, *this, false));
  }
  ~FakeDns() override {
    loop_.unwatch(socket_);
    close(socket_);
  }

  std::string address() const {
    sockaddr_in bound{};
    socklen_t length = sizeof bound;
    REQUIRE(getsockname(socket_, reinterpret_cast<sockaddr*>(&bound), &length) == 0);
    return "127.0.0.1:" + std::to_string(ntohs(bound.sin_port));
  }

  /// What the answer to a question holds; a name that stands in no key does not exist.
  std::map<std::pair<std::string, RecordType>, std::vector<WireRecord>> zone;
  std::map<std::pair<std::string, RecordType>, unsigned> rcodes;  // else 0
  std::vector<std::string> asked;                                 // "a.test A"
  bool silent = false;

 private:
  void on_events(std::uint32_t /*events*/) override {
    std::array<char, 1500> bytes{};
    sockaddr_storage peer{};
    socklen_t length = sizeof peer;
    const ssize_t size =
        recvfrom(socket_, bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&peer), &length);
    if (size < 12) return;
    std::string name;
    std::size_t at = 12;
    while (bytes.at(at) != 0) {
      name +=
          (name.empty() ? "" : ".") + std::string(&bytes.at(at + 1), static_cast<std::size_t>(bytes.at(at)));
      at += 1 + static_cast<std::size_t>(bytes.at(at));
    }
    const auto type = static_cast<RecordType>(bytes.at(at + 2));
    asked.push_back(name + (type == RecordType::a ? " A" : type == RecordType::aaaa ? " AAAA" : " SRV"));
    if (silent) return;
    const bool exists =
        std::any_of(zone.begin(), zone.end(), [&](const auto& entry) { return entry.first.first == name; });
    const auto rcode = rcodes.find({name, type});
    const std::string answer =
        response({bytes.data(), 2}, {&bytes.at(12), at + 5 - 12},
                 rcode != rcodes.end() ? rcode->second
                 : exists              ? 0U
                                       : 3U,
                 rcode != rcodes.end() ? std::vector<WireRecord>{} : zone[{name, type}]);
    if (!exists) zone.erase({name, type});
    sendto(socket_, answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&peer), length);
  }

  net::Loop& loop_;
  const int socket_;
};

/// Turns the loop until `condition` holds; fails the test when it never does.
template <typename Condition>
void turn_until(net::Loop& loop, Condition condition) {
  for (int count = 0; count < 1000 && !condition(); ++count)
    loop.run_once(std::chrono::milliseconds(20));
  REQUIRE(condition());
}

}  // namespace azulb::discovery::test
