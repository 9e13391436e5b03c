#include <doctest/doctest.h>

#include <atomic>
#include <limits>
#include <thread>
#include <vector>

#include "azulb/balance/retry.hpp"

using namespace azulb::balance;
using azulb::base::Milliseconds;

namespace {

AttemptFailure status(int code) {
  AttemptFailure failure;
  failure.kind = FailureKind::status;
  failure.status = code;
  return failure;
}

AttemptFailure of_kind(FailureKind kind) {
  AttemptFailure failure;
  failure.kind = kind;
  return failure;
}

constexpr std::uint64_t largest_random = std::numeric_limits<std::uint64_t>::max();

}  // namespace

TEST_CASE("the default conditions retry what reference.toml lists, and nothing else") {
  const RetrySettings settings;
  CHECK(decide_retry(settings, of_kind(FailureKind::error), 0).retry());
  CHECK(decide_retry(settings, of_kind(FailureKind::timeout), 0).retry());
  CHECK(decide_retry(settings, of_kind(FailureKind::invalid_header), 0).retry());
  for (const int code : {502, 503, 504})
    CHECK(decide_retry(settings, status(code), 0).retry());
  for (const int code : {200, 301, 403, 404, 429, 500, 501, 505}) {
    CHECK(decide_retry(settings, status(code), 0).give_up == GiveUp::condition_off);
  }
}

TEST_CASE("each condition is a bit of its own") {
  const std::vector<std::pair<std::uint32_t, AttemptFailure>> conditions = {
      {retry_error, of_kind(FailureKind::error)},
      {retry_timeout, of_kind(FailureKind::timeout)},
      {retry_invalid_header, of_kind(FailureKind::invalid_header)},
      {retry_http_403, status(403)},
      {retry_http_404, status(404)},
      {retry_http_429, status(429)},
      {retry_http_500, status(500)},
      {retry_http_502, status(502)},
      {retry_http_503, status(503)},
      {retry_http_504, status(504)},
  };
  for (const auto& [bit, failure] : conditions) {
    CHECK(condition_of(failure) == bit);
    RetrySettings settings;
    settings.on = bit;
    CHECK(decide_retry(settings, failure, 0).retry());
    settings.on = ~bit;
    CHECK(decide_retry(settings, failure, 0).give_up == GiveUp::condition_off);
  }
  RetrySettings off;
  off.on = 0;
  CHECK(decide_retry(off, of_kind(FailureKind::error), 0).give_up == GiveUp::condition_off);
}

TEST_CASE("attempts counts all tries, so one means none again") {
  RetrySettings settings;
  AttemptFailure failure;
  failure.attempts_made = 2;
  CHECK(decide_retry(settings, failure, 0).retry());
  failure.attempts_made = 3;
  CHECK(decide_retry(settings, failure, 0).give_up == GiveUp::attempts_used_up);
  settings.attempts = 1;
  failure.attempts_made = 1;
  CHECK(decide_retry(settings, failure, 0).give_up == GiveUp::attempts_used_up);
}

TEST_CASE("nothing is tried again once the client has got something") {
  AttemptFailure failure;
  failure.response_started = true;
  CHECK(decide_retry({}, failure, 0).give_up == GiveUp::response_started);
}

TEST_CASE("a body that is gone is not sent again") {
  AttemptFailure failure;
  failure.body_replayable = false;
  CHECK(decide_retry({}, failure, 0).give_up == GiveUp::body_not_replayable);
}

TEST_CASE("a request that is not idempotent goes again only if no byte was sent, or by configuration") {
  RetrySettings settings;
  AttemptFailure failure;
  failure.idempotent = false;
  CHECK(decide_retry(settings, failure, 0).give_up == GiveUp::not_idempotent);
  failure.may_be_processed = false;
  CHECK(decide_retry(settings, failure, 0).retry());
  failure.may_be_processed = true;
  settings.on |= retry_non_idempotent;
  CHECK(decide_retry(settings, failure, 0).retry());
  settings.on = retry_non_idempotent;
  CHECK(decide_retry(settings, failure, 0).give_up == GiveUp::condition_off);
}

