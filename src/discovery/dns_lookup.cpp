#include "azulb/discovery/dns_lookup.hpp"

#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "azulb/base/assert.hpp"

namespace azulb::discovery {
namespace {

// A lost datagram shall cost less than the second that a change may be late. Doubled with each round, so that
// a resolver far away has 2 s for the last.
constexpr int first_timeout_ms = 500;
constexpr int rounds = 3;
constexpr int datagram_bytes =
    1232;  // as DNS flag day 2020 has it: larger answers come over TCP, not in fragments
// How often /etc/hosts is looked into for a name that it has; it knows no times to live.
constexpr std::uint32_t hosts_file_ttl_s = 5;
constexpr int events_per_turn = 64;
constexpr int internet_class = 1;  // RFC 1035 section 3.2.4

/// What getaddrinfo asks for AI_ADDRCONFIG. Only entries of /etc/hosts are judged by it: nearly every such
/// file says that localhost is ::1, also where there is no IPv6 to speak of.
bool has_ipv6_address() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return true;
  bool found = false;
  for (const ifaddrs* one = list; one != nullptr && !found; one = one->ifa_next) {
    found = one->ifa_addr != nullptr && one->ifa_addr->sa_family == AF_INET6 &&
            (one->ifa_flags & IFF_LOOPBACK) == 0;
  }
  freeifaddrs(list);
  return found;
}

struct AddressInfoDeleter {
  void operator()(ares_addrinfo* list) const { ares_freeaddrinfo(list); }
};
using AddressInfo = std::unique_ptr<ares_addrinfo, AddressInfoDeleter>;

std::vector<base::IpAddress> addresses_of(const ares_addrinfo& info) {
  std::vector<base::IpAddress> v4;
  std::vector<base::IpAddress> all;
  for (const ares_addrinfo_node* node = info.nodes; node != nullptr; node = node->ai_next) {
    const base::IpAddress ip = base::SocketAddress(node->ai_addr, node->ai_addrlen).ip();
    if (std::find(all.begin(), all.end(), ip) != all.end()) continue;
    all.push_back(ip);
    if (ip.is_v4()) v4.push_back(ip);
  }
  return v4.empty() || has_ipv6_address() ? all : v4;
}

}  // namespace

DnsLookup& DnsLookup::begin(net::Loop& loop, const std::shared_ptr<Home>& home, const DnsQuestion& question,
                            Observer observer) {
  DnsLookup& lookup = home->create(loop, home, question, std::move(observer));
  lookup.start();
  return lookup;
}

DnsLookup::DnsLookup(net::Loop& loop, std::shared_ptr<Home> home, const DnsQuestion& question,
                     Observer observer)
    : loop_(loop), home_(std::move(home)), question_(question), observer_(std::move(observer)) {
  if (question_.is_service) {
    queries_[query_count_++].type = RecordType::srv;
  } else {
    queries_[query_count_++].type = RecordType::a;
    queries_[query_count_++].type = RecordType::aaaa;
  }
  for (Query& query : queries_)
    query.lookup = this;
}

void DnsLookup::start() {
  if (!open_channel()) return;
  if (!question_.is_service && look_into_hosts_file()) return finish();
  find_candidates();
  ask_next();
  after_callbacks();
}

bool DnsLookup::open_channel() {
  sockets_ = epoll_create1(EPOLL_CLOEXEC);
  if (sockets_ < 0 || !loop_.watch_level(sockets_, *this, false)) {
    if (sockets_ >= 0) ::close(std::exchange(sockets_, -1));
    fail(ARES_ENOMEM);
    return false;
  }
  ares_options options{};
  options.flags = ARES_FLAG_EDNS;
  options.timeout = first_timeout_ms;
  options.tries = rounds;
  options.ednspsz = datagram_bytes;
  char files_only[] = "f";  // for ares_getaddrinfo; ares_query asks the DNS in any case
  options.lookups = files_only;
  options.sock_state_cb = [](void* data, ares_socket_t socket, int readable, int writable) {
    static_cast<DnsLookup*>(data)->socket_changed(socket, readable != 0, writable != 0);
  };
  options.sock_state_cb_data = this;
  int status = ares_init_options(&channel_, &options,
                                 ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ |
                                     ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB);
  if (status == ARES_SUCCESS && !question_.resolver.empty())
    status = ares_set_servers_ports_csv(channel_, question_.resolver.c_str());
  if (status != ARES_SUCCESS) fail(status);
  return status == ARES_SUCCESS;
}

bool DnsLookup::look_into_hosts_file() {
  ares_addrinfo_hints hints{};
  hints.ai_flags = ARES_AI_NOSORT;
  hints.ai_family = AF_UNSPEC;
  AddressInfo found;
  // Asked for files only, it calls back before it returns.
  ares_getaddrinfo(
      channel_, question_.name.c_str(), nullptr, &hints,
      [](void* result, int, int, ares_addrinfo* info) { static_cast<AddressInfo*>(result)->reset(info); },
      &found);
  if (found == nullptr) return false;
  DnsRecords records;
  records.addresses = addresses_of(*found);
  records.ttl_s = hosts_file_ttl_s;
  if (records.empty()) return false;
  queries_[0].answer = {DnsAnswer::Status::found, std::move(records), {}};
  queries_[1].answer.status = DnsAnswer::Status::none;
  return true;
}

