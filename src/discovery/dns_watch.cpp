#include "azulb/discovery/dns_watch.hpp"

#include <algorithm>
#include <utility>

namespace azulb::discovery {
namespace {

using namespace std::chrono_literals;

// A record may hold for days; asking a resolver once an hour costs nothing, and heals what was a mistake.
constexpr base::Milliseconds longest_ttl = 1h;
// Between tries of a name that could not be resolved: doubled from the first to the longest.
constexpr base::Milliseconds first_backoff = 1s;
constexpr base::Milliseconds longest_backoff = 5s;

}  // namespace

DnsWatch::DnsWatch(net::Loop& loop, std::shared_ptr<DnsLookup::Home> home, DnsQuestion question,
                   base::Milliseconds min_ttl, Observer observer)
    : loop_(loop),
      home_(std::move(home)),
      question_(std::move(question)),
      min_ttl_(min_ttl),
      observer_(std::move(observer)) {
  ask();
}

DnsWatch::~DnsWatch() {
  if (running_ != nullptr) running_->abandon();
}

void DnsWatch::configure(const DnsQuestion& question, base::Milliseconds min_ttl) {
  if (question == question_ && min_ttl == min_ttl_) return;
  question_ = question;
  min_ttl_ = min_ttl;
  timer_.stop();
  if (running_ != nullptr) running_->abandon();
  health_.settled = false;
  ask();
}

void DnsWatch::ask() {
  running_ =
      &DnsLookup::begin(loop_, home_, question_, [this](const DnsAnswers& answers) { answered(answers); });
}

void DnsWatch::answered(const DnsAnswers& answers) {
  running_ = nullptr;
  health_.settled = true;
  const bool found = std::any_of(answers.begin(), answers.end(), [](const DnsAnswer& answer) {
    return answer.status == DnsAnswer::Status::found;
  });
  if (found) {
    // What failed keeps what it had; what the DNS says to be empty is empty, as there are records beside it.
    for (std::size_t index = 0; index < answers.size(); ++index) {
      if (answers[index].status != DnsAnswer::Status::failed) last_.at(index) = answers[index].records;
    }
    merge();
    health_.last_success_ms = loop_.now_ms();
    health_.error.clear();
    backoff_ = 0ms;
    const base::Milliseconds ttl = std::chrono::seconds(records_.ttl_s);
    wait(std::clamp(ttl, min_ttl_, std::max(longest_ttl, min_ttl_)).count());
  } else {
    ++health_.failures;
    const auto failed = std::find_if(answers.begin(), answers.end(), [](const DnsAnswer& answer) {
      return answer.status == DnsAnswer::Status::failed;
    });
    health_.error = failed == answers.end() ? answers.front().error : failed->error;
    backoff_ = std::clamp(2 * backoff_, first_backoff, longest_backoff);
    wait(std::max(backoff_, min_ttl_).count());
  }
  observer_();
}

void DnsWatch::merge() {
  records_ = {};
  for (const DnsRecords& records : last_) {
    records_.addresses.insert(records_.addresses.end(), records.addresses.begin(), records.addresses.end());
    records_.services.insert(records_.services.end(), records.services.begin(), records.services.end());
    records_.ttl_s = std::min(records_.ttl_s, records.ttl_s);
  }
}

void DnsWatch::wait(std::int64_t wait_ms) {
  due_ms_ = loop_.now_ms() + wait_ms;
  on_due();
}

void DnsWatch::on_due() {
  const std::int64_t left_ms = due_ms_ - loop_.now_ms();
  if (left_ms <= 0) return ask();
  // The queue rounds up by as much as 1/8: asked for 7/8 it is never late, and what is left is waited for in
  // turn.
  loop_.timers().start(timer_, base::Milliseconds(left_ms * 7 / 8));
}

}  // namespace azulb::discovery
