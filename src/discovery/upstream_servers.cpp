#include "azulb/discovery/upstream_servers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "azulb/base/log.hpp"

namespace azulb::discovery {
namespace {

bool is_name(const base::HostPort& address) {
  return !address.is_unix && !base::IpAddress::parse(address.host);
}

/// Appends a server unless its address is there already; its name is made unique.
class ListBuilder {
 public:
  explicit ListBuilder(ServerList& list) : list_(list) {
    for (const FoundServer& server : list)
      note(server);
  }

  void add(FoundServer server) {
    if (addresses_.contains(server.address.text())) return;
    while (names_.contains(server.name))
      server.name += "/" + server.address.text();
    note(server);
    list_.push_back(std::move(server));
  }

 private:
  void note(const FoundServer& server) {
    addresses_.insert(server.address.text());
    names_.insert(server.name);
  }

  ServerList& list_;
  std::set<std::string> addresses_;
  std::set<std::string> names_;
};

/// A target of SRV records is whole as it is (RFC 2782): no search domain is appended.
std::string absolute(const std::string& target) {
  return target + ".";
}

/// "a, b, c and 4 more"
std::string listed(const std::vector<std::string>& names) {
  constexpr std::size_t most = 10;
  std::string text;
  for (std::size_t index = 0; index < std::min(names.size(), most); ++index)
    text += (index == 0 ? "" : ", ") + names[index];
  if (names.size() > most) text += fmt::format(" and {} more", names.size() - most);
  return text;
}

std::string label(const FoundServer& server) {
  const std::string address = server.address.text();
  return server.name == address ? address : server.name + " (" + address + ")";
}

/// Those of `list` whose address is not in `other`.
std::vector<std::string> missing_in(const ServerList& other, const ServerList& list) {
  std::set<std::string> known;
  for (const FoundServer& server : other)
    known.insert(server.address.text());
  std::vector<std::string> missing;
  for (const FoundServer& server : list) {
    if (!known.contains(server.address.text())) missing.push_back(label(server));
  }
  return missing;
}

}  // namespace

UpstreamServers::UpstreamServers(net::Loop& loop, std::shared_ptr<DnsLookup::Home> home,
                                 const config::Upstream& upstream, Amendments& amendments, Observer observer)
    : loop_(loop),
      home_(std::move(home)),
      upstream_(upstream),
      amendments_(amendments),
      observer_(std::move(observer)) {
  loop_.defer(*this);
}

void UpstreamServers::configure(const config::Upstream& upstream) {
  if (upstream == upstream_) return;
  upstream_ = upstream;
  configured_ = true;
  settled_ = false;
  loop_.defer(*this);
}

/// What was found so far stays until there is something else.
void UpstreamServers::adopt_configuration() {
  const std::string file = upstream_.discover ? upstream_.discover->file : "";
  if (file_ != nullptr && file_->path() == file) {
    file_->configure(upstream_);
  } else {
    file_.reset();
    if (!file.empty()) file_ = std::make_unique<ServerFile>(loop_, upstream_, [this] { loop_.defer(*this); });
  }
  const std::string service = has_service() ? upstream_.discover->dns : "";
  if (service_.watch != nullptr && service_.watch->question().name != service) service_ = {};
  if (!service.empty()) watch(service_, service, true);
}

base::Milliseconds UpstreamServers::min_ttl() const {
  return upstream_.discover.value_or(config::Discover{}).min_ttl;
}

std::string UpstreamServers::resolver() const {
  return upstream_.discover ? upstream_.discover->resolver : "";
}

bool UpstreamServers::has_service() const {
  return upstream_.discover && upstream_.discover->dns_is_service();
}

/// Of discover.dns where it is to be asked for addresses; else empty.
std::string UpstreamServers::dns_host() const {
  if (!upstream_.discover || upstream_.discover->dns.empty() || has_service()) return {};
  return base::parse_host_port(upstream_.discover->dns)->host;
}

std::set<std::string> UpstreamServers::wanted_hosts() const {
  std::set<std::string> hosts;
  const auto add = [&hosts](const std::vector<config::Server>& servers) {
    for (const config::Server& server : servers) {
      if (is_name(server.address)) hosts.insert(server.address.host);
    }
  };
  add(upstream_.servers);
  if (file_ != nullptr) add(file_->servers());
  if (const std::string host = dns_host(); !host.empty()) hosts.insert(host);
  if (service_.watch != nullptr) {
    for (const ServiceRecord& service : service_.watch->records().services)
      hosts.insert(absolute(service.target));
  }
  return hosts;
}

void UpstreamServers::watch(Name& name, const std::string& host, bool is_service) {
  const DnsQuestion question{host, is_service, resolver()};
  if (name.watch == nullptr) {
    name.watch =
        std::make_unique<DnsWatch>(loop_, home_, question, min_ttl(), [this] { loop_.defer(*this); });
  } else {
    name.watch->configure(question, min_ttl());
  }
}

/// The one place where something that was learned takes effect; deferred, so that no watch ends in its own
/// callback.
void UpstreamServers::refresh() {
  if (std::exchange(configured_, false)) adopt_configuration();
  if (service_.watch != nullptr) tell_failures(service_);
  const std::set<std::string> wanted = wanted_hosts();
  std::erase_if(hosts_, [&wanted](const auto& entry) { return !wanted.contains(entry.first); });
  for (const std::string& host : wanted) {
    Name& name = hosts_[host];
    watch(name, host, false);
    tell_failures(name);
  }
  // A list that lacks what is just being asked for would take servers away before their successors are there.
  if (all_tried()) publish();
}

void UpstreamServers::settle_now() {
  if (!settled_) publish();
}

bool UpstreamServers::all_tried() const {
  if (service_.watch != nullptr && !service_.watch->health().settled) return false;
  return std::all_of(hosts_.begin(), hosts_.end(),
                     [](const auto& entry) { return entry.second.watch->health().settled; });
}

void UpstreamServers::publish() {
  const bool is_first = !std::exchange(settled_, true);
  ServerList list = whole_list();
  if (!is_first && list == list_) return;
  const ServerList before = std::exchange(list_, std::move(list));
  if (before != list_) log_changes(before);
  observer_(*this);
}

void UpstreamServers::tell_failures(Name& name) {
  const SourceHealth& health = name.watch->health();
  const bool fails = !health.error.empty();
  if (!health.settled || fails == std::exchange(name.failure_told, fails)) return;
  const std::string& host = name.watch->question().name;
  if (!fails) return base::log_info("upstream {}: \"{}\" resolves again", upstream_.name, host);
  base::log_warn(
      "upstream {}: cannot resolve \"{}\": {}; {}", upstream_.name, host, health.error,
      name.watch->records().empty() ? "it gives no servers until it resolves" : "the last good answer stays");
}

const std::vector<base::IpAddress>& UpstreamServers::addresses_of(const std::string& host) const {
  static const std::vector<base::IpAddress> none;
  const auto found = hosts_.find(host);
  return found == hosts_.end() ? none : found->second.watch->records().addresses;
}

ServerList UpstreamServers::whole_list() const {
  ServerList list = sources_list();
  add_servers(list, amendments_.added, added_source);
  std::erase_if(list, [this](const FoundServer& server) {
    return server.source != added_source && amendments_.removed.contains(server.address.text());
  });
  return list;
}

ServerList UpstreamServers::sources_list() const {
  ServerList list;
  add_servers(list, upstream_.servers, "servers");
  if (file_ != nullptr) add_servers(list, file_->servers(), "file " + file_->path());
  if (upstream_.discover && !upstream_.discover->dns.empty()) add_discovered(list);
  return list;
}

/// "app:3000", or with others beside it "app:3000/10.0.0.1:3000". A server that stays keeps the name it has:
/// by that its health and its metrics are known again.
std::string UpstreamServers::name_of(const std::string& written, const base::SocketAddress& address,
                                     bool is_one_of_several) const {
  std::string long_name = written + "/" + address.text();
  for (const FoundServer& server : list_) {
    if (server.address == address && (server.name == written || server.name == long_name)) return server.name;
  }
  return is_one_of_several ? long_name : written;
}

/// A name with several addresses stands for as many servers.
void UpstreamServers::add_servers(ServerList& list, const std::vector<config::Server>& servers,
                                  const std::string& source) const {
  ListBuilder builder(list);
  for (const config::Server& server : servers) {
    const std::string host = server.address.is_unix ? "" : server.address.host;
    if (is_name(server.address)) {
      const auto& addresses = addresses_of(host);
      for (const base::IpAddress& ip : addresses) {
        const auto address = base::SocketAddress::from_ip(ip, server.address.port);
        builder.add({name_of(server.name, address, addresses.size() > 1), address, host, server.weight,
                     source, server.max_connections});
      }
    } else if (const auto address =
                   base::resolve(server.address, false)) {  // a number or a path: no question
      builder.add({server.name, address->front(), host, server.weight, source, server.max_connections});
    }
  }
}

void UpstreamServers::add_discovered(ServerList& list) const {
  const std::string source = "dns " + upstream_.discover->dns;
  if (has_service()) return add_services(list, source);
  ListBuilder builder(list);
  const base::HostPort dns = *base::parse_host_port(upstream_.discover->dns);
  for (const base::IpAddress& ip : addresses_of(dns.host)) {
    const auto address = base::SocketAddress::from_ip(ip, dns.port);
    builder.add({address.text(), address, dns.host, 1, source});
  }
}

/// Of the best priority of which anything resolves; the others stand by for that.
void UpstreamServers::add_services(ServerList& list, const std::string& source) const {
  if (service_.watch == nullptr) return;  // not asked for yet
  ListBuilder builder(list);
  std::optional<std::uint16_t> priority;
  for (const ServiceRecord& service : service_.watch->records().services) {
    if (priority && service.priority != *priority) break;  // they are sorted
    for (const base::IpAddress& ip : addresses_of(absolute(service.target))) {
      priority = service.priority;
      const auto address = base::SocketAddress::from_ip(ip, service.port);
      // Weight 0, "hardly ever", is as near to it as there is.
      builder.add({address.text(), address, service.target, std::max<unsigned>(service.weight, 1), source});
    }
  }
}

void UpstreamServers::log_changes(const ServerList& before) const {
  const std::vector<std::string> added = missing_in(before, list_);
  const std::vector<std::string> removed = missing_in(list_, before);
  std::string text;
  if (!added.empty()) text += "; new: " + listed(added);
  if (!removed.empty()) text += "; gone: " + listed(removed);
  if (text.empty()) text = "; other names or weights";
  const bool is_static = !upstream_.discover && hosts_.empty();
  if (!is_static)
    base::log_info("upstream {}: {} server{}{}", upstream_.name, list_.size(), list_.size() == 1 ? "" : "s",
                   text);
}

std::vector<SourceStatus> UpstreamServers::sources() const {
  std::vector<SourceStatus> sources;
  const auto count = [this](const std::string& source) {
    return static_cast<std::size_t>(
        std::count_if(list_.begin(), list_.end(),
                      [&source](const FoundServer& server) { return server.source == source; }));
  };
  if (service_.watch != nullptr) {
    const std::string source = "dns " + upstream_.discover->dns;
    sources.push_back({source, service_.watch->health(), count(source)});
  }
  if (file_ != nullptr) {
    const std::string source = "file " + file_->path();
    sources.push_back({source, file_->health(), count(source)});
  }
  for (const auto& [host, name] : hosts_) {
    const bool is_dns = host == dns_host();
    const std::string source = is_dns ? "dns " + upstream_.discover->dns : "host " + host;
    const std::size_t addresses = name.watch->records().addresses.size();
    sources.push_back({source, name.watch->health(), is_dns ? count(source) : addresses});
  }
  return sources;
}

}  // namespace azulb::discovery
