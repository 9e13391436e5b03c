#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "azulb/http2/client_codec.hpp"
#include "client_codec_fixture.hpp"

using namespace azulb;
using namespace azulb::test;

namespace {

/// What is found, and after how many bytes, when they come in pieces of so many.
std::string found(const std::string& bytes, std::size_t piece) {
  http2::FrameScanner scanner{http2::End::to_client};
  scanner.allow_frames(100);
  std::string all;
  for (std::size_t begin = 0; begin < bytes.size(); begin += piece) {
    std::string_view rest = std::string_view(bytes).substr(begin, piece);
    while (!rest.empty()) {
      const std::size_t run = scanner.scan(rest);
      REQUIRE(run <= rest.size());
      if (scanner.found()) {
        const auto& frame = scanner.frame();
        all += std::to_string(frame.type) + "/" + std::to_string(frame.stream_id) + "/" +
               std::to_string(frame.length) + "/" + std::to_string(frame.depends_on) + " ";
      } else {
        REQUIRE(run == rest.size());
      }
      rest.remove_prefix(run);
    }
  }
  return all;
}

}  // namespace

TEST_CASE("data, priorities and unknown frames are found, however the bytes come") {
  const std::string bytes =
      std::string(http2::client_preface) + frame(settings_frame, 0, 0, {}) + request(1) +
      frame(data_frame, 0, 3, "") + frame(2, 0, 5, number(7) + "x") + frame(0xF0, 0, 0, "grease") +
      frame(data_frame, end_stream, 0x80000009, std::string(100, 'x')) + frame(2, 0, 5, "odd") + request(11);
  const std::string wanted = "0/3/0/-1 2/5/5/7 240/0/6/-1 0/9/100/-1 2/5/3/-1 ";
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
    CAPTURE(piece);
    REQUIRE(found(bytes, piece) == wanted);
  }
}
