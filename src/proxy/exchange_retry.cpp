// What follows a failed attempt: another one, a wait for a place in the retry budget, or what the client gets
// instead.
#include "azulb/base/assert.hpp"
#include "azulb/base/clock.hpp"
#include "azulb/proxy/exchange.hpp"
#include "azulb/proxy/worker.hpp"

namespace azulb::proxy {
namespace {

// How often a retry asks again for a place in the budget.
constexpr std::chrono::milliseconds budget_poll_interval{5};
// How often a request looks whether servers that refused its connections are back.
constexpr std::chrono::milliseconds return_poll_interval{100};

}  // namespace

void Exchange::end_attempt() {
  if (to_client_ != nullptr) to_client_->cancel();
  if (to_server_ != nullptr) to_server_->cancel();
  server_paused_ = false;
  attempt_.end();
}

void Exchange::attempt_failed(const AttemptEnd& end) {
  if (tunnel_is_told()) return abort_response(ErrorWord::draining);
  if (phase_ == ExchangePhase::responding || phase_ == ExchangePhase::tunnel) {
    attempt_.record_error(end.error);
    attempt_.record_outcome(balance::Outcome::error);
    return abort_response(end.word);
  }
  if (HeldAnswer* const answer = held()) {
    // The answer that was kept can no longer be had: its connection broke.
    end_attempt();
    answer->answered = false;
    answer->end = end;
    return;
  }
  if (says_nothing(end)) {
    enter(ExchangePhase::connecting);
    const int system_error = attempt_.begin_again();
    if (system_error != 0) return attempt_failed(connect_failure(system_error));
    if (phase_ == ExchangePhase::connecting) snapshot_->upstream(upstream_).connect_timeout->start(timer_);
    return;
  }
  attempt_.record_error(end.error);
  if (!end.own_shortage && !end.known) attempt_.record_outcome(balance::Outcome::error);
  if (!may_retry(end, 0)) return may_await_return(end) ? await_return(end) : give_up(end);
  if (take_retry_budget()) {
    end_attempt();
    return back_off();
  }
  if (may_await_return(end)) return await_return(end);
  if (!retry_budget().worth_waiting()) return give_up(end);
  end_attempt();
  hold(end);
  wait_for_budget();
}

/// About the server: a kept connection that broke before any answer was stale, and one that is going away, or
/// is full, takes no more requests.
bool Exchange::says_nothing(const AttemptEnd& end) const {
  if (phase_ != ExchangePhase::requesting || attempt_.begun_again()) return false;
  if (end.refused) return replayable_;
  return attempt_.reused_connection() && end.unanswered && end.kind == balance::FailureKind::error &&
         may_reuse_connection();
}

bool Exchange::retry_instead_of(http::ResponseHead& head, const http::ResponseInfo& info) {
  const AttemptEnd end{.kind = balance::FailureKind::status};
  if (!may_retry(end, head.status)) return false;
  if (take_retry_budget()) {
    end_attempt();
    back_off();
    return true;
  }
  if (!retry_budget().worth_waiting()) return false;
  HeldAnswer& answer = hold(end);
  answer.answered = true;
  answer.status = head.status;
  answer.version_minor = head.version_minor;
  answer.reason = head.reason;
  answer.fields = http::StoredFields(head.fields);
  answer.info = info;
  attempt_.writer()->pause_reading();
  if (!request_complete_) {
    // What came now would go to this server, and be missing from what is kept for the next.
    client_paused_ = true;
    client_writer_.pause_reading();
  }
  wait_for_budget();
  return true;
}

bool Exchange::is_retry_condition(int status) const {
  if (status < 400) return false;
  const std::uint32_t condition =
      balance::condition_of({.kind = balance::FailureKind::status, .status = status});
  return (condition & destination_->retry.on) != 0;
}

bool Exchange::may_retry(const AttemptEnd& end, int status) {
  const balance::RetryDecision decision =
      balance::decide_retry(destination_->retry, failure_of(end, status), worker_.random().next());
  if (!decision.retry()) return false;
  retry_state().delay_ms = static_cast<std::uint32_t>(decision.delay_ms);
  return true;
}

balance::AttemptFailure Exchange::failure_of(const AttemptEnd& end, int status) {
  return {
      .kind = end.kind,
      .status = status,
      .attempts_made = attempts_,
      .elapsed_ms = (worker_.loop().now_ns() - begun_ns_) / 1'000'000,
      .idempotent = request_->info.idempotent,
      .may_be_processed = !attempt_.unprocessed(),
      // Until there is a connection, everything that has come is kept.
      .body_replayable = replayable_ || attempt_.writer() == nullptr,
      .response_started = status_ != 0,
  };
}

/// Nobody is where a server should be, and the health checks have not said so yet: it restarts, or will be
/// down in a moment. Such tries ask nothing of a server, so they are not counted against `attempts`.
bool Exchange::may_await_return(const AttemptEnd& end) {
  const config::Upstream& config = *snapshot_->upstream(upstream_).snapshot->config;
  if (!end.nobody_there() || !config.health || queue_ns_ >= config.queue_timeout.count() * 1'000'000)
    return false;
  balance::AttemptFailure failure = failure_of(end, 0);
  failure.attempts_made = 1;
  return balance::decide_retry(destination_->retry, failure, 0).retry();
}

void Exchange::await_return(const AttemptEnd& end) {
  const UpstreamSnapshot& upstream = *snapshot_->upstream(upstream_).snapshot;
  if (!upstream.state->waiting().begin(upstream.config->queue)) return give_up(end);
  end_attempt();
  release_retry_budget();
  retry_state().awaits_return = true;
  enter(ExchangePhase::backing_off);
  waiting_since_ns_ = worker_.loop().now_ns();
  worker_.loop().timers().list(return_poll_interval).start(timer_);
}

RetryState& Exchange::retry_state() {
  if (retry_ == nullptr) {
    retry_ = std::make_unique<RetryState>();
    retry_->remember(0, last_server_);
  }
  return *retry_;
}

std::span<const std::uint32_t> Exchange::tried() const {
  if (retry_ != nullptr) return retry_->latest_tried(attempts_);
  return std::span(&last_server_, attempts_);
}

HeldAnswer& Exchange::hold(const AttemptEnd& end) {
  std::unique_ptr<HeldAnswer>& held = retry_state().held;
  held = std::make_unique<HeldAnswer>();
  held->end = end;
  return *held;
}

balance::RetryBudget& Exchange::retry_budget() {
  return snapshot_->upstream(upstream_).snapshot->state->retry_budget();
}

bool Exchange::take_retry_budget() {
  if (!budget_taken_)
    budget_taken_ =
        retry_budget().try_acquire(snapshot_->upstream(upstream_).snapshot->state->total_active());
  return budget_taken_;
}

void Exchange::release_retry_budget() {
  if (!budget_taken_) return;
  budget_taken_ = false;
  retry_budget().release();
}

void Exchange::back_off() {
  RetryState& retry = retry_state();
  retry.held.reset();
  if (retry.delay_ms == 0) return choose_server();
  if (phase_ != ExchangePhase::backing_off) enter(ExchangePhase::backing_off);
  worker_.loop().timers().start(timer_, std::chrono::milliseconds(retry.delay_ms));
}

void Exchange::wait_for_budget() {
  if (phase_ != ExchangePhase::backing_off) enter(ExchangePhase::backing_off);
  waiting_since_ns_ = worker_.loop().now_ns();
  worker_.loop().timers().list(budget_poll_interval).start(timer_);
}

void Exchange::backed_off() {
  if (waits()) stop_waiting();
  if (held() == nullptr) return choose_server();
  const std::int64_t limit_ms = destination_->retry.timeout.count();
  if (limit_ms != 0 && worker_.loop().now_ns() - begun_ns_ > limit_ms * 1'000'000) return give_held_answer();
  if (take_retry_budget()) {
    if (attempt_.active()) end_attempt();
    return back_off();
  }
  const std::int64_t waited_ms = (worker_.loop().now_ns() - waiting_since_ns_) / 1'000'000;
  const std::int64_t patience_ms = snapshot_->upstream(upstream_).snapshot->config->queue_timeout.count();
  if (retry_budget().worth_waiting() && waited_ms < patience_ms) {
    worker_.loop().timers().list(budget_poll_interval).start(timer_);
  } else {
    give_held_answer();
  }
}

void Exchange::give_held_answer() {
  const std::unique_ptr<HeldAnswer> held = std::move(retry_->held);
  if (!held->answered) return give_up(held->end);
  http::ResponseHead head;
  head.status = held->status;
  head.reason = held->reason;
  head.version_minor = held->version_minor;
  head.fields = held->fields.fields();
  for (const http::Field& field : head.fields)
    head.present |= http::id_bit(field.id);
  pass_response(head, held->info);
  client_writer_.flush();  // the head's bytes go with `held`
  if (held->complete) return attempt_end({});
  attempt_.writer()->resume_reading();
  if (attempt_.writer()->queued_bytes() <= net::queue_high_bytes) attempt_writable();
}

void Exchange::give_up(const AttemptEnd& end) {
  // Now, and not with each of its tries: as long as servers are leaving, those that go on elsewhere may
  // succeed.
  if (budget_taken_) retry_budget().record(false);
  end_attempt();
  reply_error(end.word);
}

void Exchange::server_went_down() {
  if (phase_ != ExchangePhase::requesting || !request_complete_) return;
  if (snapshot_->upstream(upstream_).snapshot->state->summary().eligible == 0) return;
  // Only if it may be tried elsewhere: an answer that can't be asked for again is waited for.
  if (may_retry(timed_out, 0) && (take_retry_budget() || retry_budget().worth_waiting()))
    attempt_failed(timed_out);
}

}  // namespace azulb::proxy
