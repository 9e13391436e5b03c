#include "azulb/base/escape.hpp"

#include <doctest/doctest.h>

#include <string>

using azulb::base::escape_json;
using azulb::base::escape_log_text;

namespace {

using Escape = char* (*)(std::string_view, char*, std::size_t);

std::string escaped(Escape escape, std::string_view text, std::size_t limit = 4096) {
  std::string out(limit + 8, '#');
  const char* end = escape(text, out.data(), limit);
  const auto length = static_cast<std::size_t>(end - out.data());
  REQUIRE(length <= limit);
  CHECK(out.substr(limit) == "########");  // nothing written past the limit
  return out.substr(0, length);
}

}  // namespace

TEST_CASE("plain text of every length passes unchanged") {
  const std::string text = "GET /articles/7?page=2&sort=asc HTTP/1.1";
  for (std::size_t length = 0; length <= text.size(); ++length) {
    CHECK(escaped(escape_json, text.substr(0, length)) == text.substr(0, length));
    CHECK(escaped(escape_log_text, text.substr(0, length)) == text.substr(0, length));
  }
}

TEST_CASE("every single byte at every place of a word is escaped as its kind demands") {
  for (int value = 0; value < 256; ++value) {
    for (std::size_t place = 0; place < 17; ++place) {
      std::string text(17, 'a');
      text[place] = static_cast<char>(value);
      char wanted[8];
      const bool special = value < 0x20 || value >= 0x80 || value == '"' || value == '\\';
      if (!special) continue;
      std::snprintf(wanted, sizeof wanted, "\\x%02X", static_cast<unsigned>(value));
      const std::string before(place, 'a');
      const std::string after(16 - place, 'a');
      CHECK(escaped(escape_log_text, text) == before + wanted + after);
      if (value == '"' || value == '\\') {
        CHECK(escaped(escape_json, text) == before + "\\" + static_cast<char>(value) + after);
      } else if (value != '\n' && value != '\r' && value != '\t') {
        std::snprintf(wanted, sizeof wanted, "\\u%04x", static_cast<unsigned>(value));
        CHECK(escaped(escape_json, text) == before + wanted + after);
      }
    }
  }
  CHECK(escaped(escape_json, "a\r\n\tb") == "a\\r\\n\\tb");
}

TEST_CASE("DEL passes in JSON, which allows it, and is escaped in log text") {
  CHECK(escaped(escape_json, "a\x7f") == "a\x7f");
  CHECK(escaped(escape_log_text, "a\x7f") == "a\\x7F");
  CHECK(escaped(escape_log_text,
                "aaaa\x7f"
                "aaaaaaaa") ==
        "aaaa\\x7F"
        "aaaaaaaa");
}

TEST_CASE("well-formed UTF-8 stays as it is in JSON") {
  CHECK(escaped(escape_json, "é € 😀 \xED\x9F\xBF \xEE\x80\x80 \xF4\x8F\xBF\xBF") ==
        "é € 😀 \xED\x9F\xBF \xEE\x80\x80 \xF4\x8F\xBF\xBF");
}

TEST_CASE("what is not UTF-8 is escaped byte by byte in JSON") {
  CHECK(escaped(escape_json, "\xC0\xAF") == "\\u00c0\\u00af");                        // overlong
  CHECK(escaped(escape_json, "\xE0\x9F\xBF") == "\\u00e0\\u009f\\u00bf");             // overlong
  CHECK(escaped(escape_json, "\xED\xA0\x80") == "\\u00ed\\u00a0\\u0080");             // surrogate
  CHECK(escaped(escape_json, "\xF0\x8F\xBF\xBF") == "\\u00f0\\u008f\\u00bf\\u00bf");  // overlong
  CHECK(escaped(escape_json, "\xF4\x90\x80\x80") == "\\u00f4\\u0090\\u0080\\u0080");  // above U+10FFFF
  CHECK(escaped(escape_json, "\xE2\x82") == "\\u00e2\\u0082");                        // ends in the middle
  CHECK(escaped(escape_json, "\xE2\x82z") == "\\u00e2\\u0082z");
}

TEST_CASE("a text too long is cut between characters and marked") {
  CHECK(escaped(escape_json, std::string(40, 'a'), 16) == std::string(13, 'a') + "…");
  CHECK(escaped(escape_log_text, std::string(40, 'a'), 16) == std::string(13, 'a') + "...");
  CHECK(escaped(escape_json, std::string(10, 'a') + std::string(10, '\1'), 18) == std::string(10, 'a') + "…");
  CHECK(escaped(escape_json, "aaaaaaaaaaaa€€€€", 16) == "aaaaaaaaaaaa…");
  CHECK(escaped(escape_log_text, std::string(11, 'a') + std::string(10, '\1'), 16) ==
        std::string(11, 'a') + "...");
}
