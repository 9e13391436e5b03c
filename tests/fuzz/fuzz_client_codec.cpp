// A client's bytes through http1::ClientCodec on a real connection, in arbitrary pieces: the streams that
// open, what their readers are told and what the client receives do not depend on the pieces; nothing is
// parsed behind a refused request or a response that said "close"; the connection always comes to its end.
// The input's first byte says how requests are answered, the rest are the bytes.
#include <deque>

#include "answering.hpp"
#include "azulb/http1/client_codec.hpp"
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
    transcript_.add("connection closed");
  }

  /// What is left for a quiet moment: answers that wait, and reading that was paused. False: nothing.
  bool catch_up();
  /// Failed requests are dropped instead of answered.
  bool aborts_failed() const { return manner_.first_own; }
  bool closed() const { return closed_; }
  const std::string& told() { return transcript_.finish(); }

 private:
  class Stream;

  net::TimerList* minute() { return &shared_loop().timers().list(std::chrono::minutes(1)); }

  const Manner manner_;
  Transcript transcript_;
  http1::CodecScratch scratch_{24};
  http1::ClientHabit habit_;
  http1::ClientCodecSettings settings_{.limits = {512, 1024, 24},
                                       .header_timeout = minute(),
                                       .keepalive_timeout = minute(),
                                       .linger_timeout = minute(),
                                       .half_close_grace = minute(),
                                       .habit = &habit_};
  net::Connection connection_{shared_loop(), codec_};
  http1::ClientCodec codec_{connection_, scratch_, settings_, *this};
  std::deque<Stream> streams_;
  bool refused_ = false;
  bool said_close_ = false;
  bool closed_ = false;
};

class Client::Stream final : public AnsweringReader {
 public:
  Stream(Client& client, http::StreamWriter& writer)
      : AnsweringReader(client.manner_, writer), client_(client) {}

 private:
  Transcript& transcript() { return client_.transcript_; }

  void told_request(http::Request& request) override {
    transcript().add("request " + std::string(request.head.method_name) + " " +
                     std::string(request.head.target));
    transcript().add_fields(request.head.fields);
  }
  void told_bad_request(http::Defect defect) override {
    client_.refused_ = true;
    transcript().add("bad " + std::string(http::defect_word(defect)));
  }
  void told_body(std::span<const char> bytes) override { transcript().add_body(bytes); }
  void told_end(std::span<http::Field> trailers) override {
    transcript().add("end");
    transcript().add_fields(trailers);
  }
  bool told_failure(const http::StreamFailure& failure) override {
    transcript().add_failure(failure);
    client_.refused_ = true;
    return failure.kind == http::StreamFailure::Kind::malformed && !client_.aborts_failed();
  }
  // Earlier it would depend on the pieces how much of a body is still told.
  bool answers_late() const override { return ended(); }
  Answer next_answer() override {
    const bool says_close = client_.manner_.second_own && client_.streams_.size() == 2;
    Answer answer;
    answer.close = client_.refused_ || says_close;
    client_.said_close_ |= answer.close;
    return answer;
  }

  Client& client_;
};

http::StreamReader& Client::open_stream(http::StreamWriter& writer) {
  FUZZ_CHECK(!closed_ && !refused_ && !said_close_);
  FUZZ_CHECK(streams_.empty() || streams_.back().over());
  return streams_.emplace_back(*this, writer);
}

bool Client::catch_up() {
  return !streams_.empty() && streams_.back().catch_up();
}

struct Outcome {
  std::string told;
  std::string received;
};

Outcome converse(std::string_view bytes, const Manner& manner, std::uint64_t seed) {
  Wire wire;
  Client client(manner, wire);
  const auto catch_up = [&] { return client.catch_up(); };
  wire.play(bytes, seed, catch_up);
  wire.end_writing();
  wire.rest(catch_up);
  wire.settle_until([&] { return client.closed(); });  // net::Connection::expect_end
  FUZZ_CHECK(client.closed());
  return {client.told(), wire.received()};
}

}  // namespace
}  // namespace azulb::fuzz

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace azulb::fuzz;
  if (size < 2 || size > 2048) return 0;
  const Manner manner(data[0]);
  const std::string_view bytes{reinterpret_cast<const char*>(data) + 1, size - 1};
  const Outcome whole = converse(bytes, manner, 0);
  for (const std::uint64_t seed : ways_to_cut(size)) {
    const Outcome split = converse(bytes, manner, seed);
    check_same(whole.told, split.told, "what the reader is told");
    // A reset takes with it what has not been sent, and that depends on the pieces.
    if (!manner.first_own) check_same(whole.received, split.received, "what the client receives");
  }
  return 0;
}
