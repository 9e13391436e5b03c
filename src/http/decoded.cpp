#include "decoded.hpp"

#include "azulb/http/bytes.hpp"

namespace azulb::http {
namespace {

/// Reads one byte and moves on.
char next_decoded(std::string_view& text) {
  if (text[0] == '%' && text.size() >= 3 && hex_value(text[1]) >= 0 && hex_value(text[2]) >= 0) {
    const int byte = hex_value(text[1]) * 16 + hex_value(text[2]);
    text.remove_prefix(3);
    return static_cast<char>(byte);
  }
  const char byte = text[0] == '+' ? ' ' : text[0];
  text.remove_prefix(1);
  return byte;
}

}  // namespace

bool decodes_to(std::string_view text, std::string_view wanted) {
  while (!text.empty() && !wanted.empty()) {
    if (next_decoded(text) != wanted.front()) return false;
    wanted.remove_prefix(1);
  }
  return text.empty() && wanted.empty();
}

}  // namespace azulb::http