TEST_CASE("no try starts once the time for tries is over, backoff included") {
  RetrySettings settings;
  settings.timeout = Milliseconds(100);
  AttemptFailure failure;
  failure.elapsed_ms = 99;
  CHECK(decide_retry(settings, failure, 0).retry());
  failure.elapsed_ms = 100;
  CHECK(decide_retry(settings, failure, 0).give_up == GiveUp::time_over);
  settings.backoff = Milliseconds(50);
  failure.elapsed_ms = 60;
  CHECK(decide_retry(settings, failure, 0).retry());
  CHECK(decide_retry(settings, failure, largest_random).give_up == GiveUp::time_over);
  settings.timeout = Milliseconds(0);
  failure.elapsed_ms = 1'000'000;
  CHECK(decide_retry(settings, failure, largest_random).retry());
}

TEST_CASE("backoff doubles with each attempt, is jittered over its whole length, and is capped") {
  RetrySettings settings;
  settings.attempts = 100;
  AttemptFailure failure;
  CHECK(decide_retry(settings, failure, largest_random).delay_ms == 0);
  settings.backoff = Milliseconds(100);
  CHECK(decide_retry(settings, failure, 0).delay_ms == 0);
  CHECK(decide_retry(settings, failure, largest_random / 2).delay_ms == 50);
  CHECK(decide_retry(settings, failure, largest_random).delay_ms == 100);
  failure.attempts_made = 2;
  CHECK(decide_retry(settings, failure, largest_random).delay_ms == 200);
  failure.attempts_made = 3;
  CHECK(decide_retry(settings, failure, largest_random).delay_ms == 400);
  failure.attempts_made = 99;
  CHECK(decide_retry(settings, failure, largest_random).delay_ms == max_backoff_ms);
  settings.backoff = azulb::base::Milliseconds::max();
  CHECK(decide_retry(settings, failure, largest_random).delay_ms == max_backoff_ms);
}

TEST_CASE("the budget is a share of live requests, but never under three") {
  RetryBudget budget(0.2);
  for (int i = 0; i < 3; ++i)
    CHECK(budget.try_acquire(0));
  CHECK_FALSE(budget.try_acquire(0));
  CHECK_FALSE(budget.try_acquire(19));
  CHECK(budget.try_acquire(20));
  CHECK_FALSE(budget.try_acquire(20));
  budget.release();
  CHECK(budget.try_acquire(20));
  CHECK(budget.in_flight() == 4);

  RetryBudget none(0.0);
  for (int i = 0; i < 3; ++i)
    CHECK(none.try_acquire(1'000'000));
  CHECK_FALSE(none.try_acquire(1'000'000));
}

TEST_CASE("the budget holds over all workers") {
  RetryBudget budget(0.1);
  std::atomic<unsigned> most{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 20'000; ++n) {
        if (!budget.try_acquire(50)) continue;
        unsigned seen = budget.in_flight();
        unsigned before = most;
        while (before < seen && !most.compare_exchange_weak(before, seen)) {
        }
        budget.release();
      }
    });
  }
  for (auto& thread : threads)
    thread.join();
  CHECK(most <= 5);
  CHECK(most >= 1);
  CHECK(budget.in_flight() == 0);
}

TEST_CASE("each reason to give up has a word of its own") {
  std::vector<std::string_view> words;
  for (int i = 0; i <= static_cast<int>(GiveUp::budget_exhausted); ++i) {
    words.push_back(to_string(static_cast<GiveUp>(i)));
  }
  for (std::size_t i = 0; i < words.size(); ++i) {
    for (std::size_t k = 0; k < i; ++k)
      CHECK(words[i] != words[k]);
  }
}
