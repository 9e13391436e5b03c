// What the two targets of clients' codecs share: how a client's requests are answered, by the input's first
// byte, and what holds of every stream's reader.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "azulb/http/stream.hpp"
#include "splitter.hpp"

namespace azulb::fuzz {

struct Manner {
  explicit Manner(std::uint8_t byte)
      : when(static_cast<When>(byte % 3)),
        chunked((byte & 4U) != 0),
        accept_upgrades((byte & 8U) != 0),
        first_own((byte & 16U) != 0),
        interim((byte & 32U) != 0),
        second_own((byte & 64U) != 0),
        pausing((byte & 128U) != 0) {}

  enum class When : std::uint8_t { at_head, at_end, later };
  When when;
  bool chunked;
  bool accept_upgrades;
  bool first_own;  // these two are the target's
  bool interim;
  bool second_own;
  bool pausing;  // reading pauses at each piece of a body until the loop is idle
};

/// A stream's reader: it is told a request, body, and one end or failure, in this order and nothing after it.
class AnsweringReader : public http::StreamReader {
 public:
  AnsweringReader(const Manner& manner, http::StreamWriter& writer) : manner_(manner), writer_(&writer) {}

  bool over() const { return writer_ == nullptr; }

  /// What is left for a quiet moment: reading that was paused, and an answer that waits. False: nothing.
  bool catch_up() {
    if (over()) return false;
    if (std::exchange(paused_, false)) {
      writer_->resume_reading();
      return true;
    }
    if (tunnel_ || !answers_late()) return false;
    respond(200);
    return true;
  }

  void on_request(http::StoredRequest request) override {
    FUZZ_CHECK(!begun_ && !over());
    begun_ = true;
    request_ = std::move(request);
    told_request(*request_);
    if (!request_->info.upgrade.empty() && manner_.accept_upgrades) {
      switch_protocols();
    } else if (manner_.when == Manner::When::at_head) {
      respond(200);
    }
  }
  void on_bad_request(http::BadRequest bad) override {
    FUZZ_CHECK(!begun_ && !over() && bad.defect != http::Defect::none);
    begun_ = true;
    told_bad_request(bad.defect);
    respond(400);
  }
  void on_body(std::span<const char> bytes) override {
    FUZZ_CHECK(begun_ && !over() && !ended_ && !paused_ && !bytes.empty());
    if (tunnel_) {
      writer_->write_body(bytes);
    } else if (manner_.pausing) {
      writer_->pause_reading();
      paused_ = true;
    }
    told_body(bytes);
  }
  void on_end(std::span<http::Field> trailers) override {
    FUZZ_CHECK(begun_ && !over() && !ended_);  // HTTP/1's may come with the last bytes, paused or not
    ended_ = true;
    told_end(trailers);
    if (tunnel_) {
      std::exchange(writer_, nullptr)->write_end({});
    } else if (manner_.when == Manner::When::at_end) {
      respond(200);
    }
  }
  void on_failure(const http::StreamFailure& failure) override {
    FUZZ_CHECK(begun_ && !over());
    if (told_failure(failure)) {
      respond(400);
    } else {
      std::exchange(writer_, nullptr)->abort();
    }
  }
  void on_writable() override { FUZZ_CHECK(!over()); }

 protected:
  // The target's own part.
  virtual void told_request(http::Request& request) = 0;
  virtual void told_bad_request(http::Defect defect) = 0;
  virtual void told_body(std::span<const char> bytes) = 0;
  virtual void told_end(std::span<http::Field> trailers) = 0;
  /// True: the failure is answered.
  virtual bool told_failure(const http::StreamFailure& failure) = 0;
  /// A request that has not been answered may be now.
  virtual bool answers_late() const = 0;

  struct Answer {
    std::string_view body = "body";
    std::span<const http::Field> trailers;
    bool close = false;
    bool breaks_off = false;
  };
  virtual Answer next_answer() = 0;

  bool ended() const { return ended_; }
  bool paused() const { return paused_; }
  const Manner& manner_;

 private:
  void respond(int status) {
    http::StreamWriter& writer = *std::exchange(writer_, nullptr);
    const Answer answer = next_answer();
    http::ResponseHeadOut head;
    if (status == 200 && manner_.interim) {
      head.status = 103;
      writer.write_response(head);
    }
    head.status = status;
    head.reason = "Said";
    head.body = manner_.chunked ? http::BodyKind::chunked : http::BodyKind::length;
    head.content_length = answer.body.size();
    head.close = answer.close;
    writer.write_response(head);
    if (answer.breaks_off) return writer.abort();
    writer.write_body(answer.body);
    writer.flush();
    writer.write_end(manner_.chunked ? answer.trailers : std::span<const http::Field>());
  }
  void switch_protocols() {
    http::ResponseHeadOut head;
    head.status = 101;
    head.reason = "Switching Protocols";
    head.upgrade = request_->info.upgrade;
    writer_->write_response(head);
    tunnel_ = true;
  }

  http::StreamWriter* writer_;  // null: the stream is over for the reader
  http::StoredRequest request_;
  bool begun_ = false;
  bool tunnel_ = false;
  bool ended_ = false;
  bool paused_ = false;
};

}  // namespace azulb::fuzz
