// One health check: a connection, a request, a verdict.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "azulb/base/slab.hpp"
#include "azulb/http/server_codec.hpp"
#include "azulb/http/stream.hpp"
#include "azulb/net/connection.hpp"
#include "azulb/net/loop.hpp"
#include "azulb/upstream/prober.hpp"
#include "azulb/upstream/server_codec_table.hpp"

namespace azulb::upstream {

/// How much of a response's body is looked at.
inline constexpr std::size_t checked_body_bytes = std::size_t{64} * 1024;

/// Lives from `begin` until it has reported to its prober or been abandoned; then the loop retires it.
class Probe final : private http::ServerCodecOwner,
                    private http::StreamReader,
                    private net::Deferred,
                    private net::Retired {
 public:
  /// Check `index` of `prober`, whose target and address stay valid until the report.
  Probe(Prober& prober, std::uint32_t index);

  /// Connects. Never calls the prober from within.
  void begin();
  /// The prober counts its checks anew.
  void move_to(std::uint32_t index) { index_ = index; }
  /// Ends without a report.
  void abandon();

 private:
  // ServerCodecOwner
  void write_preamble() override;
  void on_connected() override;
  void on_connect_failure(int system_error) override;
  void on_idle_end() override;
  // StreamReader
  void on_response(http::ResponseHead& head, const http::ResponseInfo& info) override;
  void on_body(std::span<const char> bytes) override;
  void on_end(std::span<http::Field> trailers) override;
  void on_failure(const http::StreamFailure& failure) override;
  void on_writable() override {}

  void on_deferred() override { connect_failed(connect_error_); }
  void on_timeout();
  void reclaim() override;

  std::size_t write_proxy_header(char* out) const;
  void write_request(http::StreamWriter& writer);
  void connect_failed(int system_error);
  void judge_body();
  void report(bool passed, const std::string& reason);
  const config::Health& health() const;

  Prober* prober_;  // null once it has reported or been abandoned
  std::uint32_t index_;
  const std::shared_ptr<ProbeHome> home_;
  net::Loop& loop_;
  const ServerCodecSettings codec_settings_;
  ServerCodecSlot slot_;
  net::Connection connection_;
  net::MemberTimer<Probe, &Probe::on_timeout> timer_{*this};
  std::string body_;  // the first checked_body_bytes, if they matter
  std::size_t body_bytes_ = 0;
  int status_ = 0;         // of the response, once its head is there
  int connect_error_ = 0;  // errno that was known at once
  bool connected_ = false;
};

/// What probes live in, and share.
struct ProbeHome {
  OwnServerCodecs codecs;
  base::Slab<Probe> probes;
};

}  // namespace azulb::upstream
