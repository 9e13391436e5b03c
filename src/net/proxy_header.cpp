#include "azulb/net/proxy_header.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "azulb/base/assert.hpp"

namespace azulb::net {
namespace {

using Status = ParsedProxyHeader::Status;

constexpr std::string_view line_signature = "PROXY";
constexpr std::string_view unknown_line = "PROXY UNKNOWN";
constexpr std::string_view binary_signature("\r\n\r\n\0\r\nQUIT\n", 12);

constexpr std::uint8_t version_2 = 0x20;
enum Command : std::uint8_t { command_local = 0, command_proxy = 1 };
enum Family : std::uint8_t { family_unspecified = 0, family_inet = 1, family_inet6 = 2, family_unix = 3 };
enum Transport : std::uint8_t { transport_unspecified = 0, transport_stream = 1, transport_datagram = 2 };
constexpr std::uint8_t tlv_checksum = 0x03;

constexpr std::size_t ipv4_offset = 12;  // of the four bytes in a mapped address
constexpr std::size_t ipv4_bytes = 4;
constexpr std::size_t ipv6_bytes = 16;

ParsedProxyHeader malformed(std::string_view fault) {
  return {.status = Status::malformed, .fault = fault, .addresses = {}};
}

/// Whether `bytes` begin with `signature`, as far as they have come.
bool agrees(std::string_view bytes, std::string_view signature) {
  const std::size_t common = std::min(bytes.size(), signature.size());
  return bytes.substr(0, common) == signature.substr(0, common);
}

std::uint8_t byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint8_t>(bytes[at]);
}

std::uint16_t word_at(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint16_t>(byte_at(bytes, at) << 8U | byte_at(bytes, at + 1));
}

// ---- version 1 (section 2.1)

/// The next field of a line whose fields are parted by exactly one space.
std::string_view take_field(std::string_view& rest) {
  const std::size_t space = rest.find(' ');
  const std::string_view field = rest.substr(0, space);
  rest = space == std::string_view::npos ? std::string_view() : rest.substr(space + 1);
  return field;
}

/// nginx writes the IPv4 part of a mapped address with dots, which is taken, too.
bool parse_address(std::string_view text, bool is_v6, base::IpAddress& address) {
  constexpr std::string_view allowed = "0123456789abcdefABCDEF.:";
  if (text.empty() || text.find_first_not_of(allowed) != std::string_view::npos) return false;
  if ((text.find(':') != std::string_view::npos) != is_v6) return false;
  const base::Result<base::IpAddress> parsed = base::IpAddress::parse(text);
  if (parsed) address = *parsed;
  return parsed.has_value();
}

bool parse_port(std::string_view text, std::uint16_t& port) {
  if (text.empty() || (text.size() > 1 && text.front() == '0')) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc{} && end == text.data() + text.size();
}

ParsedProxyHeader parse_line(std::string_view bytes) {
  const std::string_view window = bytes.substr(0, max_proxy_line_bytes);
  const bool unknown = window.starts_with(unknown_line);
  const std::size_t end = window.find("\r\n");
  if (end == std::string_view::npos) {
    if (bytes.size() >= max_proxy_line_bytes) return malformed("its PROXY line is longer than 107 bytes");
    if (!unknown && window.find('\n') != std::string_view::npos)
      return malformed("its PROXY line does not end in CR LF");
    return {};
  }
  const std::string_view line = window.substr(0, end);
  ParsedProxyHeader header{.status = Status::complete, .fault = {}, .length = end + 2, .addresses = {}};
  // Whatever follows UNKNOWN must be ignored.
  if (unknown && (line.size() == unknown_line.size() || line[unknown_line.size()] == ' ')) return header;
  std::string_view rest = line;
  const std::string_view signature = take_field(rest);
  const std::string_view family = take_field(rest);
  if (signature != line_signature || (family != "TCP4" && family != "TCP6"))
    return malformed("its PROXY line names no protocol of version 1");
  const bool is_v6 = family == "TCP6";
  ProxiedAddresses& addresses = header.addresses.emplace();
  if (!parse_address(take_field(rest), is_v6, addresses.source) ||
      !parse_address(take_field(rest), is_v6, addresses.destination))
    return malformed("its PROXY line has an invalid address");
  // The last field is the rest: were there more of them, it would be no number.
  if (!parse_port(take_field(rest), addresses.source_port) || !parse_port(rest, addresses.destination_port))
    return malformed("its PROXY line has an invalid port");
  return header;
}

std::size_t write_line(const ProxiedAddresses* addresses, char* out) {
  if (addresses == nullptr) return static_cast<std::size_t>(fmt::format_to(out, "PROXY UNKNOWN\r\n") - out);
  const bool is_v4 = addresses->source.is_v4() && addresses->destination.is_v4();
  char* to = fmt::format_to(out, "PROXY {} ", is_v4 ? "TCP4" : "TCP6");
  for (const base::IpAddress* address : {&addresses->source, &addresses->destination}) {
    if (!is_v4 && address->is_v4()) {
      const auto group = [&](std::size_t at) { return address->bytes[at] << 8U | address->bytes[at + 1]; };
      to = fmt::format_to(to, "::ffff:{:x}:{:x}", group(ipv4_offset), group(ipv4_offset + 2));
    } else {
      to += address->format(to);
    }
    *to++ = ' ';
  }
  to = fmt::format_to(to, "{} {}\r\n", addresses->source_port, addresses->destination_port);
  return static_cast<std::size_t>(to - out);
}

// ---- version 2 (section 2.2)

/// RFC 4960, appendix B: reflected, with the polynomial of Castagnoli.
constexpr std::array<std::uint32_t, 256> checksum_table = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t index = 0; index < table.size(); ++index) {
    std::uint32_t value = index;
    for (int bit = 0; bit < 8; ++bit)
      value = (value & 1U) != 0 ? value >> 1U ^ 0x82f63b78U : value >> 1U;
    table[index] = value;
  }
  return table;
}();

