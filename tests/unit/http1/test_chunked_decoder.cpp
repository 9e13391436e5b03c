#include <doctest/doctest.h>

#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "azulb/http1/chunked_decoder.hpp"

using azulb::http::Defect;
using azulb::http::FieldList;
using azulb::http1::ChunkedDecoder;
using namespace std::string_literals;

namespace {

struct Decoded {
  ChunkedDecoder::Event event = ChunkedDecoder::Event::need_more;
  Defect defect = Defect::none;
  std::string data;
  std::vector<std::string> trailers;
  std::size_t used = 0;

  bool operator==(const Decoded&) const = default;
};

/// Decodes the bytes as they arrive in pieces of `piece` bytes, the first of `first`.
Decoded decode(std::string_view bytes, std::size_t first, std::size_t piece) {
  ChunkedDecoder decoder;
  FieldList trailers(azulb::http1::max_trailer_fields);
  Decoded result;
  std::size_t have = first < bytes.size() ? first : bytes.size();
  for (;;) {
    const std::size_t size = have - result.used;
    const auto block = std::make_unique<char[]>(size);
    std::memcpy(block.get(), bytes.data() + result.used, size);
    const ChunkedDecoder::Step step = decoder.next({block.get(), size}, trailers);
    result.event = step.event;
    result.data += step.data;
    if (step.event == ChunkedDecoder::Event::error) {
      result.defect = decoder.defect();
      result.used = 0;
      return result;
    }
    result.used += step.consumed;
    if (step.event == ChunkedDecoder::Event::done) {
      CHECK(decoder.done());
      for (const auto& field : trailers.fields()) {
        result.trailers.push_back(std::string(field.name) + "=" + std::string(field.value));
      }
      return result;
    }
    if (step.event == ChunkedDecoder::Event::need_more) {
      if (have == bytes.size()) return result;
      have = have + piece < bytes.size() ? have + piece : bytes.size();
    }
  }
}

Decoded decode_all_ways(const std::string& bytes) {
  const Decoded whole = decode(bytes, bytes.size(), 1);
  for (std::size_t split = 0; split <= bytes.size(); ++split) {
    CAPTURE(split);
    CHECK(decode(bytes, split, bytes.size()).defect == whole.defect);
    CHECK(decode(bytes, split, bytes.size()) == whole);
  }
  for (const std::size_t piece : {1, 2, 3, 7})
    CHECK(decode(bytes, piece, piece) == whole);
  return whole;
}

}  // namespace

TEST_CASE("A chunked body is decoded however it is split") {
  const Decoded body =
      decode_all_ways("5\r\nhello\r\n00C;a;b=c;d=\"e f\"\r\n, new world!\r\n0;x\r\n\r\nnext");
  CHECK(body.event == ChunkedDecoder::Event::done);
  CHECK(body.data == "hello, new world!");
  CHECK(body.trailers.empty());
  CHECK(body.used == 50);
}

TEST_CASE("Trailers are read however they are split") {
  const Decoded body = decode_all_ways("1\r\nx\r\n0\r\nX-Sum: 17 \r\nServer-Timing:a\r\n\r\n");
  CHECK(body.event == ChunkedDecoder::Event::done);
  CHECK(body.data == "x");
  CHECK(body.trailers == std::vector<std::string>{"X-Sum=17", "Server-Timing=a"});
}

TEST_CASE("An unfinished chunked body is never done") {
  for (const char* bytes :
       {"", "5", "5\r", "5\r\n", "5\r\nhell", "5\r\nhello", "5\r\nhello\r", "5\r\nhello\r\n", "0\r\n",
        "0\r\n\r", "0\r\nA: b\r\n", "0\r\nA: b\r\n\r", "5;a", "5;a=\"b"}) {
    CAPTURE(bytes);
    CHECK(decode_all_ways(bytes).event == ChunkedDecoder::Event::need_more);
  }
}

