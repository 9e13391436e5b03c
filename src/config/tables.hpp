// One reader per table of the file, each in its load_*.cpp, and what they leave behind to be held against
// each other when all are read.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "azulb/config/config.hpp"
#include "context.hpp"
#include "table_reader.hpp"

namespace azulb::config {

/// Names and addresses with their places, for the checks that span tables.
struct References {
  std::vector<Text> listeners_of_routes;
  std::vector<Text> upstreams_of_routes;
  std::vector<Text> upstreams;  // where they are defined
};

/// Holds that something is said only once; remembers where it was said first.
class Once {
 public:
  /// `what` names the thing in the message: "server", "address". Reports and returns false for a repetition
  /// of `value`.
  bool add(Context& context, const std::string& value, const Text& where, std::string_view what);

 private:
  std::map<std::string, Position> first_;
};

void read_process(TableReader& table, Process& process);
void read_log(TableReader& table, Log& log);
void read_access_log(TableReader& table, AccessLog& access_log);
/// `bound` holds every address azulb accepts on, in its canonical form.
void read_admin(TableReader& table, Admin& admin, Once& bound);
void read_listener(TableReader& table, Listener& listener, Once& bound);
void read_listener_tls(TableReader& table, ListenerTls& tls);
void read_upstream_tls(TableReader& table, UpstreamTls& tls);
/// `number` counts from 1.
void read_route(TableReader& table, std::size_t number, Route& route, Once& names, References& references);
/// Its conditions.
void read_route_match(TableReader& table, Route& route, References& references);
/// What it makes of the requests that it takes.
void read_route_rules(TableReader& table, Route& route);
/// "client_ip", "header:NAME" and so on.
void read_hash_key(TableReader& table, std::string_view key, HashKey& hash_key);
void read_upstream(TableReader& table, Upstream& upstream);
void read_servers(TableReader& table, std::vector<Server>& servers, bool may_be_empty);
void read_discover(TableReader& table, Discover& discover, bool has_servers);
/// What the servers of an upstream, wherever they come from, may not be beside its other settings.
void check_servers(TableReader& table, const std::vector<Server>& servers, const Upstream& upstream);
void read_health(TableReader& table, Health& health);
void read_outlier(TableReader& table, Outlier& outlier);
void read_retry(TableReader& table, Retry& retry);

/// The same text for all spellings of an address: "" and 0.0.0.0, ::1 and 0:0:0:0:0:0:0:1, upper and lower
/// case.
std::string canonical_address(const base::HostPort& address);

/// The one reader of an address that azulb listens on. Reports what is wrong, also an address that is bound
/// already.
std::optional<base::HostPort> read_bound_address(Context& context, const Text& text, Once& bound);

}  // namespace azulb::config
