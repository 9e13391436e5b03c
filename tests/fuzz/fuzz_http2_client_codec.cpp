// A client's bytes through http2::ClientCodec on a real connection, in arbitrary pieces. Whatever comes: each
// stream's reader is told a request, body, and one end or failure, in this order and nothing after it; what
// it is told, written as HTTP/1, is one request that HTTP/1's own parser reads back the same; all streams end
// with the connection. The input's first byte says how requests are answered, the rest are frames behind a
// client's preface and SETTINGS.
#include <deque>
#include <string>

#include "answering.hpp"
#include "azulb/http2/client_codec.hpp"
#include "rewritten.hpp"
#include "wire.hpp"

namespace azulb::fuzz {
namespace {

class Client final : public http::StreamAcceptor {
 public:
  Client(const Manner& manner, Wire& wire) : manner_(manner) {
    connection_.adopt(wire.near);
    codec_.start();
  }
  ~Client() override {
    connection_.close();
    shared_loop().run_once(std::chrono::milliseconds(0));
  }

  http::StreamReader& open_stream(http::StreamWriter& writer) override;
  void on_connection_closed() override {
    FUZZ_CHECK(!closed_);
    closed_ = true;
  }

  bool catch_up();
  void break_off() { codec_.break_off(); }
  void drain() { codec_.drain(); }
  bool closed() const { return closed_; }
  void check_all_over() const;

 private:
  class Stream;
  net::TimerList* minute() { return &shared_loop().timers().list(std::chrono::minutes(1)); }

  const Manner manner_;
  http2::CodecScratch scratch_{24};
  http2::FloodGuard guard_;
  http::FloodCounters floods_;
  base::Random random_{1};
  http2::ClientCodecSettings settings_{.limits = {512, 1024, 24},
                                       .streams = 8,
                                       .header_timeout = minute(),
                                       .keepalive_timeout = minute(),
                                       .send_timeout = minute(),
                                       .linger_timeout = minute(),
                                       .half_close_grace = minute(),
                                       .flood_penalty = minute(),
                                       .floods = &floods_,
                                       .shared_guard = &guard_,
                                       .random = &random_};
  net::Connection connection_{shared_loop(), codec_};
  http2::ClientCodec codec_{connection_, scratch_, settings_, *this};
  std::deque<Stream> streams_;
  bool closed_ = false;
};

class Client::Stream final : public AnsweringReader {
 public:
  Stream(Client& client, http::StreamWriter& writer)
      : AnsweringReader(client.manner_, writer), client_(client) {}

 private:
  void told_request(http::Request& request) override { check_rewritten(request); }
  void told_bad_request(http::Defect) override {}
  void told_body(std::span<const char>) override {}
  void told_end(std::span<http::Field> trailers) override {
    FUZZ_CHECK(!paused());
    for (const http::Field& field : trailers)
      FUZZ_CHECK(http::is_token(field.name) && http::is_field_value(field.value));
  }
  bool told_failure(const http::StreamFailure&) override { return false; }
  bool answers_late() const override { return client_.manner_.when == Manner::When::later; }
  Answer next_answer() override {
    static const std::string large_body(100'000, 'x');  // does not fit into a window
    static const http::Field trailers[] = {http::make_field("X-Sum", "1")};
    Answer answer;
    if (client_.manner_.first_own) answer.body = large_body;
    answer.trailers = trailers;
    answer.breaks_off = client_.manner_.second_own && client_.streams_.size() == 2;
    return answer;
  }

  Client& client_;
};

http::StreamReader& Client::open_stream(http::StreamWriter& writer) {
  FUZZ_CHECK(!closed_);
  return streams_.emplace_back(*this, writer);
}

bool Client::catch_up() {
  bool any = false;
  for (Stream& stream : streams_)
    any = stream.catch_up() || any;
  return any;
}

void Client::check_all_over() const {
  for (const Stream& stream : streams_)
    FUZZ_CHECK(stream.over());
}

void converse(std::string_view bytes, const Manner& manner, std::uint64_t seed) {
  Wire wire;
  Client client(manner, wire);
  const auto catch_up = [&] { return client.catch_up(); };
  wire.send(http2::client_preface);
  wire.send(std::string_view("\0\0\0\4\0\0\0\0\0", 9));
  wire.play(bytes, seed, catch_up);
  if (seed % 2 == 0) client.drain();
  wire.end_writing();
  wire.rest(catch_up);
  client.break_off();
  shared_loop().run_once(std::chrono::milliseconds(0));
  FUZZ_CHECK(client.closed());
  client.check_all_over();
}

}  // namespace
}  // namespace azulb::fuzz

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace azulb::fuzz;
  if (size < 2 || size > 2048) return 0;
  const Manner manner(data[0]);
  const std::string_view bytes{reinterpret_cast<const char*>(data) + 1, size - 1};
  for (const std::uint64_t seed : ways_to_cut(size))
    converse(bytes, manner, seed);
  return 0;
}
