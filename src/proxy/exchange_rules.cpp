// What an exchange's route wants of it: limits, a deadline, other header fields.
#include "azulb/proxy/client_connection.hpp"
#include "azulb/proxy/exchange.hpp"
#include "azulb/proxy/worker.hpp"

namespace azulb::proxy {

void Exchange::start_deadline() {
  net::TimerList* const timeout = snapshot_->route_timeout(route_);
  if (timeout == nullptr) return;
  if (deadline_ == nullptr) deadline_ = &worker_.deadlines().create(*this);
  timeout->start(*deadline_);
}

bool Exchange::body_too_large(std::uint64_t size_bytes) const {
  std::uint64_t limit = listener_->config.limit.body;
  if (rules_ != nullptr) limit = rules_->config->limit.body.value_or(limit);
  return limit != 0 && size_bytes > limit;
}

std::span<const http::Field> Exchange::rewrite_response(std::span<http::Field> fields, int status) {
  HeaderFacts facts{.request = *request_,
                    .listener = listener_->config.name,
                    .route = rules_->config->name,
                    .upstream = {},
                    .server = {},
                    .status = status};
  if (upstream_ != Snapshot::no_upstream) {
    const UpstreamSnapshot& upstream = *snapshot_->upstream(upstream_).snapshot;
    facts.upstream = upstream.config->name;
    if (attempts_ > 0) facts.server = upstream.state->server(last_server_).name();
  }
  HeaderScratch& scratch = worker_.header_scratch();
  rules_->response_headers.apply(fields, facts, scratch);
  if (split_by_chance_) {
    const auto part = static_cast<std::size_t>(destination_ - rules_->destinations.data());
    const std::string_view cookie = rules_->split->set_cookie(part, request_->forwarded.proto == "https");
    if (!cookie.empty()) scratch.fields.push_back(http::make_field("Set-Cookie", cookie));
  }
  return scratch.fields;
}

/// The route's time is over, whatever the phase; a tunnel has none.
void Exchange::on_deadline() {
  if (phase_ == ExchangePhase::responding) return abort_response(ErrorWord::route_timeout);
  if (waits()) stop_waiting();
  if (attempt_.active() && held() == nullptr) {
    // A server that never answers must not be spared for the shorter of two timeouts.
    attempt_.record_error(ServerError::timeout);
    if (request_complete_) attempt_.record_outcome(balance::Outcome::error);
  }
  if (retry_ != nullptr) retry_->held.reset();
  end_attempt();
  reply_error(ErrorWord::route_timeout, "the request took longer than its route allows");
}

}  // namespace azulb::proxy