/// Of the whole header, with zeroes where the checksum itself stands.
std::uint32_t checksum_of(std::string_view header, std::size_t checksum_at) {
  std::uint32_t value = ~std::uint32_t{0};
  for (std::size_t at = 0; at < header.size(); ++at) {
    const bool zeroed = at >= checksum_at && at < checksum_at + 4;
    const std::uint8_t byte = zeroed ? 0 : byte_at(header, at);
    value = value >> 8U ^ checksum_table[(value ^ byte) & 0xffU];
  }
  return ~value;
}

/// What is wrong with the TLVs that fill `header` from `at` on; empty if nothing is.
std::string_view find_tlv_fault(std::string_view header, std::size_t at) {
  constexpr std::size_t tlv_prefix_bytes = 3;
  std::size_t checksum_at = 0;
  while (at < header.size()) {
    if (header.size() - at < tlv_prefix_bytes) return "its PROXY header ends within a TLV";
    const std::uint8_t type = byte_at(header, at);
    const std::size_t length = word_at(header, at + 1);
    at += tlv_prefix_bytes;
    if (length > header.size() - at) return "its PROXY header ends within a TLV";
    if (type == tlv_checksum) {
      if (length != 4 || checksum_at != 0) return "its PROXY header has an invalid checksum field";
      checksum_at = at;
    }
    at += length;
  }
  if (checksum_at == 0) return {};
  const std::uint32_t told =
      std::uint32_t{word_at(header, checksum_at)} << 16U | word_at(header, checksum_at + 2);
  return told == checksum_of(header, checksum_at) ? std::string_view()
                                                  : "its PROXY header has a wrong checksum";
}

std::size_t address_bytes(std::uint8_t family) {
  switch (family) {
    case family_inet:
      return 2 * ipv4_bytes + 4;
    case family_inet6:
      return 2 * ipv6_bytes + 4;
    default:
      return std::size_t{2} * 108;  // sun_path
  }
}

