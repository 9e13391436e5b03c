#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "azulb/http/websocket_frames.hpp"

using azulb::http::RestartFrame;
using azulb::http::WebSocketFrames;

namespace {

constexpr std::uint8_t text = 0x1, binary = 0x2, continuation = 0x0, ping = 0x9, close_frame = 0x8;

std::string frame(std::uint8_t opcode, std::size_t size, bool final = true, bool masked = false) {
  std::string bytes;
  const auto put = [&bytes](std::size_t byte) { bytes += static_cast<char>(byte & 0xff); };
  put((final ? 0x80U : 0U) | opcode);
  const std::size_t mask = masked ? 0x80 : 0;
  if (size < 126) {
    put(mask | size);
  } else {
    const std::size_t length_bytes = size < 65536 ? 2 : 8;
    put(mask | (length_bytes == 2 ? 126 : 127));
    for (std::size_t index = length_bytes; index-- > 0;)
      put(size >> (8 * index));
  }
  if (masked) bytes += "\x80\x81\x82\x83";
  return bytes + std::string(size, '\x81');  // payload that looks like a frame's head
}

/// Where `bytes` are between frames and between messages, by offset, fed in pieces of `step`.
struct Places {
  std::vector<std::size_t> frames, messages;
};
Places places(const std::string& bytes, std::size_t step) {
  WebSocketFrames follower;
  Places found;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t size = std::min(step, bytes.size() - at);
    follower.pass({bytes.data() + at, size});
    at += size;
    if (follower.between_frames()) found.frames.push_back(at);
    if (follower.between_messages()) found.messages.push_back(at);
  }
  return found;
}

}  // namespace

TEST_CASE("Frames of every length, masked or not, end where they end") {
  for (const std::size_t size : {0, 1, 125, 126, 127, 65535, 65536, 70000}) {
    for (const bool masked : {false, true}) {
      CAPTURE(size);
      CAPTURE(masked);
      const std::string one = frame(binary, size, true, masked);
      const std::string three = one + frame(text, 3) + one;
      CHECK(places(three, 1).messages ==
            std::vector<std::size_t>{one.size(), one.size() + 5, one.size() * 2 + 5});
      CHECK(places(three, three.size()).messages == std::vector<std::size_t>{three.size()});
    }
  }
}

TEST_CASE("Between the frames of a message is no end of a message, also around a control frame") {
  const std::string first = frame(text, 10, false), middle = frame(continuation, 4, false);
  const std::string asked = frame(ping, 2), last = frame(continuation, 1);
  const std::string all = first + middle + asked + last + asked;
  const Places found = places(all, 1);
  std::vector<std::size_t> ends;
  std::size_t at = 0;
  for (const auto& each : {first, middle, asked, last, asked})
    ends.push_back(at += each.size());
  CHECK(found.frames == ends);
  CHECK(found.messages == std::vector<std::size_t>{ends[3], ends[4]});
}

TEST_CASE("Passing a message stops at its end, whatever follows it") {
  const std::string begun = frame(text, 10, false), end = frame(continuation, 300), next = frame(text, 5);
  WebSocketFrames follower;
  follower.pass({begun.data(), 4});
  const std::string rest = begun.substr(4) + end + next;
  CHECK(follower.pass_message(rest) == rest.size() - next.size());
  CHECK(follower.between_messages());
  CHECK(follower.pass_message(next) == 0);
}

TEST_CASE("What passed unseen counts") {
  WebSocketFrames follower;
  const std::string large = frame(binary, 100'000);
  follower.pass({large.data(), 1000});
  CHECK(follower.payload_left() == large.size() - 1000);
  follower.skip(50'000);
  CHECK_FALSE(follower.between_frames());
  follower.skip(follower.payload_left());
  CHECK(follower.between_messages());
}

TEST_CASE("A close frame is seen once it has passed whole") {
  WebSocketFrames follower;
  const std::string bytes = frame(text, 2) + frame(close_frame, 2, true, true);
  follower.pass({bytes.data(), bytes.size() - 1});
  CHECK_FALSE(follower.closed());
  follower.pass({bytes.data() + bytes.size() - 1, 1});
  CHECK(follower.closed());
}

TEST_CASE("A length beyond 63 bits is no frame, and there is no place for one after it") {
  WebSocketFrames follower;
  const std::string bytes = "\x82\x7f" + std::string(8, '\xff') + frame(text, 3);
  follower.pass(bytes);
  CHECK_FALSE(follower.between_frames());
  CHECK(follower.payload_left() == 0);
  CHECK(follower.pass_message(bytes) == bytes.size());
}

TEST_CASE("The close frame says 1012, and is masked towards servers only") {
  const RestartFrame plain(std::nullopt);
  CHECK(std::string(plain.bytes().data(), plain.bytes().size()) ==
        std::string("\x88\x11\x03\xf4", 4) + "service restart");
  const RestartFrame masked(0x04030201);
  std::string bytes(masked.bytes().data(), masked.bytes().size());
  CHECK(bytes.substr(0, 6) == std::string("\x88\x91\x01\x02\x03\x04", 6));
  for (std::size_t at = 6; at < bytes.size(); ++at)
    bytes[at] = static_cast<char>(bytes[at] ^ bytes[2 + (at - 6) % 4]);
  CHECK(bytes.substr(6) == std::string("\x03\xf4", 2) + "service restart");
  WebSocketFrames follower;
  follower.pass(masked.bytes());
  CHECK(follower.closed());
}
