// One connection of a LocalServer, with the one exchange that is on it at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "azulb/admin/local_server.hpp"
#include "azulb/base/buffer.hpp"
#include "azulb/base/intrusive_list.hpp"
#include "azulb/http/stream.hpp"
#include "azulb/http1/client_codec.hpp"
#include "azulb/net/connection.hpp"

namespace azulb::admin {

class LocalConnection final : public base::ListNode<>,
                              public net::Retired,
                              private http::StreamAcceptor,
                              private http::StreamReader,
                              private LocalExchange {
 public:
  explicit LocalConnection(LocalServer& server);
  ~LocalConnection() override;

  /// False: the kernel would not watch the descriptor, which is closed.
  void adopt(int descriptor);
  /// Has had nothing to do since before `time_ms` (of the loop).
  bool idle_since(std::int64_t time_ms) const {
    return codec_.idle() && !leaving_ && last_used_ms_ < time_ms;
  }
  /// Closed now if it is idle; a fresh one, or one that has a request on the way, a little later.
  void drain() {
    leaving_ = true;
    codec_.drain();
  }
  /// Tells the stream, if there is one, and breaks the connection.
  void break_off();
  std::size_t queued_bytes() const override { return connection_.queued_bytes(); }

 private:
  enum class Phase : std::uint8_t {
    idle,       // no exchange, or one that is over
    reading,    // the request's body
    handling,   // the handler or its stream owes an answer
    answering,  // an answer of unknown length has begun
    upgraded,
    ending,  // upgraded, our side has ended
  };

  void reclaim() override;

  http::StreamReader& open_stream(http::StreamWriter& writer) override;
  void on_connection_closed() override;

  void on_request(http::StoredRequest request) override;
  void on_bad_request(http::BadRequest bad) override;
  void on_body(std::span<const char> bytes) override;
  void on_end(std::span<http::Field> trailers) override;
  void on_failure(const http::StreamFailure& failure) override;
  void on_writable() override;

  const http::Request& request() const override { return *request_.operator->(); }
  std::string_view body() const override { return body_.text(); }
  net::Loop& loop() override { return server_.loop_; }
  void attach(std::unique_ptr<LocalStream> stream) override;
  void respond(const LocalAnswer& answer) override;
  bool begin(const LocalAnswer& answer) override;
  void upgrade() override;
  bool write(std::string_view bytes) override;
  void pause_reading() override { codec_.pause_reading(); }
  void resume_reading() override { codec_.resume_reading(); }
  void end() override;
  void abort() override;

  void dispatch();
  void refuse(int status);
  void write_head(const LocalAnswer& answer, http::BodyKind body);
  void finish();
  void close_stream();
  void on_timeout();

  LocalServer& server_;
  net::Connection connection_;
  http1::ClientCodec codec_;
  http::StoredRequest request_;
  base::Buffer body_;
  std::unique_ptr<LocalStream> stream_;
  // A stream may end its exchange from its own call: it is kept until the next exchange or the connection's
  // end.
  std::unique_ptr<LocalStream> ended_stream_;
  net::MemberTimer<LocalConnection, &LocalConnection::on_timeout> timer_{*this};
  std::int64_t last_used_ms_ = 0;
  Phase phase_ = Phase::idle;
  bool leaving_ = false;
};

}  // namespace azulb::admin