TEST_CASE("Bad chunked bodies are refused") {
  struct Case {
    std::string bytes;
    Defect defect;
  };
  const std::vector<Case> cases = {
      {"\r\n", Defect::bad_chunk_size},
      {"\n", Defect::bare_lf},
      {";a\r\n", Defect::bad_chunk_size},
      {" 5\r\nhello\r\n", Defect::bad_chunk_size},
      {"5 \r\nhello\r\n", Defect::bad_chunk_size},
      {"5\t\r\nhello\r\n", Defect::bad_chunk_size},
      {"+5\r\nhello\r\n", Defect::bad_chunk_size},
      {"-1\r\n", Defect::bad_chunk_size},
      {"0x5\r\nhello\r\n", Defect::bad_chunk_size},
      {"5h\r\nhello\r\n", Defect::bad_chunk_size},
      {"5,5\r\nhello\r\n", Defect::bad_chunk_size},
      {"1_0\r\n", Defect::bad_chunk_size},
      {"5\0\r\n"s, Defect::control_byte},
      {"5\nhello\r\n", Defect::bare_lf},
      {"5\rhello\r\n", Defect::bare_cr},
      {"5\r\rhello", Defect::bare_cr},
      {"00000000000000005\r\nhello\r\n", Defect::chunk_too_large},  // 17 digits
      {"8000000000000000\r\n", Defect::chunk_too_large},            // 2^63
      {"ffffffffffffffff\r\n", Defect::chunk_too_large},
      {"10000000000000000\r\n", Defect::chunk_too_large},
      {"5\r\nhello!\r\n", Defect::bad_chunk_end},
      {"5\r\nhello\n", Defect::bad_chunk_end},
      {"5\r\nhello\r\r", Defect::bad_chunk_end},
      {"5\r\nhello0\r\n\r\n", Defect::bad_chunk_end},
      {"5;\r\nhello", Defect::bad_chunk_extension},
      {"5; a\r\nhello", Defect::bad_chunk_extension},
      {"5;a b\r\nhello", Defect::bad_chunk_extension},
      {"5;a=\r\nhello", Defect::bad_chunk_extension},
      {"5;a=\"b\r\nhello", Defect::bad_chunk_extension},
      {"5;a=\"\\\"\"\r\nhello", Defect::bad_chunk_extension},
      {"5;a=\"b\"c\r\nhello", Defect::bad_chunk_extension},
      {"5;a\nhello", Defect::bare_lf},
      {"5;a=\"b\nhello", Defect::bare_lf},
      {"5;a\0\r\n"s, Defect::control_byte},
      {"0\r\nA : b\r\n\r\n", Defect::space_before_colon},
      {"0\r\nA: b\n\r\n", Defect::bare_lf},
      {"0\r\n folded\r\n\r\n", Defect::obs_fold},
      {"0\r\nGET / HTTP/1.1\r\n", Defect::space_before_colon},
      {"0\r\nA: " + std::string(9000, 'a'), Defect::trailer_too_large},
  };
  for (const Case& bad : cases) {
    CAPTURE(bad.bytes.substr(0, 40));
    const Decoded whole = decode(bad.bytes, bad.bytes.size(), 1);
    CHECK(whole.event == ChunkedDecoder::Event::error);
    CHECK(azulb::http::defect_word(whole.defect) == azulb::http::defect_word(bad.defect));
    if (bad.bytes.size() < 100) decode_all_ways(bad.bytes);
  }
}

TEST_CASE("The largest size that is taken is 2^63 - 1") {
  ChunkedDecoder decoder;
  FieldList trailers(azulb::http1::max_trailer_fields);
  CHECK(decoder.next("7fffffffffffffff\r\n", trailers).event == ChunkedDecoder::Event::need_more);
  CHECK(decoder.chunk_remaining() == 0x7fffffffffffffffU);
}

TEST_CASE("Chunk extensions are limited for each line and for the message") {
  const std::string fitting = "1;" + std::string(azulb::http1::max_chunk_line_bytes - 2, 'e') + "\r\nx\r\n";
  CHECK(decode(fitting, fitting.size(), 1).event == ChunkedDecoder::Event::need_more);
  const std::string longer = "1;" + std::string(azulb::http1::max_chunk_line_bytes - 1, 'e') + "\r\nx\r\n";
  CHECK(decode(longer, longer.size(), 1).defect == Defect::chunk_extension_too_long);
  std::string many;
  while (many.size() < 2 * azulb::http1::max_chunk_extension_bytes)
    many += fitting;
  CHECK(decode(many, many.size(), 1).defect == Defect::chunk_extension_too_long);
}

TEST_CASE("Data that goes past the decoder is skipped") {
  ChunkedDecoder decoder;
  FieldList trailers(azulb::http1::max_trailer_fields);
  const auto head = decoder.next("a\r\n012", trailers);
  CHECK(head.event == ChunkedDecoder::Event::data);
  CHECK(head.data == "012");
  CHECK(decoder.chunk_remaining() == 7);
  decoder.skip(7);
  CHECK(decoder.chunk_remaining() == 0);
  const auto end = decoder.next("\r\n0\r\n\r\n", trailers);
  CHECK(end.event == ChunkedDecoder::Event::done);
  CHECK(end.consumed == 7);
}
