// Sections are those of HAProxy's proxy-protocol.txt.
#include "azulb/net/proxy_header.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

using namespace azulb;
using net::parse_proxy_header;
using net::ParsedProxyHeader;
using net::ProxiedAddresses;
using Status = ParsedProxyHeader::Status;
using namespace std::string_literals;

namespace {

const std::string signature("\r\n\r\n\0\r\nQUIT\n", 12);
const std::string ipv4_block("\xc0\x00\x02\x01\xc6\x33\x64\x02\xdc\x04\x01\xbb", 12);
const std::string ipv6_block = "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x01\x20\x01\x0d\xb8"s +
                               std::string(11, '\0') + "\x02\xdc\x04\x01\xbb"s;
const std::string unix_block(216, 'x');

std::string word(std::size_t value) {
  return {static_cast<char>(value >> 8U), static_cast<char>(value & 0xffU)};
}

std::string binary(char command, char family, const std::string& payload) {
  return signature + command + family + word(payload.size()) + payload;
}

std::string tlv(char type, const std::string& value) {
  return type + word(value.size()) + value;
}

std::string text(const std::optional<ProxiedAddresses>& addresses) {
  if (!addresses) return "own";
  return base::SocketAddress::from_ip(addresses->source, addresses->source_port).text() + " > " +
         base::SocketAddress::from_ip(addresses->destination, addresses->destination_port).text();
}

std::string written(int version, const ProxiedAddresses* addresses) {
  std::array<char, net::written_proxy_header_bytes> room;
  return {room.data(), net::write_proxy_header(version, addresses, room.data())};
}

ProxiedAddresses addresses(const char* source, std::uint16_t source_port, const char* destination,
                           std::uint16_t destination_port) {
  return {*base::IpAddress::parse(source), *base::IpAddress::parse(destination), source_port,
          destination_port};
}

struct Valid {
  const char* section;
  std::string header;
  const char* addresses;
};

struct Malformed {
  const char* section;
  std::string bytes;
  const char* fault;  // a part of it
};

const std::string line_4 = "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n";
const std::string addresses_4 = "192.0.2.1:56324 > 198.51.100.2:443";

std::vector<Valid> valid_headers() {
  return {
      {"2.1", line_4, addresses_4.c_str()},
      {"2.1", "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
       "255.255.255.255:65535 > 255.255.255.255:65535"},
      {"2.1", "PROXY TCP4 0.0.0.0 1.2.3.4 0 1\r\n", "0.0.0.0:0 > 1.2.3.4:1"},
      {"2.1", "PROXY TCP6 2001:db8::1 2001:DB8::2 56324 443\r\n", "[2001:db8::1]:56324 > [2001:db8::2]:443"},
      {"2.1",
       "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 "
       "65535\r\n",
       "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535 > [ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
      {"2.1, as nginx writes it", "PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", "192.0.2.1:1 > [::1]:2"},
      {"2.1", "PROXY UNKNOWN\r\n", "own"},
      {"2.1", "PROXY UNKNOWN \r\n", "own"},
      {"2.1", "PROXY UNKNOWN any\n thing\r at all\r\n", "own"},
      {"2.1, 107 bytes", "PROXY UNKNOWN " + std::string(91, 'f') + "\r\n", "own"},
      {"2.2, PROXY, TCP over IPv4", binary('\x21', '\x11', ipv4_block), addresses_4.c_str()},
      {"2.2, PROXY, TCP over IPv6", binary('\x21', '\x21', ipv6_block),
       "[2001:db8::1]:56324 > [2001:db8::2]:443"},
      {"2.2, PROXY, UDP over IPv4", binary('\x21', '\x12', ipv4_block), "own"},
      {"2.2, PROXY, UDP over IPv6", binary('\x21', '\x22', ipv6_block), "own"},
      {"2.2, PROXY, unix stream", binary('\x21', '\x31', unix_block), "own"},
      {"2.2, PROXY, unix datagram", binary('\x21', '\x32', unix_block), "own"},
      {"2.2, PROXY, UNSPEC", binary('\x21', '\0', ""), "own"},
      {"2.2, UNSPEC: addresses are ignored", binary('\x21', '\0', "whatever"), "own"},
      {"2.2, UNSPEC protocol", binary('\x21', '\x10', "x"), "own"},
      {"2.2, LOCAL", binary('\x20', '\0', ""), "own"},
      {"2.2, LOCAL: the block is discarded", binary('\x20', '\x11', ipv4_block), "own"},
      {"2.2, LOCAL: the family is ignored", binary('\x20', '\xff', "anything"), "own"},
      {"2.2, TLVs are skipped",
       binary('\x21', '\x11',
              ipv4_block + tlv('\x01', "h2") + tlv('\x02', "example.com") + tlv('\x04', "") +
                  tlv('\xea', std::string(300, 'x'))),
       addresses_4.c_str()},
      {"2.2, TLVs behind unix addresses", binary('\x21', '\x31', unix_block + tlv('\x05', "id")), "own"},
      {"2.2, as long as azulb takes it",
       binary('\x21', '\x11', ipv4_block + tlv('\x04', std::string(4096 - 12 - 3, '\0'))),
       addresses_4.c_str()},
  };
}

std::vector<Malformed> malformed_headers() {
  return {
      {"2", "GET / HTTP/1.1\r\n\r\n", "does not begin"},
      {"2", " PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n", "does not begin"},
      {"2.1", "proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n", "does not begin"},
      {"2.1", "PROXYTCP4 1.1.1.1 2.2.2.2 1 2\r\n", "no protocol"},
      {"2.1", "PROXY\r\n", "no protocol"},
      {"2.1", "PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n", "no protocol"},
      {"2.1", "PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n", "no protocol"},
      {"2.1", "PROXY tcp4 1.1.1.1 2.2.2.2 1 2\r\n", "no protocol"},
      {"2.1", "PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n", "no protocol"},
      {"2.1", "PROXY UNKNOWNX\r\n", "no protocol"},
      {"2.1", "PROXY UNKNOWN\n\r\n", "no protocol"},
      {"2.1", "PROXY TCP4\r\n", "address"},
      {"2.1", "PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n", "address"},
      {"2.1", "PROXY TCP4 1.1.1.1  2.2.2.2 1 2\r\n", "address"},
      {"2.1, four integers", "PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n", "address"},
      {"2.1, four integers", "PROXY TCP4 1.1.1.1.1 2.2.2.2 1 2\r\n", "address"},
      {"2.1, 0 to 255", "PROXY TCP4 1.1.1.256 2.2.2.2 1 2\r\n", "address"},
      {"2.1, no heading zeroes", "PROXY TCP4 1.1.1.01 2.2.2.2 1 2\r\n", "address"},
      {"2.1, decimal", "PROXY TCP4 0x1.1.1.1 2.2.2.2 1 2\r\n", "address"},
      {"2.1, the family dictates the format", "PROXY TCP4 ::1 ::2 1 2\r\n", "address"},
      {"2.1, the family dictates the format", "PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n", "address"},
      {"2.1, the same family", "PROXY TCP6 ::1 2.2.2.2 1 2\r\n", "address"},
      {"2.1, 128 bits", "PROXY TCP6 1:2:3:4:5:6:7 ::1 1 2\r\n", "address"},
      {"2.1, 128 bits", "PROXY TCP6 1:2:3:4:5:6:7:8:9 ::1 1 2\r\n", "address"},
      {"2.1, one double colon", "PROXY TCP6 1::2::3 ::1 1 2\r\n", "address"},
      {"2.1, sets of 4 digits", "PROXY TCP6 12345::1 ::1 1 2\r\n", "address"},
      {"2.1, no zone", "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", "address"},
      {"2.1, no brackets", "PROXY TCP6 [::1] [::2] 1 2\r\n", "address"},
      {"2.1, US-ASCII", "PROXY TCP4 1.1.1.1\0 2.2.2.2 1 2\r\n"s, "address"},
      {"2.1", "PROXY TCP4 1.1.1.1 2.2.2.2\r\n", "port"},
      {"2.1", "PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n", "port"},
      {"2.1", "PROXY TCP4 1.1.1.1 2.2.2.2 1 \r\n", "port"},
      {"2.1", "PROXY TCP4 1.1.1.1 2.2.2.2 1  2\r\n", "port"},
      {"2.1", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n", "port"},
      {"2.1", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n", "port"},
      {"2.1", "PROXY TCP4 1.1.1.1 2.2.2.2\t1 2\r\n", "address"},
      {"2.1, 0 to 65535", "PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n", "port"},
      {"2.1, 0 to 65535", "PROXY TCP4 1.1.1.1 2.2.2.2 -1 2\r\n", "port"},
      {"2.1, no heading zeroes", "PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n", "port"},
      {"2.1, no heading zeroes", "PROXY TCP4 1.1.1.1 2.2.2.2 1 00\r\n", "port"},
      {"2.1, decimal", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2x\r\n", "port"},
      {"2.1, no single LF", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n", "CR LF"},
      {"2.1, no single CR", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\rGET / HTTP/1.1\r\n", "port"},
      {"2.1, 107 bytes", "PROXY UNKNOWN " + std::string(92, 'f') + "\r\n", "longer"},
      {"2.1, 107 bytes", "PROXY TCP4 " + std::string(96, '1'), "longer"},
      {"2.2, the signature", signature.substr(0, 11) + "\r\x21\x11" + word(12) + ipv4_block,
       "does not begin"},
      {"2.2, version 2 only", binary('\x11', '\x11', ipv4_block), "version"},
      {"2.2, version 2 only", binary('\x31', '\x11', ipv4_block), "version"},
      {"2.2, unassigned command", binary('\x22', '\x11', ipv4_block), "command"},
      {"2.2, unassigned command", binary('\x2f', '\x11', ipv4_block), "command"},
      {"2.2, unspecified family", binary('\x21', '\x41', ipv4_block), "family"},
      {"2.2, unspecified family", binary('\x21', '\xf1', ipv4_block), "family"},
      {"2.2, unspecified protocol", binary('\x21', '\x13', ipv4_block), "protocol"},
      {"2.2, 12 bytes of addresses", binary('\x21', '\x11', ipv4_block.substr(1)), "too short"},
      {"2.2, 36 bytes of addresses", binary('\x21', '\x21', ipv6_block.substr(1)), "too short"},
      {"2.2, 216 bytes of addresses", binary('\x21', '\x31', unix_block.substr(1)), "too short"},
      {"2.2, no addresses at all", binary('\x21', '\x11', ""), "too short"},
      {"2.2, longer than azulb takes", binary('\x21', '\x11', ipv4_block + std::string(4085, '\0')), "4 KiB"},
      {"2.2, longer than azulb takes", binary('\x20', '\0', std::string(65535, '\0')), "4 KiB"},
      {"2.2, TLV without a length", binary('\x21', '\x11', ipv4_block + "\x04"), "TLV"},
      {"2.2, TLV without a length", binary('\x21', '\x11', ipv4_block + "\x04\0"s), "TLV"},
      {"2.2, TLV past the end", binary('\x21', '\x11', ipv4_block + "\x04\0\x01"s), "TLV"},
      {"2.2, TLV past the end",
       binary('\x21', '\x11', ipv4_block + tlv('\x01', "h2") + "\x02\xff\xff" + "example.com"), "TLV"},
      {"2.2.3, wrong checksum", binary('\x21', '\x11', ipv4_block + tlv('\x03', "abcd")), "wrong checksum"},
      {"2.2.3, 32 bits", binary('\x21', '\x11', ipv4_block + tlv('\x03', "abc")), "checksum field"},
      {"2.2.3, 32 bits", binary('\x21', '\x11', ipv4_block + tlv('\x03', "abcde")), "checksum field"},
  };
}

}  // namespace

TEST_CASE("valid PROXY headers are read, and what follows is left alone") {
  for (const Valid& valid : valid_headers()) {
    CAPTURE(valid.section);
    CAPTURE(valid.header);
    for (const std::string& follows : {""s, "G"s, "GET / HTTP/1.1\r\n\r\n"s, signature, "\r\n"s}) {
      const ParsedProxyHeader parsed = parse_proxy_header(valid.header + follows);
      CHECK(parsed.status == Status::complete);
      CHECK(parsed.length == valid.header.size());
      CHECK(text(parsed.addresses) == valid.addresses);
    }
  }
}

TEST_CASE("a valid PROXY header is incomplete up to its last byte") {
  for (const Valid& valid : valid_headers()) {
    CAPTURE(valid.section);
    CAPTURE(valid.header);
    for (std::size_t size = 0; size < valid.header.size(); ++size)
      CHECK(parse_proxy_header(valid.header.substr(0, size)).status == Status::incomplete);
  }
}

TEST_CASE("malformed PROXY headers are refused, and stay so whatever follows") {
  for (const Malformed& wrong : malformed_headers()) {
    CAPTURE(wrong.section);
    CAPTURE(wrong.bytes);
    const ParsedProxyHeader parsed = parse_proxy_header(wrong.bytes);
    CHECK(parsed.status == Status::malformed);
    CHECK(parsed.fault.find(wrong.fault) != std::string_view::npos);
    for (std::size_t size = 0; size <= wrong.bytes.size(); ++size)
      CHECK(parse_proxy_header(wrong.bytes.substr(0, size)).status != Status::complete);
    CHECK(parse_proxy_header(wrong.bytes + "\r\n\r\n").status == Status::malformed);
  }
}

TEST_CASE("what can't become a PROXY header is refused at its first wrong byte") {
  CHECK(parse_proxy_header("G").status == Status::malformed);
  CHECK(parse_proxy_header("PRO").status == Status::incomplete);
  CHECK(parse_proxy_header("PRI").status == Status::malformed);
  CHECK(parse_proxy_header("\r\n\r\n\r").status == Status::malformed);
  CHECK(parse_proxy_header(signature + "\x13").status == Status::malformed);
}

TEST_CASE("a right checksum is accepted, and any wrong bit refused (section 2.2.3)") {
  // Written by HAProxy 2.6: send-proxy-v2 proxy-v2-options crc32c.
  const std::string header =
      binary('\x21', '\x11', "\x7f\0\0\x01\x7f\0\0\x01\xa9\xc2\x8d\xdb"s + tlv('\x03', "\x04\xb9\x69\xc2"));
  CHECK(text(parse_proxy_header(header).addresses) == "127.0.0.1:43458 > 127.0.0.1:36315");
  const std::size_t type_at = 16 + 12;
  for (std::size_t at = 16; at < header.size(); ++at) {
    if (at == type_at) at += 3;  // another type would be no checksum
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string changed = header;
      changed[at] = static_cast<char>(changed[at] ^ (1U << bit));
      CHECK(parse_proxy_header(changed).fault == "its PROXY header has a wrong checksum");
    }
  }
}

TEST_CASE("the checksum may stand among other TLVs, once (section 2.2.3)") {
  const std::string checksum = tlv('\x03', "\xc6\x6c\x6b\x09");
  const std::string before = ipv4_block + tlv('\x01', "h2");
  const std::string after = tlv('\x04', "xyz");
  CHECK(text(parse_proxy_header(binary('\x21', '\x11', before + checksum + after)).addresses) == addresses_4);
  const std::string twice = binary('\x21', '\x11', before + checksum + after + checksum);
  CHECK(parse_proxy_header(twice).fault == "its PROXY header has an invalid checksum field");
}

TEST_CASE("PROXY headers are written as the protocol has them") {
  const ProxiedAddresses four = addresses("192.0.2.1", 56324, "198.51.100.2", 443);
  const ProxiedAddresses six = addresses("2001:db8::1", 56324, "2001:db8::2", 443);
  CHECK(written(1, &four) == line_4);
  CHECK(written(2, &four) == binary('\x21', '\x11', ipv4_block));
  CHECK(written(1, &six) == "PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n");
  CHECK(written(2, &six) == binary('\x21', '\x21', ipv6_block));
  CHECK(written(1, nullptr) == "PROXY UNKNOWN\r\n");
  CHECK(written(2, nullptr) == binary('\x20', '\0', ""));
}

TEST_CASE("addresses of two families are written as IPv6, without dots in version 1") {
  const ProxiedAddresses mixed = addresses("192.0.2.1", 1, "2001:db8::2", 65535);
  CHECK(written(1, &mixed) == "PROXY TCP6 ::ffff:c000:201 2001:db8::2 1 65535\r\n");
  CHECK(parse_proxy_header(written(1, &mixed)).addresses == mixed);
  CHECK(parse_proxy_header(written(2, &mixed)).addresses == mixed);
}

TEST_CASE("the longest header that is written fits the room for it") {
  const char* longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
  const ProxiedAddresses all = addresses(longest, 65535, longest, 65535);
  CHECK(written(1, &all).size() == 104);
  CHECK(parse_proxy_header(written(1, &all)).addresses == all);
}
