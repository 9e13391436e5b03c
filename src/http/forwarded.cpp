#include "azulb/http/forwarded.hpp"

#include <bit>
#include <cstddef>
#include <cstring>

#include "azulb/http/bytes.hpp"

namespace azulb::http {
namespace {

bool is_trusted(std::span<const base::Network> networks, const base::IpAddress& address) {
  for (const base::Network& network : networks) {
    if (network.contains(address)) return true;
  }
  return false;
}

/// An element of X-Forwarded-For: an address, perhaps in brackets, perhaps with a port, as several proxies
/// write it. `text` becomes the address alone, as it was written.
bool parse_element(std::string_view& text, base::IpAddress& address) {
  if (!text.empty() && text.front() == '[') {
    const std::size_t bracket = text.find(']');
    if (bracket == std::string_view::npos) return false;
    text = text.substr(1, bracket - 1);
  } else if (const std::size_t colon = text.find(':');
             colon != std::string_view::npos && text.find(':', colon + 1) == std::string_view::npos) {
    text = text.substr(0, colon);  // one colon: IPv4 with a port
  }
  if (text.size() < 2 || text.size() > 45) return false;
  for (const char byte : text) {
    if (!is_byte(byte, class_hex) && byte != '.' && byte != ':')
      return false;  // no error text is made for names
  }
  const auto parsed = base::IpAddress::parse(text);
  if (!parsed) return false;
  address = *parsed;
  return true;
}

/// Walks X-Forwarded-For from the right over trusted addresses to the first that is not: that is the client.
/// An element that is no address ends the walk, as nothing to its left can be relied on. The text stays as it
/// was written: Azu's spoofing guard looks for X-Real-IP as a part of X-Forwarded-For.
void find_client(const ConnectionFacts& connection, std::span<const Field> fields, ForwardedValues& values) {
  for (std::size_t i = fields.size(); i-- > 0;) {
    if (fields[i].id != FieldId::x_forwarded_for) continue;
    std::string_view list = fields[i].value;
    while (!list.empty()) {
      const std::size_t comma = list.rfind(',');
      const bool last = comma == std::string_view::npos;
      std::string_view element = trim(last ? list : list.substr(comma + 1));
      list = last ? std::string_view{} : list.substr(0, comma);
      if (element.empty()) continue;
      if (!parse_element(element, values.client)) return;
      values.client_ip = element;
      if (!is_trusted(connection.trusted_proxies, values.client)) return;
    }
  }
}

bool is_port_text(std::string_view text) {
  if (text.empty() || text.size() > 5) return false;
  unsigned port = 0;
  for (const char byte : text) {
    if (!is_digit(byte)) return false;
    port = port * 10 + static_cast<unsigned>(byte - '0');
  }
  return port > 0 && port <= 65535;
}

std::string_view format_port(std::uint16_t port, std::array<char, 8>& out) {
  std::size_t begin = out.size();
  for (unsigned rest = port; rest > 0; rest /= 10)
    out[--begin] = static_cast<char>('0' + rest % 10);
  return {out.data() + begin, out.size() - begin};
}

/// What one field of a trusted peer says, where it is valid. A proxy that is not the first may have appended:
/// the first element is the client's view.
void believe(const Field& field, ForwardedValues& values) {
  std::string_view rest = field.value;
  std::string_view first;
  if (!next_list_element(rest, first)) return;
  Authority authority;
  if (field.id == FieldId::x_forwarded_proto) {
    if (equal_ignore_case(first, "https")) values.proto = "https";
    if (equal_ignore_case(first, "http")) values.proto = "http";
  } else if (field.id == FieldId::x_forwarded_host) {
    if (parse_authority(first, authority)) values.host = first;
  } else if (field.id == FieldId::x_forwarded_port) {
    if (is_port_text(first)) values.port = first;
  }
}

/// Replaced by azulb whoever sent them. X-Forwarded-For too: the writer joins a trusted peer's.
constexpr std::uint64_t always_replaced =
    id_bit(FieldId::x_forwarded_for) | id_bit(FieldId::x_forwarded_proto) |
    id_bit(FieldId::x_forwarded_host) | id_bit(FieldId::x_forwarded_port) | id_bit(FieldId::x_real_ip) |
    id_bit(FieldId::x_request_id) | id_bit(FieldId::x_ssl_client) | id_bit(FieldId::remote_addr) |
    id_bit(FieldId::underscore_twin);
constexpr std::uint64_t only_from_trusted =
    id_bit(FieldId::x_client_ip) | id_bit(FieldId::forwarded) | id_bit(FieldId::x_forwarded_other);
constexpr std::uint64_t believed = id_bit(FieldId::x_forwarded_proto) | id_bit(FieldId::x_forwarded_host) |
                                   id_bit(FieldId::x_forwarded_port);

/// Marks the client's fields; returns its only valid X-Request-ID, or nothing.
std::string_view judge_fields(RequestHead& head, ForwardedValues& values) {
  std::string_view request_id;
  const std::uint64_t dropped = values.peer_trusted ? always_replaced : always_replaced | only_from_trusted;
  if ((head.present & dropped) == 0) return request_id;
  bool repeated_id = false;
  for (Field& field : head.fields) {
    const std::uint64_t bit = id_bit(field.id);
    if ((bit & dropped) != 0) field.drop = true;
    if (values.peer_trusted && (bit & believed) != 0) believe(field, values);
    if (field.id == FieldId::x_request_id) {
      repeated_id |= !request_id.empty();
      request_id = field.value;
    }
  }
  return !repeated_id && is_request_id(request_id) ? request_id : std::string_view{};
}

using Bytes [[gnu::vector_size(16)]] = unsigned char;

/// Lower-case hexadecimal digits of values below 16.
Bytes digits(Bytes values) {
  const auto letters = reinterpret_cast<Bytes>(values > 9);
  return values + '0' + (letters & ('a' - '0' - 10));
}

/// The most significant byte first.
std::uint64_t big_endian(std::uint64_t value) {
  return std::endian::native == std::endian::little ? __builtin_bswap64(value) : value;
}

}  // namespace

bool is_request_id(std::string_view text) {
  if (text.empty() || text.size() > max_request_id_length) return false;
  for (const char byte : text) {
    if (!is_byte(byte, class_request_id)) return false;
  }
  return true;
}

void make_request_id(std::uint64_t random_high, std::uint64_t random_low, std::array<char, 32>& out) {
  const std::array<std::uint64_t, 2> words = {big_endian(random_high), big_endian(random_low)};
  const auto bytes = std::bit_cast<Bytes>(words);
  const Bytes high = digits(bytes >> 4);
  const Bytes low = digits(bytes & 15);
  const Bytes first =
      __builtin_shufflevector(high, low, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const Bytes second =
      __builtin_shufflevector(high, low, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  std::memcpy(out.data(), &first, sizeof first);
  std::memcpy(out.data() + sizeof first, &second, sizeof second);
}

void judge_forwarded(const ConnectionFacts& connection, RequestHead& head, const RequestInfo& info,
                     RandomSource random, void* random_context, ForwardedValues& values) {
  values.peer_trusted =
      !connection.trusted_proxies.empty() && is_trusted(connection.trusted_proxies, connection.peer);
  values.client = connection.peer;
  values.peer_ip = {values.peer_text.data(), connection.peer.format(values.peer_text.data())};
  values.client_ip = values.peer_ip;
  values.proto = connection.tls ? "https" : "http";
  if (connection.verifies_clients) {
    values.client_verify = connection.client_subject.empty() ? "NONE" : "SUCCESS";
    values.client_subject = connection.client_subject;
  }
  values.host = info.host;
  values.port = format_port(connection.port, values.port_text);
  if (values.peer_trusted && head.has(FieldId::x_forwarded_for)) {
    find_client(connection, head.fields, values);
  }
  values.request_id = judge_fields(head, values);
  if (values.request_id.empty()) {
    const std::uint64_t high = random(random_context);
    make_request_id(high, random(random_context), values.made_request_id);
    values.request_id = {values.made_request_id.data(), values.made_request_id.size()};
  }
}

std::size_t list_forwarded(const RequestHead& head, const ForwardedValues& values, std::string& chain,
                           std::span<Field, most_forwarded_fields> out) {
  chain.clear();
  if (values.peer_trusted && head.has(FieldId::x_forwarded_for)) {
    for (const Field& field : head.fields) {
      if (field.id == FieldId::x_forwarded_for && !field.value.empty())
        chain.append(field.value).append(", ");
    }
  }
  chain.append(values.peer_ip);
  std::size_t count = 0;
  const auto add = [&](std::string_view name, std::string_view value, FieldId id = FieldId::other) {
    out[count++] = {.name = name, .value = value, .id = id};
  };
  add("X-Real-IP", values.client_ip);
  add("X-Forwarded-For", chain);
  add("X-Forwarded-Proto", values.proto);
  if (!values.host.empty()) add("X-Forwarded-Host", values.host);
  if (!values.port.empty()) add("X-Forwarded-Port", values.port);
  add("X-Request-ID", values.request_id, FieldId::x_request_id);
  add("REMOTE_ADDR", values.client_ip);
  if (!values.client_verify.empty()) add("X-SSL-Client-Verify", values.client_verify);
  if (!values.client_subject.empty()) add("X-SSL-Client-S-DN", values.client_subject);
  return count;
}

}  // namespace azulb::http