/// The names to ask for in turn, as resolv.conf(5) has it with `search` and `ndots`.
void DnsLookup::find_candidates() {
  std::string name = question_.name;
  const bool is_absolute = name.ends_with('.');
  if (is_absolute) name.pop_back();
  ares_options options{};
  int mask = 0;
  if (is_absolute || !question_.resolver.empty() ||
      ares_save_options(channel_, &options, &mask) != ARES_SUCCESS) {
    candidates_.push_back(std::move(name));
    return;
  }
  for (int index = 0; index < options.ndomains; ++index)
    candidates_.push_back(name + "." + options.domains[index]);
  const bool as_it_is_first = std::count(name.begin(), name.end(), '.') >= options.ndots;
  candidates_.insert(as_it_is_first ? candidates_.begin() : candidates_.end(), std::move(name));
  ares_destroy_options(&options);
  std::reverse(candidates_.begin(), candidates_.end());
}

void DnsLookup::ask_next() {
  const std::string name = std::move(candidates_.back());
  candidates_.pop_back();
  unanswered_ = query_count_;
  for (std::size_t index = 0; index < query_count_; ++index) {
    // May call back from within.
    ares_query(
        channel_, name.c_str(), internet_class, static_cast<int>(queries_[index].type),
        [](void* data, int status, int, unsigned char* message, int length) {
          auto* query = static_cast<Query*>(data);
          const std::size_t size = message == nullptr ? 0 : static_cast<std::size_t>(length);
          query->lookup->answered(*query, status, {message, size});
        },
        &queries_[index]);
  }
}

void DnsLookup::answered(Query& query, int status, std::span<const std::uint8_t> message) {
  if (ended_) return;  // c-ares tells every query of its end
  --unanswered_;
  query.answer = {};
  if (status == ARES_ENODATA || status == ARES_ENOTFOUND) {
    query.answer = {DnsAnswer::Status::none, {}, ares_strerror(status)};
  } else if (status != ARES_SUCCESS) {
    query.answer.error = ares_strerror(status);
  } else if (auto records = read_dns_records(message, query.type); !records) {
    query.answer.error = records.error().message;
  } else if (records->empty()) {
    query.answer = {DnsAnswer::Status::none, {}, ares_strerror(ARES_ENODATA)};
  } else {
    query.answer = {DnsAnswer::Status::found, std::move(*records), {}};
  }
}

/// Out of c-ares' callbacks: whether what has come is the answer. Only where the DNS says that a name has
/// none of the records, of neither type, the next one counts.
void DnsLookup::judge() {
  while (!finished_ && unanswered_ == 0) {
    const auto begin = queries_.begin();
    const bool is_none =
        std::all_of(begin, begin + static_cast<std::ptrdiff_t>(query_count_),
                    [](const Query& query) { return query.answer.status == DnsAnswer::Status::none; });
    if (!is_none || candidates_.empty()) return finish();
    ask_next();
  }
}

void DnsLookup::fail(int status) {
  for (Query& query : queries_)
    query.answer.error = ares_strerror(status);
  finish();
}

void DnsLookup::finish() {
  finished_ = true;
  for (std::size_t index = 0; index < query_count_; ++index)
    answers_.push_back(std::move(queries_[index].answer));
  loop_.defer(*this);
}

void DnsLookup::after_callbacks() {
  judge();
  if (!finished_) arm();
}

void DnsLookup::arm() {
  timeval wait{};
  if (ares_timeout(channel_, nullptr, &wait) == nullptr) return;
  loop_.timers().start(timer_, std::chrono::milliseconds(wait.tv_sec * 1000 + wait.tv_usec / 1000 + 1));
}

void DnsLookup::socket_changed(int socket, bool readable, bool writable) {
  if (!readable && !writable) {
    epoll_ctl(sockets_, EPOLL_CTL_DEL, socket, nullptr);
    return;
  }
  epoll_event event{};
  event.events = (readable ? EPOLLIN : 0U) | (writable ? EPOLLOUT : 0U);
  event.data.fd = socket;
  if (epoll_ctl(sockets_, EPOLL_CTL_MOD, socket, &event) != 0 && errno == ENOENT)
    epoll_ctl(sockets_, EPOLL_CTL_ADD, socket, &event);  // failing, the query runs into its timeout
}

void DnsLookup::on_events(std::uint32_t /*events*/) {
  epoll_event event{};
  // One at a time: what c-ares does about a socket may close another.
  for (int count = 0; !finished_ && !ended_ && count < events_per_turn; ++count) {
    if (epoll_wait(sockets_, &event, 1, 0) != 1) break;
    const bool readable = (event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0;
    const bool writable = (event.events & EPOLLOUT) != 0;
    ares_process_fd(channel_, readable ? event.data.fd : ARES_SOCKET_BAD,
                    writable ? event.data.fd : ARES_SOCKET_BAD);
    judge();
  }
  if (!finished_ && !ended_) arm();
}

void DnsLookup::on_timeout() {
  if (finished_) return;
  ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  after_callbacks();
}

void DnsLookup::on_deferred() {
  const Observer observer = std::move(observer_);
  const DnsAnswers answers = std::move(answers_);
  close();
  observer(answers);
}

void DnsLookup::abandon() {
  AZULB_ASSERT(!ended_);
  cancel();
  close();
}

void DnsLookup::close() {
  ended_ = true;
  timer_.stop();
  if (channel_ != nullptr) ares_destroy(std::exchange(channel_, nullptr));
  if (sockets_ >= 0) {
    loop_.unwatch(sockets_);
    ::close(std::exchange(sockets_, -1));
  }
  loop_.retire(*this);
}

void DnsLookup::reclaim() {
  const std::shared_ptr<Home> home = home_;
  home->destroy(*this);
}

}  // namespace azulb::discovery
