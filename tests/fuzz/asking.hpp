// What the two targets of servers' codecs share: a request, the reader of its answer, and what holds of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "azulb/http/stream.hpp"
#include "splitter.hpp"

namespace azulb::fuzz {

/// A stream's reader: it is told interim heads, one other, body where there may be one, and one end or
/// failure, in this order and nothing after it.
class AskingReader : public http::StreamReader {
 public:
  enum class Kind : std::uint8_t { get, head, post, upgrade };

  /// `pausing`: reading pauses at each piece of a body until the loop is idle.
  AskingReader(Kind kind, bool pausing) : kind_(kind), pausing_(pausing) {}

  /// Sends the request, whole.
  void ask(http::StreamWriter& writer, std::string_view body) {
    static constexpr std::string_view methods[] = {"GET", "HEAD", "POST", "GET"};
    writer_ = &writer;
    http::RequestHead head;
    head.method_name = methods[static_cast<std::size_t>(kind_)];
    head.method = method();
    http::RequestHeadOut out;
    out.head = &head;
    out.path = "/";
    out.host = "upstream";
    if (kind_ == Kind::post) out.body = http::BodyKind::chunked;
    if (kind_ == Kind::upgrade) out.upgrade = "websocket";
    writer.write_request(out);
    if (kind_ == Kind::post) writer.write_body(body);
    if (kind_ != Kind::upgrade) writer.write_end({});
    writer.flush();
  }

  http::Method method() const {
    static constexpr http::Method methods[] = {http::Method::get, http::Method::head, http::Method::post,
                                               http::Method::get};
    return methods[static_cast<std::size_t>(kind_)];
  }
  bool open() const { return writer_ != nullptr; }
  /// Reading that was paused. False: it was not.
  bool catch_up() {
    if (!open() || !std::exchange(paused_, false)) return false;
    writer_->resume_reading();
    return true;
  }

  void on_response(http::ResponseHead& head, const http::ResponseInfo& info) override {
    FUZZ_CHECK(open() && !final_head_ && !paused_);
    told_response(head, info);
    final_head_ = !info.interim;
    if (info.switching) {
      FUZZ_CHECK(kind_ == Kind::upgrade);
      tunnel_ = true;
    } else if (final_head_ && kind_ == Kind::upgrade) {
      writer_->write_end({});  // the upgrade was refused
    }
  }
  void on_body(std::span<const char> bytes) override {
    FUZZ_CHECK(open() && final_head_ && !paused_ && !bytes.empty());
    FUZZ_CHECK(tunnel_ || kind_ != Kind::head);
    told_body(bytes);
    if (!open()) return;  // given up for that
    if (tunnel_) {
      writer_->write_body(bytes);
    } else if (pausing_) {
      writer_->pause_reading();
      paused_ = true;
    }
  }
  void on_end(std::span<http::Field> trailers) override {
    FUZZ_CHECK(open() && final_head_);  // HTTP/1's may come with the last bytes, paused or not
    told_end(trailers);
    if (tunnel_) {
      writer_->write_end({});
      writer_->abort();
    }
    over();
  }
  void on_failure(const http::StreamFailure& failure) override {
    FUZZ_CHECK(open());
    told_failure(failure, *writer_);
    over();
  }
  void on_writable() override { FUZZ_CHECK(open()); }

 protected:
  // The target's own part.
  virtual void told_response(http::ResponseHead& head, const http::ResponseInfo& info) = 0;
  virtual void told_body(std::span<const char> bytes) = 0;
  virtual void told_end(std::span<http::Field> trailers) = 0;
  virtual void told_failure(const http::StreamFailure& failure, const http::StreamWriter& writer) = 0;
  /// The stream's user is done with it.
  virtual void give_back(http::StreamWriter& writer) = 0;

  bool paused() const { return paused_; }
  /// Also early, from `told_body`.
  void over() { give_back(*std::exchange(writer_, nullptr)); }

 private:
  const Kind kind_;
  const bool pausing_;
  http::StreamWriter* writer_ = nullptr;  // null: not asked yet, or over
  bool final_head_ = false;
  bool tunnel_ = false;
  bool paused_ = false;
};

}  // namespace azulb::fuzz
