// A client's bytes through http1::ClientCodec on a real connection, in arbitrary pieces: the streams that
// open, what their readers are told and what the client receives do not depend on the pieces; nothing is
// parsed behind a refused request or a response that said "close"; the connection always comes to its end.
// The input's first byte says how requests are answered, the rest are the bytes.
#include <deque>
#include <utility>

#include "azulb/http1/client_codec.hpp"
#include "wire.hpp"

namespace azulb::fuzz {
namespace {

/// How requests are answered, from the input's first byte.
struct Manner {
  explicit Manner(std::uint8_t byte)
      : when(static_cast<When>(byte % 3)),
        chunked((byte & 4U) != 0),
        accept_upgrades((byte & 8U) != 0),
        abort_failed((byte & 16U) != 0),
        interim((byte & 32U) != 0),
        close_second((byte & 64U) != 0),
        pausing((byte & 128U) != 0) {}

  enum class When : std::uint8_t { at_head, at_end, later };
  When when;
  bool chunked;
  bool accept_upgrades;
  bool abort_failed;
  bool interim;
  bool close_second;  // the second response says "close"
  bool pausing;       // reading pauses at each piece of a body until the loop is idle
};

class Client final : public http::StreamAcceptor {
 public:
  Client(Manner manner, Wire& wire) : manner_(manner) {
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

class Client::Stream final : public http::StreamReader {
 public:
  Stream(Client& client, http::StreamWriter& writer) : client_(client), writer_(&writer) {}

  bool over() const { return writer_ == nullptr; }

  void on_request(http::StoredRequest request) override {
    request_ = std::move(request);
    client_.transcript_.add("request " + std::string(request_->head.method_name) + " " +
                            std::string(request_->head.target));
    client_.transcript_.add_fields(request_->head.fields);
    if (!request_->info.upgrade.empty() && client_.manner_.accept_upgrades) {
      switch_protocols();
    } else if (client_.manner_.when == Manner::When::at_head) {
      respond(200);
    }
  }
  void on_bad_request(http::BadRequest bad) override {
    client_.refused_ = true;
    client_.transcript_.add("bad " + std::string(http::defect_word(bad.defect)));
    respond(400);
  }
  void on_body(std::span<const char> bytes) override {
    FUZZ_CHECK(!over() && !bytes.empty());
    if (tunnel_) {
      writer_->write_body(bytes);
    } else if (client_.manner_.pausing) {
      writer_->pause_reading();
      paused_ = true;
    }
    client_.transcript_.add_body(bytes);
  }
  void on_end(std::span<http::Field> trailers) override {
    FUZZ_CHECK(!over() && !ended_);
    ended_ = true;
    client_.transcript_.add("end");
    client_.transcript_.add_fields(trailers);
    if (tunnel_) {
      std::exchange(writer_, nullptr)->write_end({});
    } else if (client_.manner_.when != Manner::When::later) {
      respond(200);
    }
  }
  void on_failure(const http::StreamFailure& failure) override {
    FUZZ_CHECK(!over());
    client_.transcript_.add_failure(failure);
    client_.refused_ = true;
    if (failure.kind != http::StreamFailure::Kind::malformed || client_.manner_.abort_failed) {
      std::exchange(writer_, nullptr)->abort();
    } else {
      respond(400);
    }
  }
  void on_writable() override {}

  bool catch_up() {
    if (over()) return false;
    if (std::exchange(paused_, false)) {
      writer_->resume_reading();
      return true;
    }
    if (tunnel_ || !ended_) return false;
    http::StreamWriter& writer = *writer_;  // `respond` forgets it; the codec lives on
    respond(200);
    writer.flush();
    return true;
  }

 private:
  void respond(int status) {
    if (over()) return;
    http::ResponseHeadOut head;
    if (status == 200 && client_.manner_.interim) {
      head.status = 103;
      writer_->write_response(head);
    }
    head.status = status;
    head.reason = "Said";
    head.body = client_.manner_.chunked ? http::BodyKind::chunked : http::BodyKind::length;
    head.content_length = 4;
    head.close = client_.refused_ || (client_.manner_.close_second && client_.streams_.size() == 2);
    client_.said_close_ |= head.close;
    http::StreamWriter* writer = std::exchange(writer_, nullptr);
    writer->write_response(head);
    writer->write_body(std::string_view("body"));
    writer->write_end({});
  }
  void switch_protocols() {
    http::ResponseHeadOut head;
    head.status = 101;
    head.reason = "Switching Protocols";
    head.upgrade = request_->info.upgrade;
    writer_->write_response(head);
    tunnel_ = true;
  }

  Client& client_;
  http::StreamWriter* writer_;  // nullptr: the stream is over for the reader
  http::StoredRequest request_;
  bool tunnel_ = false;
  bool ended_ = false;
  bool paused_ = false;
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

Outcome converse(std::string_view bytes, Manner manner, std::uint64_t seed) {
  Wire wire;
  Client client(manner, wire);
  Splitter splitter(seed);
  const auto catch_up = [&] {
    while (client.catch_up())
      wire.settle();
  };
  // Between pieces the reader catches up only with the seeds that split at random: else all arrives before.
  for (std::size_t sent = 0; sent < bytes.size();) {
    Splitter whole(0);
    const std::size_t have = grow(sent, bytes.size(), splitter);
    wire.send(bytes.substr(sent, have - sent), whole);
    if (seed > 1) catch_up();
    sent = have;
  }
  catch_up();
  wire.end_writing();
  catch_up();
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
  for (const std::uint64_t seed : {std::uint64_t{2} + size, std::uint64_t{77} + size * 3, std::uint64_t{1}}) {
    if (seed == 1 && size > 256) continue;  // byte by byte costs a turn of the loop each
    const Outcome split = converse(bytes, manner, seed);
    check_same(whole.told, split.told, "what the reader is told");
    // A reset takes with it what has not been sent, and that depends on the pieces.
    if (!manner.abort_failed) check_same(whole.received, split.received, "what the client receives");
  }
  return 0;
}
