// A server's bytes through http2::ServerCodec on a real connection, in arbitrary pieces, while requests are
// under way. Whatever comes: the owner is told once whether the connection stands; each stream's reader is
// told an answer as asking.hpp has it, which, written as HTTP/1, is one that HTTP/1's own parser reads back
// the same; who asks for a sign of life is told; all streams end with the connection. The input's first byte
// says what is requested and how, the rest are frames, behind a server's SETTINGS unless they are to begin
// with their own.
#include <deque>
#include <string>
#include <vector>

#include "asking.hpp"
#include "azulb/http2/server_codec.hpp"
#include "rewritten.hpp"
#include "wire.hpp"

namespace azulb::fuzz {
namespace {

/// What is requested, from the input's first byte.
struct Requests {
  explicit Requests(std::uint8_t byte)
      : first_kind(byte % 4U),
        pausing((byte & 4U) != 0),
        large((byte & 8U) != 0),
        checking((byte & 16U) != 0),
        abort_second((byte & 32U) != 0),
        keeping((byte & 64U) != 0),
        own_settings((byte & 128U) != 0) {}

  unsigned first_kind;  // the other streams' kinds follow in turn
  bool pausing;
  bool large;         // bodies that do not fit into a window
  bool checking;      // the server is asked for a sign of life at times
  bool abort_second;  // the second stream is given back with the first of its body
  bool keeping;       // streams are given back in a later turn than they end
  bool own_settings;  // what the server says first is in the input
};

/// Does what a pool does with its connection.
class Server final : public http::ServerCodecOwner {
 public:
  Server(const Requests& requests, Wire& wire) : requests_(requests) {
    connection_.adopt(wire.near);
    codec_.on_connected();
  }
  ~Server() override {
    if (!broken_off_) codec_.break_off();
    shared_loop().run_once(std::chrono::milliseconds(0));
    FUZZ_CHECK(scratch_.server_streams.live() == 0);
  }

  /// Resumes reading, gives back what is over, and asks for a sign of life. False: there was nothing to do.
  bool catch_up();
  void check_all_over() const;

  // ServerCodecOwner
  void write_preamble() override {
    FUZZ_CHECK(!preamble_written_);
    preamble_written_ = true;
  }
  void on_connected() override {
    FUZZ_CHECK(preamble_written_ && !standing_ && !failed_ && !broken_off_ && codec_.capacity() > 0);
    standing_ = true;
    open_streams();
  }
  void on_connect_failure(int system_error) override {
    FUZZ_CHECK(!standing_ && !failed_ && !broken_off_ && system_error != 0);
    failed_ = true;
  }
  void on_idle_end() override { FUZZ_CHECK(false); }  // it tells its capacity instead
  void on_capacity_changed() override {
    FUZZ_CHECK(standing_ && !broken_off_);
    if (!codec_.checking()) waits_ = false;
    open_streams();
    end_if_used_up();
  }

 private:
  class Stream;
  static constexpr std::size_t most_streams = 12;

  net::TimerList* minute() { return &shared_loop().timers().list(std::chrono::minutes(1)); }
  void open_streams();
  void close(http::StreamWriter& writer);
  void end_if_used_up();

  const Requests requests_;
  http2::CodecScratch scratch_{http2::response_head_limits.fields};
  const http2::ServerCodecSettings settings_{.send_timeout = minute(), .silence_timeout = minute()};
  net::Connection connection_{shared_loop(), codec_};
  http2::ServerCodec codec_{connection_, scratch_, settings_, *this};
  std::deque<Stream> streams_;
  std::vector<http::StreamWriter*> kept_;  // over, and to be given back
  std::size_t leases_ = 0;
  bool preamble_written_ = false;
  bool standing_ = false;
  bool failed_ = false;
  bool waits_ = false;  // for a sign of life
  bool broken_off_ = false;
};

class Server::Stream final : public AskingReader {
 public:
  Stream(Server& server, std::size_t number)
      : AskingReader(static_cast<Kind>((server.requests_.first_kind + number) % 4), server.requests_.pausing),
        server_(server),
        aborts_(server.requests_.abort_second && number == 1) {}

 private:
  void told_response(http::ResponseHead& head, const http::ResponseInfo& info) override {
    if (!info.switching) check_rewritten(head, info, method());
  }
  void told_body(std::span<const char>) override {
    if (aborts_) over();
  }
  void told_end(std::span<http::Field> trailers) override {
    FUZZ_CHECK(!paused());
    for (const http::Field& field : trailers)
      FUZZ_CHECK(http::is_token(field.name) && http::is_field_value(field.value));
  }
  void told_failure(const http::StreamFailure& failure, const http::StreamWriter& writer) override {
    FUZZ_CHECK(!failure.refused || server_.codec_.unprocessed(writer));
  }
  void give_back(http::StreamWriter& writer) override {
    if (server_.requests_.keeping && !aborts_) {
      server_.kept_.push_back(&writer);
    } else {
      server_.close(writer);
    }
  }

  Server& server_;
  const bool aborts_;
};

void Server::open_streams() {
  static const std::string large_body(100'000, 'x');
  while (streams_.size() < most_streams && leases_ < codec_.capacity()) {
    ++leases_;
    Stream& stream = streams_.emplace_back(*this, streams_.size());
    stream.ask(codec_.open_stream(stream), requests_.large ? std::string_view(large_body) : "body");
  }
}

void Server::close(http::StreamWriter& writer) {
  const http::ServerCodec::Rest rest = codec_.close_stream(&writer);
  FUZZ_CHECK((rest == http::ServerCodec::Rest::usable) == (codec_.capacity() > 0));
  --leases_;
  end_if_used_up();
}

void Server::end_if_used_up() {
  if (broken_off_ || leases_ > 0 || waits_ || codec_.capacity() > 0) return;
  broken_off_ = true;
  codec_.break_off();
}

bool Server::catch_up() {
  if (requests_.checking && standing_ && !broken_off_ && codec_.check()) waits_ = true;
  bool any = false;
  for (std::size_t i = 0; i < streams_.size(); ++i)  // resuming may open others, later
    any = streams_[i].catch_up() || any;
  for (http::StreamWriter* const writer : std::exchange(kept_, {})) {
    close(*writer);
    any = true;
  }
  return any;
}

void Server::check_all_over() const {
  FUZZ_CHECK(failed_ || broken_off_);
  FUZZ_CHECK(!waits_ && leases_ == 0);
  for (const Stream& stream : streams_)
    FUZZ_CHECK(!stream.open());
}

void converse(std::string_view bytes, const Requests& requests, std::uint64_t seed) {
  Wire wire;
  Server server(requests, wire);
  const auto catch_up = [&] { return server.catch_up(); };
  if (!requests.own_settings) wire.send(std::string_view("\0\0\0\4\0\0\0\0\0", 9));
  wire.play(bytes, seed, catch_up);
  wire.end_writing();
  wire.rest(catch_up);
  server.check_all_over();
}

}  // namespace
}  // namespace azulb::fuzz

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace azulb::fuzz;
  if (size < 2 || size > 2048) return 0;
  const Requests requests(data[0]);
  const std::string_view bytes{reinterpret_cast<const char*>(data) + 1, size - 1};
  for (const std::uint64_t seed : ways_to_cut(size))
    converse(bytes, requests, seed);
  return 0;
}
