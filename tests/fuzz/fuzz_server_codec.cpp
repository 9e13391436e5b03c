// A server's bytes through http1::ServerCodec on a real connection, in arbitrary pieces: what the reader is
// told and whether the connection may be used again do not depend on the pieces, and what follows a response
// never reaches a reader. The input: a byte that says what is requested, a byte that says where the second
// response begins, the bytes.
#include <utility>

#include "azulb/http/forwarded.hpp"
#include "azulb/http1/server_codec.hpp"
#include "wire.hpp"

namespace azulb::fuzz {
namespace {

class Server final : public http::ServerCodecOwner, public http::StreamReader {
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
  void request() {
    static constexpr std::string_view methods[] = {"GET", "HEAD", "POST", "GET"};
    const std::size_t kind = manner_ % 4U;
    http::RequestHead head;
    head.method_name = methods[kind];
    head.method = http::method_of(head.method_name);
    http::RequestHeadOut out;
    out.head = &head;
    out.path = "/";
    out.host = "upstream";
    if (kind == 2) out.body = http::BodyKind::chunked;
    if (kind == 3) out.upgrade = "websocket";
    transcript_.add("requested");
    open_ = true;
    writer_ = &codec_.open_stream(*this);
    writer_->write_request(out);
    if (kind == 2) writer_->write_body(std::string_view("body"));
    if (kind != 3) writer_->write_end({});
    writer_->flush();
  }
  bool usable() const { return !open_ && !idle_ended_ && codec_.reusable(); }

  bool catch_up() {
    if (!open_ || !std::exchange(paused_, false)) return false;
    writer_->resume_reading();
    return true;
  }
  const std::string& told() { return transcript_.finish(); }

  // ServerCodecOwner
  void write_preamble() override {}
  void on_connected() override {}
  void on_connect_failure(int) override { FUZZ_CHECK(false); }
  void on_idle_end() override {
    FUZZ_CHECK(!open_);
    idle_ended_ = true;
  }

  // StreamReader
  void on_response(http::ResponseHead& head, const http::ResponseInfo& info) override {
    FUZZ_CHECK(open_ && !final_head_);
    transcript_.add("response " + std::to_string(head.status) + " " + std::string(head.reason));
    transcript_.add_fields(head.fields);
    final_head_ = !info.interim;
    if (info.switching) {
      FUZZ_CHECK(manner_ % 4U == 3);
      tunnel_ = true;
    } else if (final_head_ && manner_ % 4U == 3) {
      writer_->write_end({});  // the upgrade was refused
    }
  }
  void on_body(std::span<const char> bytes) override {
    FUZZ_CHECK(open_ && final_head_ && !bytes.empty());
    FUZZ_CHECK(tunnel_ || manner_ % 4U != 1);  // never for HEAD
    transcript_.add_body(bytes);
    if (tunnel_) {
      writer_->write_body(bytes);
    } else if ((manner_ & 4U) != 0) {
      writer_->pause_reading();
      paused_ = true;
    }
  }
  void on_end(std::span<http::Field> trailers) override {
    FUZZ_CHECK(open_ && final_head_);
    transcript_.add("end");
    transcript_.add_fields(trailers);
    if (tunnel_) {
      writer_->write_end({});
      writer_->abort();
    }
    over();
  }
  void on_failure(const http::StreamFailure& failure) override {
    FUZZ_CHECK(open_);
    transcript_.add_failure(failure);
    over();
    FUZZ_CHECK(!codec_.reusable());
  }
  void on_writable() override {}

 private:
  void over() {
    open_ = final_head_ = tunnel_ = paused_ = false;
    if (codec_.reusable()) connection_.resume_reading();  // as the pool does
  }

  const std::uint8_t manner_;
  Transcript transcript_;
  http1::CodecScratch scratch_{http1::response_head_limits.fields};
  net::Connection connection_{shared_loop(), codec_};
  http1::ServerCodec codec_{connection_, scratch_, *this};
  http::StreamWriter* writer_ = nullptr;
  bool open_ = false;
  bool final_head_ = false;
  bool tunnel_ = false;
  bool paused_ = false;
  bool idle_ended_ = false;
};

std::string converse(std::string_view first, std::string_view second, std::uint8_t manner,
                     std::uint64_t seed) {
  Wire wire;
  Server server(manner, wire);
  Splitter splitter(seed);
  std::string usable;
  const auto play = [&](std::string_view bytes) {
    server.request();
    for (std::size_t sent = 0; sent < bytes.size();) {
      Splitter whole(0);
      const std::size_t have = grow(sent, bytes.size(), splitter);
      wire.send(bytes.substr(sent, have - sent), whole);
      if (seed > 1) {
        while (server.catch_up())
          wire.settle();
      }
      sent = have;
    }
    while (server.catch_up())
      wire.settle();
    usable += server.usable() ? "usable\n" : "not usable\n";
  };
  play(first);
  if (server.usable()) play(second);
  wire.end_writing();
  while (server.catch_up())
    wire.settle();
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
  for (const std::uint64_t seed : {std::uint64_t{2} + size, std::uint64_t{77} + size * 3, std::uint64_t{1}}) {
    if (seed == 1 && size > 256) continue;  // byte by byte costs a turn of the loop each
    check_same(whole, converse(first, second, data[0], seed), "what the reader is told");
  }
  return 0;
}
