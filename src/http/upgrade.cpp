#include "azulb/http/upgrade.hpp"

#include <openssl/evp.h>

#include <cstddef>
#include <cstring>

#include "azulb/http/bytes.hpp"

namespace azulb::http {
namespace {

constexpr std::size_t key_length = 24;                                            // base64 of 16 bytes
constexpr std::string_view accept_guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455 section 1.3

/// The six bits of a base64 digit; -1 for any other byte.
int base64_value(char byte) {
  if (byte >= 'A' && byte <= 'Z') return byte - 'A';
  if (byte >= 'a' && byte <= 'z') return byte - 'a' + 26;
  if (is_digit(byte)) return byte - '0' + 52;
  if (byte == '+') return 62;
  return byte == '/' ? 63 : -1;
}

/// 22 digits and "==", where the last digit's low four bits are beyond the 16 bytes and must be zero.
bool is_websocket_key(std::string_view key) {
  if (key.size() != key_length || key.substr(22) != "==") return false;
  for (const char byte : key.substr(0, 22)) {
    if (base64_value(byte) < 0) return false;
  }
  return (base64_value(key[21]) & 15) == 0;
}

}  // namespace

Defect check_websocket_request(const RequestHead& head) {
  const Field* key = nullptr;
  const Field* version = nullptr;
  bool repeated = false;
  for (const Field& field : head.fields) {
    if (field.id == FieldId::sec_websocket_key) {
      repeated |= key != nullptr;
      key = &field;
    } else if (field.id == FieldId::sec_websocket_version) {
      repeated |= version != nullptr;
      version = &field;
    }
  }
  if (version == nullptr || version->value != "13") return Defect::websocket_version;
  if (repeated || key == nullptr || !is_websocket_key(key->value)) return Defect::websocket_bad_key;
  return Defect::none;
}

std::array<char, 28> websocket_accept(std::string_view key) {
  std::array<char, key_length + accept_guid.size()> text;
  const std::size_t size = key.size() < key_length ? key.size() : key_length;
  std::memcpy(text.data(), key.data(), size);
  std::memcpy(text.data() + size, accept_guid.data(), accept_guid.size());
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  EVP_Digest(text.data(), size + accept_guid.size(), digest.data(), nullptr, EVP_sha1(), nullptr);
  std::array<unsigned char, 29> encoded{};  // with the terminator that OpenSSL adds
  EVP_EncodeBlock(encoded.data(), digest.data(), 20);
  std::array<char, 28> accept;
  std::memcpy(accept.data(), encoded.data(), accept.size());
  return accept;
}

Defect check_upgrade_response(const ResponseHead& head, std::string_view upgrade,
                              std::string_view websocket_key) {
  bool connection = false;
  const Field* protocol = nullptr;
  const Field* accept = nullptr;
  bool repeated = false;
  for (const Field& field : head.fields) {
    switch (field.id) {
      case FieldId::connection:
        connection |= list_contains(field.value, "upgrade");
        break;
      case FieldId::upgrade:
        repeated |= protocol != nullptr;
        protocol = &field;
        break;
      case FieldId::sec_websocket_accept:
        repeated |= accept != nullptr;
        accept = &field;
        break;
      case FieldId::transfer_encoding:
        return Defect::bad_upgrade_response;
      case FieldId::content_length:
        if (field.value != "0") return Defect::bad_upgrade_response;
        break;
      default:
        break;
    }
  }
  if (head.version_minor == 0 || upgrade.empty() || repeated || !connection || protocol == nullptr ||
      !equal_ignore_case(protocol->value, upgrade)) {
    return Defect::bad_upgrade_response;
  }
  if (!equal_ignore_case(upgrade, "websocket")) return Defect::none;
  const std::array<char, 28> wanted = websocket_accept(websocket_key);
  const bool right = accept != nullptr && accept->value == std::string_view{wanted.data(), wanted.size()};
  return right ? Defect::none : Defect::bad_upgrade_response;
}

}  // namespace azulb::http
