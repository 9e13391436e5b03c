#include "azulb/base/address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <system_error>

namespace azulb::base {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";
constexpr std::size_t kLongestUnixPath = sizeof(sockaddr_un::sun_path) - 1;
constexpr std::size_t kLongestHost = 253;  // RFC 1035 §2.3.4, without the final dot
constexpr std::array<std::uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr int kMappedPrefixBits = 96;

std::string quoted(std::string_view text) {
  return "\"" + std::string(text) + "\"";
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_host_character(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_';
}

/// Only digits and dots: somebody meant an IPv4 address, and no resolver shall guess what "127.1" may be.
bool looks_like_ipv4(std::string_view host) {
  return std::all_of(host.begin(), host.end(), [](char c) { return is_digit(c) || c == '.'; });
}

Result<std::uint16_t> parse_port(std::string_view text, std::string_view whole) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || error == std::errc::invalid_argument || end != text.data() + text.size()) {
    return failure(quoted(whole) + " has no valid port: expected HOST:PORT");
  }
  if (error != std::errc{} || port > 65535) return failure(quoted(whole) + ": a port is at most 65535");
  return static_cast<std::uint16_t>(port);
}

Result<void> check_unix_path(std::string_view path) {
  if (path.empty()) return failure("a unix socket needs a path: unix:/run/app.sock");
  if (path.find('\0') != std::string_view::npos) return failure("a unix socket's path must not contain NUL");
  if (path.size() > kLongestUnixPath) {
    return failure("the path of a unix socket is at most " + std::to_string(kLongestUnixPath) +
                   " bytes long");
  }
  return {};
}

/// The inside of "[…]": an IPv6 address, with or without a zone ("fe80::1%eth0").
bool is_ipv6_host(std::string_view host) {
  const std::size_t percent = host.find('%');
  if (percent != std::string_view::npos) {
    const std::string_view zone = host.substr(percent + 1);
    if (zone.empty() || !std::all_of(zone.begin(), zone.end(), is_host_character)) return false;
    host = host.substr(0, percent);
  }
  return host.find(':') != std::string_view::npos && IpAddress::parse(host).has_value();
}

Result<void> check_host(std::string_view host, std::string_view whole) {
  if (host.empty()) return {};
  if (host.find(':') != std::string_view::npos) {
    return failure(quoted(whole) + ": an IPv6 address is written in brackets: [::1]:3000");
  }
  if (host.size() > kLongestHost || host.front() == '.' || host.find("..") != std::string_view::npos ||
      !std::all_of(host.begin(), host.end(), is_host_character)) {
    return failure(quoted(host) + " is not a host name");
  }
  if (looks_like_ipv4(host) && !IpAddress::parse(host))
    return failure(quoted(host) + " is not an IPv4 address");
  return {};
}

using OctetText = std::array<char, 4>;

/// Every octet with a dot behind it.
constexpr std::array<OctetText, 256> make_octet_texts() {
  std::array<OctetText, 256> texts{};
  for (unsigned octet = 0; octet < texts.size(); ++octet) {
    std::size_t size = 0;
    if (octet >= 100) texts[octet][size++] = static_cast<char>('0' + octet / 100);
    if (octet >= 10) texts[octet][size++] = static_cast<char>('0' + octet / 10 % 10);
    texts[octet][size++] = static_cast<char>('0' + octet % 10);
    texts[octet][size] = '.';
  }
  return texts;
}
constexpr std::array<OctetText, 256> octet_texts = make_octet_texts();

/// Done for every request. Writes 16 bytes at most.
std::size_t format_v4(const std::uint8_t* octets, char* out) {
  char* end = out;
  for (int index = 0; index < 4; ++index) {
    const unsigned octet = octets[index];
    std::memcpy(end, octet_texts[octet].data(), sizeof(OctetText));
    end += 2 + (octet >= 10 ? 1 : 0) + (octet >= 100 ? 1 : 0);
  }
  return static_cast<std::size_t>(end - out) - 1;  // without the last dot
}

}  // namespace

