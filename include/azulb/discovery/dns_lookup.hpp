// One question to the DNS, asked with c-ares on a loop of ours.
#pragma once

#include <ares.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "azulb/base/slab.hpp"
#include "azulb/discovery/dns_records.hpp"
#include "azulb/net/loop.hpp"
#include "azulb/net/timers.hpp"

namespace azulb::discovery {

struct DnsQuestion {
  /// A host's, for its addresses (A and AAAA), or a service's (SRV) such as "_http._tcp.app.internal". Where
  /// the system's resolvers are asked, search domains are appended as they do it; a dot at the end prevents
  /// that.
  std::string name;
  bool is_service = false;
  /// "127.0.0.1:53", "[::1]:53"; empty: the system's, as /etc/resolv.conf has them when the lookup begins.
  std::string resolver;

  bool operator==(const DnsQuestion&) const = default;
};

/// What is known about the records of one type.
struct DnsAnswer {
  enum class Status : std::uint8_t {
    found,
    none,    // the DNS says that there are none
    failed,  // the DNS could not be asked, or would not say
  };
  Status status = Status::failed;
  DnsRecords records;  // where found
  std::string error;   // else: why, in words
};

/// A service's: one answer; a host's: two, of A and AAAA. A host's addresses in /etc/hosts come in the first.
using DnsAnswers = std::vector<DnsAnswer>;

/// Lives from `begin` until it has told its observer or been abandoned; then the loop retires it. Bounded in
/// time: an answer or a failure comes within seconds. Each lookup has a c-ares channel of its own, which
/// reads resolv.conf anew, as the C library does, and takes its sockets along when it ends.
class DnsLookup final : private net::Watcher, private net::Deferred, private net::Retired {
 public:
  using Observer = std::function<void(const DnsAnswers&)>;
  using Home = base::Slab<DnsLookup>;

  /// Begins in `home`. The observer is called once, from the loop, never from within.
  static DnsLookup& begin(net::Loop& loop, const std::shared_ptr<Home>& home, const DnsQuestion& question,
                          Observer observer);
  DnsLookup(const DnsLookup&) = delete;
  DnsLookup& operator=(const DnsLookup&) = delete;
  /// Ends without telling the observer.
  void abandon();

 private:
  friend Home;
  struct Query {
    DnsLookup* lookup = nullptr;
    RecordType type = RecordType::a;
    DnsAnswer answer;
  };

  DnsLookup(net::Loop& loop, std::shared_ptr<Home> home, const DnsQuestion& question, Observer observer);
  ~DnsLookup() override = default;
  void start();
  bool open_channel();
  bool look_into_hosts_file();
  void find_candidates();
  void ask_next();
  void answered(Query& query, int status, std::span<const std::uint8_t> message);
  void judge();
  void finish();
  void fail(int status);
  void arm();
  void after_callbacks();
  void close();
  void socket_changed(int socket, bool readable, bool writable);

  void on_events(std::uint32_t events) override;
  void on_timeout();
  void on_deferred() override;
  void reclaim() override;

  net::Loop& loop_;
  const std::shared_ptr<Home> home_;
  const DnsQuestion question_;
  Observer observer_;
  ares_channel channel_ = nullptr;
  int sockets_ = -1;                     // an epoll set of c-ares' sockets, itself watched by the loop
  std::vector<std::string> candidates_;  // full names, the next to ask for last
  std::array<Query, 2> queries_;
  std::size_t query_count_ = 0;
  std::size_t unanswered_ = 0;
  DnsAnswers answers_;
  net::MemberTimer<DnsLookup, &DnsLookup::on_timeout> timer_{*this};
  bool finished_ = false;
  bool ended_ = false;
};

}  // namespace azulb::discovery
