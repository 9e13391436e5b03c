// A name that is asked for again whenever its records' time to live is over.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "azulb/base/units.hpp"
#include "azulb/discovery/dns_lookup.hpp"
#include "azulb/net/loop.hpp"

namespace azulb::discovery {

/// How one thing that servers come from has fared.
struct SourceHealth {
  std::uint64_t failures = 0;
  std::int64_t last_success_ms = -1;  // the loop's monotonic clock; negative: there was none yet
  std::string error;                  // why the last try failed; empty: it did not
  bool settled = false;               // tried once, with whatever end
};

/// Keeps the last good records whatever happens: a resolver that is gone, and a DNS that suddenly knows
/// nothing of the name, take no server away. The loop's thread only.
class DnsWatch {
 public:
  /// Called after each try, never from within; may destroy the watch only by way of the loop's next turn.
  using Observer = std::function<void()>;

  /// Asks at once. Answers hold for their time to live, but never for less than `min_ttl`, nor for more than
  /// an hour.
  DnsWatch(net::Loop& loop, std::shared_ptr<DnsLookup::Home> home, DnsQuestion question,
           base::Milliseconds min_ttl, Observer observer);
  DnsWatch(const DnsWatch&) = delete;
  DnsWatch& operator=(const DnsWatch&) = delete;
  ~DnsWatch();

  /// Asks anew, of another resolver or at other intervals, if these are not the same as before; the last
  /// good records stay until there are others.
  void configure(const DnsQuestion& question, base::Milliseconds min_ttl);

  const DnsQuestion& question() const { return question_; }
  /// The last good ones, of a host those of both types; empty as long as there were none.
  const DnsRecords& records() const { return records_; }
  const SourceHealth& health() const { return health_; }

 private:
  void ask();
  void answered(const DnsAnswers& answers);
  void merge();
  void wait(std::int64_t wait_ms);
  void on_due();

  net::Loop& loop_;
  const std::shared_ptr<DnsLookup::Home> home_;
  DnsQuestion question_;
  base::Milliseconds min_ttl_;
  const Observer observer_;
  DnsLookup* running_ = nullptr;
  std::array<DnsRecords, 2> last_;  // per type: one may fail while the other is answered
  DnsRecords records_;
  SourceHealth health_;
  std::int64_t due_ms_ = 0;
  base::Milliseconds backoff_{0};
  net::MemberTimer<DnsWatch, &DnsWatch::on_due> timer_{*this};
};

}  // namespace azulb::discovery