std::string HostPort::text() const {
  if (is_unix) return std::string(kUnixPrefix) + host;
  const bool bracketed = host.find(':') != std::string::npos;
  return (bracketed ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<HostPort> parse_host_port(std::string_view text) {
  if (text.starts_with(kUnixPrefix)) {
    const std::string_view path = text.substr(kUnixPrefix.size());
    if (const Result<void> checked = check_unix_path(path); !checked) return tl::unexpected(checked.error());
    return HostPort{std::string(path), 0, true};
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return failure(quoted(text) + " has no port: expected HOST:PORT");
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[')) {
    if (!host.ends_with(']')) return failure(quoted(text) + " has no valid port: expected [ADDRESS]:PORT");
    host = host.substr(1, host.size() - 2);
    if (!is_ipv6_host(host)) return failure(quoted(host) + " is not an IPv6 address");
  } else if (const Result<void> checked = check_host(host, text); !checked) {
    return tl::unexpected(checked.error());
  }
  const Result<std::uint16_t> port = parse_port(text.substr(colon + 1), text);
  if (!port) return tl::unexpected(port.error());
  return HostPort{std::string(host), *port, false};
}

bool IpAddress::is_v4() const {
  return std::memcmp(bytes.data(), kMappedPrefix.data(), kMappedPrefix.size()) == 0;
}

std::size_t IpAddress::format(char* out) const {
  if (is_v4()) return format_v4(bytes.data() + kMappedPrefix.size(), out);
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  inet_ntop(AF_INET6, bytes.data(), buffer.data(), buffer.size());
  const std::size_t length = std::strlen(buffer.data());
  std::memcpy(out, buffer.data(), length);
  return length;
}

std::string IpAddress::text() const {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  return {buffer.data(), format(buffer.data())};
}

Result<IpAddress> IpAddress::parse(std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  IpAddress address;
  if (text.size() < terminated.size() && text.find('\0') == std::string_view::npos) {
    std::copy(text.begin(), text.end(), terminated.begin());
    if (inet_pton(AF_INET6, terminated.data(), address.bytes.data()) == 1) return address;
    std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), address.bytes.begin());
    if (inet_pton(AF_INET, terminated.data(), address.bytes.data() + kMappedPrefix.size()) == 1)
      return address;
  }
  return failure(quoted(text) + " is not an IP address");
}

bool Network::contains(const IpAddress& candidate) const {
  const auto whole_bytes = static_cast<std::size_t>(prefix_bits / 8);
  if (std::memcmp(address.bytes.data(), candidate.bytes.data(), whole_bytes) != 0) return false;
  const int rest_bits = prefix_bits % 8;
  if (rest_bits == 0) return true;
  return ((address.bytes[whole_bytes] ^ candidate.bytes[whole_bytes]) >> (8 - rest_bits)) == 0;
}

Result<Network> Network::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const Result<IpAddress> address = IpAddress::parse(text.substr(0, slash));
  if (!address) return failure(quoted(text) + " is not a network such as 10.0.0.0/8 or 2001:db8::/32");
  Network network{*address, 128};
  if (slash == std::string_view::npos) return network;
  // "::ffff:10.0.0.0/104" is written in the 128-bit form, "10.0.0.0/8" in its own.
  const int offset = text.find(':') == std::string_view::npos ? kMappedPrefixBits : 0;
  const std::string_view bits = text.substr(slash + 1);
  unsigned prefix = 0;
  const auto [end, error] = std::from_chars(bits.data(), bits.data() + bits.size(), prefix);
  const auto longest = static_cast<unsigned>(128 - offset);
  if (bits.empty() || error != std::errc{} || end != bits.data() + bits.size() || prefix > longest) {
    return failure(quoted(text) + ": the prefix length must be 0 to " + std::to_string(longest));
  }
  network.prefix_bits = static_cast<int>(prefix) + offset;
  for (int bit = network.prefix_bits; bit < 128; ++bit) {
    network.address.bytes[static_cast<std::size_t>(bit / 8)] &=
        static_cast<std::uint8_t>(~(0x80U >> (bit % 8)));
  }
  if (network.address != *address) {
    return failure(quoted(text) + " has bits set behind its prefix: write " + network.address.text() + "/" +
                   std::string(bits));
  }
  return network;
}

SocketAddress::SocketAddress(const sockaddr* address, socklen_t length)
    : length_(std::min(length, static_cast<socklen_t>(sizeof(storage_)))) {
  std::memcpy(storage_.data(), address, length_);
}

Result<SocketAddress> SocketAddress::from_unix_path(std::string_view path) {
  if (const Result<void> checked = check_unix_path(path); !checked) return tl::unexpected(checked.error());
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::copy(path.begin(), path.end(), address.sun_path);
  const std::size_t length = offsetof(sockaddr_un, sun_path) + path.size() + 1;
  return SocketAddress(reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(length));
}

SocketAddress SocketAddress::from_ip(const IpAddress& ip, std::uint16_t port) {
  if (ip.is_v4()) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    std::memcpy(&address.sin_addr, ip.bytes.data() + kMappedPrefix.size(), sizeof(address.sin_addr));
    return {reinterpret_cast<const sockaddr*>(&address), sizeof(address)};
  }
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  std::memcpy(&address.sin6_addr, ip.bytes.data(), sizeof(address.sin6_addr));
  return {reinterpret_cast<const sockaddr*>(&address), sizeof(address)};
}

std::uint16_t SocketAddress::port() const {
  if (family() == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(get())->sin_port);
  if (family() == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(get())->sin6_port);
  return 0;
}

IpAddress SocketAddress::ip() const {
  IpAddress ip;
  if (family() == AF_INET) {
    std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), ip.bytes.begin());
    const auto* address = reinterpret_cast<const sockaddr_in*>(get());
    std::memcpy(ip.bytes.data() + kMappedPrefix.size(), &address->sin_addr, sizeof(address->sin_addr));
  } else if (family() == AF_INET6) {
    const auto* address = reinterpret_cast<const sockaddr_in6*>(get());
    std::memcpy(ip.bytes.data(), &address->sin6_addr, ip.bytes.size());
  }
  return ip;
}

std::string SocketAddress::text() const {
  if (length_ == 0) return "";
  if (is_unix()) {
    const char* path = storage_.data() + offsetof(sockaddr_un, sun_path);
    const std::size_t longest =
        length_ > offsetof(sockaddr_un, sun_path) ? length_ - offsetof(sockaddr_un, sun_path) : 0;
    return std::string(kUnixPrefix) + std::string(path, strnlen(path, longest));
  }
  const IpAddress address = ip();
  const std::string host = address.text();
  return (address.is_v4() ? host : "[" + host + "]") + ":" + std::to_string(port());
}

bool SocketAddress::operator==(const SocketAddress& other) const {
  return length_ == other.length_ && std::memcmp(storage_.data(), other.storage_.data(), length_) == 0;
}

}  // namespace azulb::base
