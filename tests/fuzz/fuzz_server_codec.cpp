// A server's bytes through http1::ServerCodec on a real connection, in arbitrary pieces: what the reader is
// told and whether the connection may be used again do not depend on the pieces, and what follows a response
// never reaches a reader. The input: a byte that says what is requested, a byte that says where the second
// response begins, the bytes.
#include <deque>

#include "asking.hpp"
#include "azulb/http1/server_codec.hpp"
#include "wire.hpp"

namespace azulb::fuzz {
namespace {

class Server final : public http::ServerCodecOwner {
 public:
  Server(std::uint8_t manner, Wire& wire) : manner_(manner) {
    connection_.adopt(wire.near);
    codec_.on_connected();
  }
  ~Server() override {
    connection_.close();
    shared_loop().run_once(std::chrono::milliseconds(0));
  }

  /// Opens a stream and sends its request, whole.
  void request();
  bool usable() const { return !open() && !idle_ended_ && codec_.reusable(); }
  bool catch_up();
  const std::string& told() { return transcript_.finish(); }

  // ServerCodecOwner
  void write_preamble() override {}
  void on_connected() override {}
  void on_connect_failure(int) override { FUZZ_CHECK(false); }
  void on_idle_end() override {
    FUZZ_CHECK(!open());
    idle_ended_ = true;
  }

 private:
  class Stream;
  bool open() const;

  const std::uint8_t manner_;
  Transcript transcript_;
  http1::CodecScratch scratch_{http1::response_head_limits.fields};
  net::Connection connection_{shared_loop(), codec_};
  http1::ServerCodec codec_{connection_, scratch_, *this};
  std::deque<Stream> streams_;
  bool idle_ended_ = false;
};

class Server::Stream final : public AskingReader {
 public:
  explicit Stream(Server& server)
      : AskingReader(static_cast<Kind>(server.manner_ % 4U), (server.manner_ & 4U) != 0), server_(server) {}

 private:
  Transcript& transcript() { return server_.transcript_; }

  void told_response(http::ResponseHead& head, const http::ResponseInfo&) override {
    transcript().add("response " + std::to_string(head.status) + " " + std::string(head.reason));
    transcript().add_fields(head.fields);
  }
  void told_body(std::span<const char> bytes) override { transcript().add_body(bytes); }
  void told_end(std::span<http::Field> trailers) override {
    transcript().add("end");
    transcript().add_fields(trailers);
  }
  void told_failure(const http::StreamFailure& failure, const http::StreamWriter&) override {
    transcript().add_failure(failure);
    FUZZ_CHECK(!server_.codec_.reusable());
  }
  void give_back(http::StreamWriter&) override {
    if (server_.codec_.reusable()) server_.connection_.resume_reading();  // as the pool does
  }

  Server& server_;
};

void Server::request() {
  transcript_.add("requested");
  Stream& stream = streams_.emplace_back(*this);
  stream.ask(codec_.open_stream(stream), "body");
}

bool Server::open() const {
  return !streams_.empty() && streams_.back().open();
}

bool Server::catch_up() {
  return !streams_.empty() && streams_.back().catch_up();
}

std::string converse(std::string_view first, std::string_view second, std::uint8_t manner,
                     std::uint64_t seed) {
  Wire wire;
  Server server(manner, wire);
  const auto catch_up = [&] { return server.catch_up(); };
  std::string usable;
  const auto play = [&](std::string_view bytes) {
    server.request();
    wire.play(bytes, seed, catch_up);
    usable += server.usable() ? "usable\n" : "not usable\n";
  };
  play(first);
  if (server.usable()) play(second);
  wire.end_writing();
  wire.rest(catch_up);
  return server.told() + usable;
}

}  // namespace
}  // namespace azulb::fuzz

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace azulb::fuzz;
  if (size < 3 || size > 2048) return 0;
  const std::string_view bytes{reinterpret_cast<const char*>(data) + 2, size - 2};
  const std::size_t middle = data[1] == 0 ? bytes.size() : bytes.size() * data[1] / 256;
  const std::string_view first = bytes.substr(0, middle);
  const std::string_view second = bytes.substr(middle);
  const std::string whole = converse(first, second, data[0], 0);
  for (const std::uint64_t seed : ways_to_cut(size))
    check_same(whole, converse(first, second, data[0], seed), "what the reader is told");
  return 0;
}
