// An exchange's beginning and end: route, limits, timeouts, counting and logging.
#include "azulb/proxy/exchange.hpp"

#include <utility>

#include "azulb/base/assert.hpp"
#include "azulb/base/clock.hpp"
#include "azulb/http/forwarded.hpp"
#include "azulb/http/hop_by_hop.hpp"
#include "azulb/proxy/client_connection.hpp"
#include "azulb/proxy/worker.hpp"

namespace azulb::proxy {

Exchange::Exchange(ClientConnection& client, http::StreamWriter& client_writer)
    : client_(client),
      worker_(client.listener().worker),
      snapshot_(client.listener().snapshot()),
      listener_(&client.listener().rules()),
      client_writer_(client_writer),
      begun_ns_(worker_.loop().now_ns()),
      upstream_(Snapshot::no_upstream),
      series_(static_cast<std::uint32_t>(snapshot_->metrics().no_route())) {}

Exchange::~Exchange() {
  AZULB_ASSERT(phase_ == ExchangePhase::done);
  if (deadline_ != nullptr) worker_.deadlines().destroy(*deadline_);
}

void Exchange::reclaim() {
  worker_.exchanges().destroy(*this);
}

void Exchange::on_request(http::StoredRequest request) {
  request_ = std::move(request);
  received_bytes_ = request_->head_bytes;
  request_complete_ = request_->info.body == http::BodyKind::none;
  begun_ns_ -= std::int64_t{request_->head_ms} * 1'000'000;
  listener_->metrics.requests.add();
  const config::Listener& listener = listener_->config;
  const http::ConnectionFacts facts{
      .peer = client_.peer_ip(),
      .tls = client_.is_encrypted(),
      .port = client_.local_port(),
      .trusted_proxies = listener.trusted_proxies,
      .verifies_clients = listener.tls && listener.tls->client_verify != config::ClientVerify::off,
      .client_subject = client_.certificate_subject()};
  http::judge_forwarded(
      facts, request_->head, request_->info,
      [](void* random) { return static_cast<base::Random*>(random)->next(); }, &worker_.random(),
      request_->forwarded);
  http::mark_hop_by_hop(request_->head);
  request_.normalise_path();
  route_request();
}

void Exchange::on_bad_request(http::BadRequest bad) {
  listener_->metrics.requests.add();
  request_ = std::move(bad.request);
  begun_ns_ -= std::int64_t{bad.head_ms} * 1'000'000;
  request_complete_ = true;
  if (bad.timed_out) {
    reply_error(ErrorWord::request_timeout, "the request head did not come in time");
    return;
  }
  const int status = http::defect_status(bad.defect);
  ErrorWord word = ErrorWord::bad_request;
  switch (status) {
    case 405:
      word = ErrorWord::method_not_allowed;
      break;
    case 414:
    case 431:
      word = ErrorWord::header_too_large;
      break;
    case 417:
      word = ErrorWord::expectation_failed;
      break;
    case 426:
      word = ErrorWord::upgrade_required;
      break;
    default:
      break;
  }
  reply_error(word, http::defect_word(bad.defect), status);
}

void Exchange::route_request() {
  if (client_.refused()) return reply_error(ErrorWord::too_many_connections);
  if (client_.lacks_tls()) return answer_plain_client();
  const Snapshot& snapshot = snapshot_->snapshot();
  const auto route = snapshot.router().match(listener_->index, *request_);
  if (!route) return reply_error(ErrorWord::not_found, "no route for this host and path");
  take_route(*route);
  if (destination_ == nullptr) return answer_route(route_);
  start_deadline();
  if (request_->info.body == http::BodyKind::length && body_too_large(request_->info.content_length)) {
    return reply_error(ErrorWord::body_too_large);
  }
  if (worker_.overloaded()) return reply_error(ErrorWord::overload, "too many bytes are buffered; try again");
  const http::RequestInfo& info = request_->info;
  if (info.body == http::BodyKind::length && info.content_length > destination_->replay_bytes)
    replayable_ = false;
  choose_server();
}

void Exchange::take_route(std::uint32_t route) {
  route_ = route;
  rules_ = &snapshot_->snapshot().route(route);
  if (rules_->destinations.empty()) return count_route(rules_->series);
  std::size_t part = 0;
  if (rules_->split) {
    const RouteSplit::Choice choice = rules_->split->choose(*request_, worker_.random().next());
    part = choice.part;
    split_by_chance_ = choice.reason == RouteSplit::Reason::chance;
  }
  destination_ = &rules_->destinations[part];
  upstream_ = destination_->upstream;
  count_route(destination_->series);
}

void Exchange::count_route(std::uint32_t series) {
  series_ = series;
  route_counted_ = true;
  snapshot_->metrics().route(listener_->index, series_).in_flight.add();
}

bool Exchange::may_be_routed_anew() const {
  return attempts_ == 0 && &client_.listener().snapshot() != &*snapshot_;
}

void Exchange::route_anew() {
  AZULB_ASSERT(phase_ == ExchangePhase::waiting && may_be_routed_anew());
  stop_waiting();
  snapshot_->metrics().route(listener_->index, series_).in_flight.subtract();
  route_counted_ = false;
  snapshot_ = SnapshotUse(client_.listener().snapshot());
  listener_ = &client_.listener().rules();
  stop_deadline();
  rules_ = nullptr;
  destination_ = nullptr;
  upstream_ = Snapshot::no_upstream;
  series_ = static_cast<std::uint32_t>(snapshot_->metrics().no_route());
  split_by_chance_ = false;
  route_request();
}

void Exchange::answer_plain_client() {
  if (!listener_->config.tls->redirect_http)
    return reply_error(ErrorWord::bad_request, "plain HTTP came to a port that speaks HTTPS");
  const std::uint16_t port = client_.local_port();
  const std::string port_text = port == 0 || port == 443 ? std::string() : ":" + std::to_string(port);
  answer_redirect({.status = 308, .to = "https://${host}" + port_text + "${target}"});
}

void Exchange::answer_redirect(const config::Redirect& redirect) {
  std::array<char, 16 * 1024> location;
  const std::size_t size = write_redirect_location(
      redirect, *request_, client_.is_encrypted() ? "https" : "http", location.data(), location.size());
  if (size == 0) return reply_error(ErrorWord::bad_request, "the redirect needs a Host");
  if (size > location.size())
    return reply_error(ErrorWord::bad_request, "the redirect's target is too long", 414);
  const http::Field fields[] = {http::make_field("Location", std::string_view(location.data(), size))};
  reply({.status = redirect.status, .fields = fields});
}

void Exchange::answer_route(std::uint32_t index) {
  const config::Route& route = snapshot_->config().routes[index];
  if (route.redirect) return answer_redirect(*route.redirect);
  reply({.status = route.respond->status,
         .body = route.respond->body,
         .content_type = route.respond->content_type});
}

void Exchange::on_timeout() {
  switch (phase_) {
    case ExchangePhase::waiting:
      stop_waiting();
      return reply_error(ErrorWord::queue_timeout, "no server became available in time");
    case ExchangePhase::backing_off:
      return backed_off();
    case ExchangePhase::connecting:
      return attempt_failed(attempt_.give_up_connecting());
    case ExchangePhase::requesting:
      if (!request_complete_ && !client_paused_) {
        end_attempt();
        return reply_error(ErrorWord::request_timeout, "the request body did not come in time");
      }
      return attempt_failed(timed_out);
    case ExchangePhase::responding:
      attempt_.record_error(ServerError::timeout);
      return abort_response(ErrorWord::upstream_timeout);
    case ExchangePhase::tunnel:
      return tunnel_timed_out();
    case ExchangePhase::begun:
    case ExchangePhase::choosing:
    case ExchangePhase::done:
      AZULB_ASSERT(false && "a timer in a phase without one");
  }
}

void Exchange::finish(ErrorWord error) {
  if (waits()) stop_waiting();
  timer_.stop();
  stop_deadline();
  end_attempt();
  release_retry_budget();
  enter(ExchangePhase::done);
  const std::int64_t now_ns = worker_.loop().now_ns();
  RouteMetrics& metrics = snapshot_->metrics().route(listener_->index, series_);
  if (route_counted_) metrics.in_flight.subtract();
  const int status = status_ != 0 ? status_ : default_status(error);
  metrics.requests.add(status);
  if (!tunnel_) metrics.duration.observe(now_ns - begun_ns_);
  listener_->metrics.bytes_received.add(received_bytes_);
  listener_->metrics.bytes_sent.add(client_writer_.written_bytes());
  if (worker_.access_log().enabled()) write_access_record(error, now_ns);
  request_.reset();
  replay_.clear();
  worker_.loop().retire(*this);
}

void Exchange::write_access_record(ErrorWord error, std::int64_t now_ns) {
  const Snapshot& snapshot = snapshot_->snapshot();
  std::array<char, 48> peer_text;
  AccessRecord record;
  record.time_ns = base::wall_clock_ns() - (now_ns - begun_ns_);
  if (!client_.is_unix()) {
    record.client_ip = std::string_view(peer_text.data(), client_.peer_ip().format(peer_text.data()));
    record.client_port = client_.peer_port();
  }
  record.listener = listener_->config.name;
  if (summary_ != nullptr) {
    summary_->fill(record);
  } else if (request_) {
    fill_from_request(*request_, record);
  }
  record.status = status_ != 0 ? status_ : default_status(error);
  if (route_counted_) record.route = snapshot.config().routes[route_].name;
  if (upstream_ != Snapshot::no_upstream) {
    record.upstream = snapshot.upstream(upstream_).config->name;
    if (attempts_ > 0) record.server = snapshot.upstream(upstream_).state->server(last_server_).name();
  }
  record.attempts = attempts_;
  record.bytes_received = received_bytes_;
  record.bytes_sent = client_writer_.written_bytes();
  record.body_bytes_sent = body_sent_bytes_;
  record.duration_ns = now_ns - begun_ns_;
  if (first_byte_ns_ != 0) record.time_to_first_byte_ns = first_byte_ns_ - begun_ns_;
  if (attempt_.request_sent_ns() != 0) record.upstream_time_ns = now_ns - attempt_.request_sent_ns();
  record.queue_time_ns = queue_ns_;
  record.error = error;
  record.tunnel = tunnel_;
  worker_.access_log().write(record);
}

}  // namespace azulb::proxy