ProxiedAddresses read_addresses(std::string_view block, bool is_v6) {
  const std::size_t size = is_v6 ? ipv6_bytes : ipv4_bytes;
  const auto address = [&](std::size_t at) {
    base::IpAddress ip;
    if (!is_v6) ip.bytes[10] = ip.bytes[11] = 0xff;
    std::memcpy(ip.bytes.data() + (is_v6 ? 0 : ipv4_offset), block.data() + at, size);
    return ip;
  };
  return {.source = address(0),
          .destination = address(size),
          .source_port = word_at(block, 2 * size),
          .destination_port = word_at(block, 2 * size + 2)};
}

ParsedProxyHeader parse_binary(std::string_view bytes) {
  if (bytes.size() <= binary_signature.size()) return {};
  const unsigned command = byte_at(bytes, binary_signature.size()) ^ unsigned { version_2 };
  if (command > command_proxy) return malformed("its PROXY header has an unknown version or command");
  if (bytes.size() < proxy_v2_prefix_bytes) return {};
  const auto family = static_cast<std::uint8_t>(byte_at(bytes, 13) >> 4U);
  const std::uint8_t transport = byte_at(bytes, 13) & 0x0fU;
  const std::size_t payload = word_at(bytes, 14);
  // Of a LOCAL header the family is ignored, whatever it is.
  const bool is_local = command == command_local;
  if (!is_local && (family > family_unix || transport > transport_datagram))
    return malformed("its PROXY header has an unknown address family or protocol");
  const bool has_addresses = !is_local && family != family_unspecified && transport != transport_unspecified;
  if (has_addresses && payload < address_bytes(family))
    return malformed("its PROXY header is too short for its addresses");
  if (payload > max_proxy_v2_payload_bytes) return malformed("its PROXY header is longer than 4 KiB");
  ParsedProxyHeader header{
      .status = Status::complete, .fault = {}, .length = proxy_v2_prefix_bytes + payload, .addresses = {}};
  if (bytes.size() < header.length) return {};
  if (!has_addresses) return header;
  const std::string_view whole = bytes.substr(0, header.length);
  if (const std::string_view fault = find_tlv_fault(whole, proxy_v2_prefix_bytes + address_bytes(family));
      !fault.empty())
    return malformed(fault);
  if (transport == transport_stream && family != family_unix)
    header.addresses = read_addresses(whole.substr(proxy_v2_prefix_bytes), family == family_inet6);
  return header;
}

std::size_t write_binary(const ProxiedAddresses* addresses, char* out) {
  char* to = std::copy(binary_signature.begin(), binary_signature.end(), out);
  const auto put = [&to](unsigned byte) { *to++ = static_cast<char>(byte); };
  const auto put_word = [&put](unsigned word) {
    put(word >> 8U);
    put(word & 0xffU);
  };
  put(version_2 | static_cast<unsigned>(addresses != nullptr ? command_proxy : command_local));
  if (addresses == nullptr) {
    put(family_unspecified << 4U | transport_unspecified);
    put_word(0);
    return static_cast<std::size_t>(to - out);
  }
  const bool is_v4 = addresses->source.is_v4() && addresses->destination.is_v4();
  const Family family = is_v4 ? family_inet : family_inet6;
  put(static_cast<unsigned>(family) << 4U | transport_stream);
  put_word(static_cast<unsigned>(address_bytes(family)));
  for (const base::IpAddress* address : {&addresses->source, &addresses->destination})
    to = std::copy(address->bytes.begin() + (is_v4 ? ipv4_offset : 0), address->bytes.end(), to);
  put_word(addresses->source_port);
  put_word(addresses->destination_port);
  return static_cast<std::size_t>(to - out);
}

}  // namespace

ParsedProxyHeader parse_proxy_header(std::string_view bytes) {
  if (agrees(bytes, binary_signature)) return parse_binary(bytes);
  if (agrees(bytes, line_signature)) return parse_line(bytes);
  return malformed("it does not begin with a PROXY header");
}

std::size_t write_proxy_header(int version, const ProxiedAddresses* addresses, char* out) {
  AZULB_ASSERT(version == 1 || version == 2);
  return version == 1 ? write_line(addresses, out) : write_binary(addresses, out);
}

}  // namespace azulb::net
