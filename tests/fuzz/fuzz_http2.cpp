// A client's bytes through http2::ClientCodec on a real connection, in arbitrary pieces. Whatever comes: each
// stream's reader is told a request, body, and one end or failure, in this order and nothing after it; what
// it is told, written as HTTP/1, is one request that HTTP/1's own parser reads back the same; all streams end
// with the connection. The input's first byte says how requests are answered, the rest are frames behind a
// client's preface and SETTINGS.
#include <deque>
#include <string>
#include <utility>

#include "azulb/http/hop_by_hop.hpp"
#include "azulb/http1/head_parser.hpp"
#include "azulb/http2/client_codec.hpp"
#include "wire.hpp"

namespace azulb::fuzz {
namespace {

struct Manner {
  explicit Manner(std::uint8_t byte)
      : when(static_cast<When>(byte % 3)),
        chunked((byte & 4U) != 0),
        accept_upgrades((byte & 8U) != 0),
        large((byte & 16U) != 0),
        interim((byte & 32U) != 0),
        abort_second((byte & 64U) != 0),
        pausing((byte & 128U) != 0) {}

  enum class When : std::uint8_t { at_head, at_end, later };
  When when;
  bool chunked;
  bool accept_upgrades;
  bool large;  // answers that do not fit into a window
  bool interim;
  bool abort_second;  // the second answer breaks off
  bool pausing;       // reading pauses at each piece of a body until the loop is idle
};

/// What HTTP/1 would make of the request as it goes to a server.
void check_as_http1(http::Request& request) {
  http::mark_hop_by_hop(request.head);
  http::RequestHeadOut out;
  out.head = &request.head;
  out.path = request.info.target.path;
  out.query = request.info.target.query;
  out.host = request.info.host;
  out.body = request.info.body;
  out.content_length = request.info.content_length;
  out.te_trailers = request.info.accepts_trailers;
  out.upgrade = request.info.upgrade;
  std::string text(256 * 1024, '\0');
  text.resize(write_request_head(out, text.data(), text.size()));
  http::FieldList fields(300);
  http::RequestHead head;
  http1::HeadParser parser;
  const http1::HeadLimits limits{.start_line_bytes = 64 * 1024, .header_bytes = 256 * 1024, .fields = 300};
  FUZZ_CHECK(parser.parse_request(text, limits, fields, head) == http1::ParseStatus::complete);
  FUZZ_CHECK(parser.head_length() == text.size());
  FUZZ_CHECK(head.method_name == request.head.method_name && head.target == request.head.target);
  http::RequestInfo info;
  FUZZ_CHECK(judge_request(head, info) == http::Defect::none);
  FUZZ_CHECK(info.body == request.info.body && info.content_length == request.info.content_length);
  FUZZ_CHECK(info.host == request.info.host && info.upgrade == request.info.upgrade);
}

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

class Client::Stream final : public http::StreamReader {
 public:
  Stream(Client& client, http::StreamWriter& writer) : client_(client), writer_(&writer) {}

  bool over() const { return writer_ == nullptr; }

  void on_request(http::StoredRequest request) override {
    FUZZ_CHECK(!begun_ && !over());
    begun_ = true;
    request_ = std::move(request);
    check_as_http1(*request_);
    if (!request_->info.upgrade.empty() && client_.manner_.accept_upgrades) {
      http::ResponseHeadOut head;
      head.status = 101;
      head.upgrade = request_->info.upgrade;
      writer_->write_response(head);
      tunnel_ = true;
    } else if (client_.manner_.when == Manner::When::at_head) {
      respond(200);
    }
  }
  void on_bad_request(http::BadRequest bad) override {
    FUZZ_CHECK(!begun_ && !over() && bad.defect != http::Defect::none);
    begun_ = true;
    respond(400);
  }
  void on_body(std::span<const char> bytes) override {
    FUZZ_CHECK(begun_ && !over() && !ended_ && !paused_ && !bytes.empty());
    if (tunnel_) {
      writer_->write_body(bytes);
    } else if (client_.manner_.pausing) {
      writer_->pause_reading();
      paused_ = true;
    }
  }
  void on_end(std::span<http::Field> trailers) override {
    FUZZ_CHECK(begun_ && !over() && !ended_ && !paused_);
    ended_ = true;
    for (const http::Field& field : trailers)
      FUZZ_CHECK(http::is_token(field.name) && http::is_field_value(field.value));
    if (tunnel_) {
      std::exchange(writer_, nullptr)->write_end({});
    } else if (client_.manner_.when == Manner::When::at_end) {
      respond(200);
    }
  }
  void on_failure(const http::StreamFailure&) override {
    FUZZ_CHECK(begun_ && !over());
    std::exchange(writer_, nullptr)->abort();
  }
  void on_writable() override { FUZZ_CHECK(!over()); }

  bool catch_up() {
    if (over()) return false;
    if (std::exchange(paused_, false)) {
      writer_->resume_reading();
      return true;
    }
    if (tunnel_ || client_.manner_.when != Manner::When::later) return false;
    respond(200);
    return true;
  }

 private:
  void respond(int status) {
    const http::Field trailers[] = {http::make_field("X-Sum", "1")};
    const std::string body(client_.manner_.large ? 100'000 : 4, 'x');
    http::ResponseHeadOut head;
    if (client_.manner_.interim) {
      head.status = 103;
      writer_->write_response(head);
    }
    head.status = status;
    head.body = client_.manner_.chunked ? http::BodyKind::chunked : http::BodyKind::length;
    head.content_length = body.size();
    http::StreamWriter* writer = std::exchange(writer_, nullptr);
    writer->write_response(head);
    if (client_.manner_.abort_second && client_.streams_.size() == 2) return writer->abort();
    writer->write_body(body);
    writer->flush();
    writer->write_end(client_.manner_.chunked ? std::span<const http::Field>(trailers)
                                              : std::span<const http::Field>());
  }

  Client& client_;
  http::StreamWriter* writer_;  // nullptr: the stream is over for the reader
  http::StoredRequest request_;
  bool begun_ = false;
  bool tunnel_ = false;
  bool ended_ = false;
  bool paused_ = false;
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

void converse(std::string_view bytes, Manner manner, std::uint64_t seed) {
  Wire wire;
  Client client(manner, wire);
  Splitter splitter(seed);
  const auto catch_up = [&] {
    while (client.catch_up())
      wire.settle();
  };
  Splitter whole(0);
  wire.send(http2::client_preface, whole);
  wire.send(std::string_view("\0\0\0\4\0\0\0\0\0", 9), whole);
  for (std::size_t sent = 0; sent < bytes.size();) {
    const std::size_t have = grow(sent, bytes.size(), splitter);
    wire.send(bytes.substr(sent, have - sent), whole);
    if (seed != 0) catch_up();
    sent = have;
  }
  catch_up();
  if (seed % 2 == 0) client.drain();
  wire.end_writing();
  catch_up();
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
  for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{2} + size, std::uint64_t{1}}) {
    if (seed == 1 && size > 256) continue;  // byte by byte costs a turn of the loop each
    converse(bytes, manner, seed);
  }
  return 0;
}
