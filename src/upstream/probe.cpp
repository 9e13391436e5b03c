#include "probe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "azulb/base/units.hpp"
#include "azulb/http/bytes.hpp"
#include "azulb/net/own_shortage.hpp"
#include "azulb/net/proxy_header.hpp"

namespace azulb::upstream {

using http::StreamFailure;

namespace {

/// "connection refused" for ECONNREFUSED.
std::string error_text(int system_error) {
  std::string text = std::system_category().message(system_error);
  if (text.size() > 1 && text[1] == http::to_lower(text[1])) text[0] = http::to_lower(text[0]);
  return text;
}

bool is_expected(const config::Health& health, int status) {
  return std::any_of(
      health.expect_status.begin(), health.expect_status.end(),
      [status](const config::StatusRange& range) { return range.first <= status && status <= range.last; });
}

/// "200-399", "200,204".
std::string expected_text(const config::Health& health) {
  std::string text;
  for (const config::StatusRange& range : health.expect_status) {
    if (!text.empty()) text += ',';
    text += std::to_string(range.first);
    if (range.last != range.first) text += '-' + std::to_string(range.last);
  }
  return text;
}

/// A request that may have a body and has none says so (RFC 9110 section 8.6).
bool announces_empty_body(http::Method method) {
  switch (method) {
    case http::Method::post:
    case http::Method::put:
    case http::Method::patch:
      return true;
    default:
      return false;
  }
}

}  // namespace

Probe::Probe(Prober& prober, std::uint32_t index)
    : prober_(&prober),
      index_(index),
      home_(prober.home_),
      loop_(prober.loop_),
      codec_settings_(prober.checks_[index].target.protocol, loop_.timers(),
                      &loop_.timers().list(health().timeout)),
      slot_(connection_, home_->codecs.shared, codec_settings_, *this),
      connection_(prober.loop_, slot_.handler()) {}

const config::Health& Probe::health() const {
  return prober_->checks_[index_].target.health;
}

void Probe::begin() {
  loop_.timers().list(health().timeout).start(timer_);
  Prober::Check& check = prober_->checks_[index_];
  std::unique_ptr<tls::Session> session;
  if (check.target.tls != nullptr)
    session = check.target.tls->make_session(check.target.tls_name, check.resumption);
  const bool lacks_session = check.target.tls != nullptr && session == nullptr;
  std::array<char, net::written_proxy_header_bytes> header;
  const std::size_t header_bytes = session != nullptr ? write_proxy_header(header.data()) : 0;
  connect_error_ = lacks_session ? ENOMEM
                                 : connection_.connect(check.address, std::move(session),
                                                       std::span(header).first(header_bytes));
  if (connect_error_ != 0) loop_.defer(*this);
}

void Probe::write_preamble() {
  if (connection_.tls() != nullptr) return;  // it has left ahead of the handshake
  std::array<char, net::written_proxy_header_bytes> header;
  connection_.write(std::span(header).first(write_proxy_header(header.data())));
}

void Probe::on_connected() {
  connected_ = true;
  write_request(slot_.codec().open_stream(*this));
}

std::size_t Probe::write_proxy_header(char* out) const {
  const int version = prober_->checks_[index_].target.proxy_protocol;
  // As with HAProxy, another port than the one that serves is another protocol's.
  return version == 0 || health().port != 0 ? 0 : net::write_proxy_header(version, nullptr, out);
}

void Probe::write_request(http::StreamWriter& writer) {
  const ProbeTarget& target = prober_->checks_[index_].target;
  std::vector<http::Field> fields;
  fields.reserve(target.health.headers.size() + 1);
  for (const auto& [name, value] : target.health.headers)
    fields.push_back(http::make_field(name, value));
  if (http::find_field(fields, http::FieldId::user_agent) == nullptr) {
    fields.push_back(http::make_field("User-Agent", "azulb"));
  }
  http::RequestHead head;
  head.method_name = target.health.method;
  head.method = http::method_of(head.method_name);
  head.fields = fields;
  http::RequestHeadOut out;
  out.head = &head;
  out.path = target.health.path;
  out.host = target.health.host;
  if (out.host.empty())
    out.host = target.address.is_unix() ? "localhost" : std::string_view(target.address_text);
  if (announces_empty_body(head.method)) out.body = http::BodyKind::length;
  out.close = true;
  writer.write_request(out);
  writer.write_end({});
}

void Probe::on_connect_failure(int system_error) {
  connect_failed(system_error);
}

void Probe::connect_failed(int system_error) {
  if (prober_ == nullptr) return;
  if (!net::is_own_shortage(system_error)) {
    const tls::Session* const session = connection_.tls();
    const std::string_view by_protocol = slot_.codec().failure();
    if (session != nullptr && !session->failure().empty()) return report(false, "TLS: " + session->failure());
    return report(false, by_protocol.empty() ? error_text(system_error) : std::string(by_protocol));
  }
  Prober* prober = prober_;
  abandon();
  prober->hindered(index_, error_text(system_error));
}

void Probe::on_idle_end() {
  report(false, "closed before the answer");
}

void Probe::on_response(http::ResponseHead& head, const http::ResponseInfo& info) {
  if (info.interim) return;
  status_ = head.status;
  if (is_expected(health(), status_)) return;
  report(false, fmt::format("status {}, expected {}", status_, expected_text(health())));
}

void Probe::on_body(std::span<const char> bytes) {
  const std::size_t room = checked_body_bytes - body_bytes_;
  const std::string_view counted = std::string_view(bytes.data(), bytes.size()).substr(0, room);
  body_bytes_ += counted.size();
  if (!health().expect_body.empty()) body_.append(counted);
  if (body_bytes_ == checked_body_bytes) judge_body();  // the rest doesn't matter
}

void Probe::on_end(std::span<http::Field>) {
  judge_body();
}

void Probe::judge_body() {
  const std::string& wanted = health().expect_body;
  if (body_.find(wanted) == std::string::npos) {
    report(false, fmt::format("body does not contain \"{}\"", wanted));
  } else {
    report(true, fmt::format("status {}", status_));
  }
}

void Probe::on_failure(const StreamFailure& failure) {
  if (failure.kind == StreamFailure::Kind::malformed) {
    report(false, fmt::format("invalid response: {}", http::defect_word(failure.defect)));
  } else {
    report(false, status_ == 0 ? "closed before the answer" : "closed before the end of the answer");
  }
}

void Probe::on_timeout() {
  const char* missing = !connected_ ? "no connection" : status_ == 0 ? "no answer" : "no end of the answer";
  report(false, fmt::format("{} within {}", missing, base::format_duration(health().timeout)));
}

void Probe::report(bool passed, const std::string& reason) {
  if (prober_ == nullptr) return;
  Prober* prober = prober_;
  abandon();
  prober->decided(index_, passed, reason);
}

void Probe::abandon() {
  if (prober_ == nullptr) return;
  prober_ = nullptr;
  timer_.stop();
  cancel();
  slot_.codec().break_off();
  loop_.retire(*this);
}

void Probe::reclaim() {
  const std::shared_ptr<ProbeHome> home = home_;
  home->probes.destroy(*this);
}

}  // namespace azulb::upstream
