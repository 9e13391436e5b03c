// What one configuration file says, as immutable values with defaults filled in. Knows nothing of running
// state. Every member is a key of conf/reference.toml with the same name; durations are milliseconds, sizes
// bytes. Equality is that of the values, so a reload can tell what changed.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "azulb/base/address.hpp"
#include "azulb/base/units.hpp"

namespace azulb::config {

using base::Milliseconds;
using namespace std::chrono_literals;

/// Of a configuration that a reload has brought.
struct Probation {
  Milliseconds time = 0s;  // 0 = there is none
  double errors = 0.05;
  double latency = 2.0;  // 0 = not looked at; else at least 1
  std::uint64_t requests = 100;

  bool operator==(const Probation&) const = default;
};

struct Process {
  unsigned workers = 0;  // resolved: "auto" is already the number of CPUs this process may run on
  std::string user;      // a name or a number; empty = azulb stays who it was started as
  std::string group;     // empty = the user's; only with a user
  std::string pid_file;
  std::uint64_t max_connections = 65536;
  Milliseconds drain_timeout = 30s;
  Milliseconds upgrade_timeout = 30s;
  std::uint64_t max_memory = 0;
  Probation probation;

  bool operator==(const Process&) const = default;
};

enum class LogLevel { debug, info, warn, error };
enum class LogFormat { text, json };

struct Log {
  LogLevel level = LogLevel::info;
  std::string output = "stderr";
  LogFormat format = LogFormat::text;

  bool operator==(const Log&) const = default;
};

struct AccessLog {
  std::string output = "stdout";  // off | stdout | stderr | syslog | a path
  std::string format = "json";    // json | combined | a template
  double sample = 1.0;

  bool operator==(const AccessLog&) const = default;
};

struct Admin {
  base::HostPort address{"127.0.0.1", 9900, false};
  std::string token;       // from `token` or the contents of `token_file`
  std::string state_file;  // empty = none

  bool operator==(const Admin&) const = default;
};

struct ListenerTimeout {
  Milliseconds header = 10s;
  Milliseconds body = 30s;
  Milliseconds send = 30s;
  Milliseconds keepalive = 75s;
  Milliseconds tls_handshake = 10s;

  bool operator==(const ListenerTimeout&) const = default;
};

struct ListenerLimit {
  std::uint64_t request_line = 8 * 1024;
  std::uint64_t header_bytes = 32 * 1024;
  std::uint64_t headers = 100;
  std::uint64_t body = 64 * 1024 * 1024;  // 0 = unlimited
  std::uint64_t requests_per_connection = 0;
  std::uint64_t connections_per_client = 0;
  std::uint32_t http2_streams = 128;

  bool operator==(const ListenerLimit&) const = default;
};

struct Certificate {
  std::string cert;  // paths, as are the following
  std::string key;
  std::string ocsp;  // empty = nothing is stapled

  bool operator==(const Certificate&) const = default;
};

enum class TlsVersion { tls12, tls13 };
enum class ClientVerify { off, optional, required };

struct ListenerTls {
  std::vector<Certificate> certificates;  // at least one
  TlsVersion min_version = TlsVersion::tls12;
  std::string ciphers;    // of TLS 1.2; empty = Mozilla's intermediate
  std::string client_ca;  // a path
  ClientVerify client_verify = ClientVerify::off;
  bool session_tickets = true;
  bool redirect_http = false;

  bool operator==(const ListenerTls&) const = default;
};

struct Listener {
  std::string name;
  std::vector<base::HostPort> address;
  int backlog = 4096;
  bool proxy_protocol = false;
  std::vector<base::Network> trusted_proxies;
  bool http2 = true;
  ListenerTimeout timeout;
  ListenerLimit limit;
  std::optional<ListenerTls> tls;

  bool operator==(const Listener&) const = default;
};

struct Redirect {
  int status = 308;
  std::string to;  // may contain ${scheme} ${host} ${target} ${path} ${query} of the request

  bool operator==(const Redirect&) const = default;
};

struct Respond {
  int status = 200;
  std::string body;
  std::string content_type = "text/plain";

  bool operator==(const Respond&) const = default;
};

/// Names and values.
using TextPairs = std::vector<std::pair<std::string, std::string>>;

/// What is done to a message's header fields, in this order. Values may hold {variables}
/// (header_variables.hpp).
struct HeaderRules {
  std::vector<std::string> remove;
  TextPairs set;  // in place of what there is of that name
  TextPairs add;

  bool empty() const { return remove.empty() && set.empty() && add.empty(); }
  bool operator==(const HeaderRules&) const = default;
};

/// Of the upstream's [retry], what a route wants otherwise.
struct RouteRetry {
  std::optional<std::uint32_t> on;  // RetryCondition bits
  std::optional<unsigned> attempts;
  std::optional<Milliseconds> timeout;
  std::optional<std::uint64_t> buffer;
  std::optional<Milliseconds> backoff;

  bool operator==(const RouteRetry&) const = default;
};

/// Of the listener's [limit], what a route wants otherwise.
struct RouteLimit {
  std::optional<std::uint64_t> body;  // 0 = unlimited

  bool operator==(const RouteLimit&) const = default;
};

enum class HashKeyKind { client_ip, path, host, header, cookie, query };

struct HashKey {
  HashKeyKind kind = HashKeyKind::client_ip;
  std::string name;  // for header, cookie and query

  bool operator==(const HashKey&) const = default;
};

/// One of the upstreams that a route's requests are divided among.
struct SplitTarget {
  std::string upstream;
  unsigned weight = 1;  // 0: only for those who have its cookie

  bool operator==(const SplitTarget&) const = default;
};

/// Which of the requests that wait for a server are next: all of a higher priority before any of a lower.
enum class Priority : std::uint8_t { high, normal, low };
inline constexpr std::size_t priority_count = 3;

struct Route {
  std::string name;                   // as written, else "route-N" with N counted from 1
  std::vector<std::string> listener;  // names; empty = all
  std::vector<std::string> host;      // lower case; "*.example.com" for one or more labels; empty = any
  std::string path;                   // exact; empty = not used
  std::string path_prefix;            // whole segments; empty = not used
  std::string path_regex;             // found anywhere in the path; empty = not used
  std::vector<std::string> methods;   // empty = any
  TextPairs match_headers;            // each one must be there
  TextPairs match_query;
  // Exactly one of these four:
  std::string upstream;            // empty = not used
  std::vector<SplitTarget> split;  // empty = not used
  std::optional<Redirect> redirect;
  std::optional<Respond> respond;
  std::optional<HashKey> split_key;
  std::string split_cookie;  // a name; empty = none
  std::string strip_prefix;  // empty = nothing
  std::string add_prefix;
  HeaderRules request_headers;
  HeaderRules response_headers;
  Milliseconds timeout = 0ms;  // 0 = none
  RouteRetry retry;
  RouteLimit limit;
  Priority priority = Priority::normal;

  bool operator==(const Route&) const = default;
};

enum class Balance { round_robin, least_connections, random_two, least_time, hash };

/// What servers are spoken to in.
enum class Protocol { http1, http2 };

struct Server {
  std::string name;  // as written, else the address's text; unique within its upstream
  base::HostPort address;
  unsigned weight = 1;           // 1..65535
  unsigned max_connections = 0;  // requests at once; 0: as the upstream says

  bool operator==(const Server&) const = default;
};

struct UpstreamTimeout {
  Milliseconds connect = 2s;
  Milliseconds response = 60s;
  Milliseconds idle = 60s;
  Milliseconds tunnel = 1h;
  Milliseconds drain = 30s;

  bool operator==(const UpstreamTimeout&) const = default;
};

struct Keepalive {
  std::uint64_t connections = 256;  // per worker and server; 0 = no connection is kept
  Milliseconds idle = 50s;
  std::uint64_t requests = 0;

  bool operator==(const Keepalive&) const = default;
};

struct StatusRange {
  int first = 200;
  int last = 399;

  bool operator==(const StatusRange&) const = default;
};

enum class HealthInitial { probe, up, down };

struct Health {
  std::string path = "/health";
  std::string method = "GET";
  std::string host;  // empty = the server's address
  std::vector<std::pair<std::string, std::string>> headers;
  Milliseconds interval = 2s;
  Milliseconds fast_interval = 500ms;
  Milliseconds timeout = 1s;
  double jitter = 0.1;
  unsigned rise = 2;
  unsigned fall = 3;
  std::vector<StatusRange> expect_status = {StatusRange{}};
  std::string expect_body;
  std::uint16_t port = 0;
  HealthInitial initial = HealthInitial::probe;

  bool operator==(const Health&) const = default;
};

struct Outlier {
  unsigned consecutive_errors = 5;
  unsigned consecutive_5xx = 0;
  Milliseconds ejection = 10s;
  double max_ejected = 0.5;

  bool operator==(const Outlier&) const = default;
};

/// Conditions of `retry.on`, as bits.
enum RetryCondition : std::uint32_t {
  retry_error = 1U << 0,
  retry_timeout = 1U << 1,
  retry_invalid_header = 1U << 2,
  retry_http_500 = 1U << 3,
  retry_http_502 = 1U << 4,
  retry_http_503 = 1U << 5,
  retry_http_504 = 1U << 6,
  retry_http_403 = 1U << 7,
  retry_http_404 = 1U << 8,
  retry_http_429 = 1U << 9,
  retry_non_idempotent = 1U << 10,
};

struct Retry {
  std::uint32_t on =
      retry_error | retry_timeout | retry_invalid_header | retry_http_502 | retry_http_503 | retry_http_504;
  unsigned attempts = 3;
  Milliseconds timeout = 0ms;
  std::uint64_t buffer = 64 * 1024;
  Milliseconds backoff = 0ms;
  double budget = 0.2;

  bool operator==(const Retry&) const = default;
};

struct UpstreamTls {
  bool verify = true;
  std::string ca;           // a path; empty = the system's
  std::string server_name;  // empty = the server's host
  std::string cert;         // a path, with key; empty = none
  std::string key;

  bool operator==(const UpstreamTls&) const = default;
};

/// Where servers come from beside `servers`. `resolver` and `min_ttl` are also for the host names in those.
struct Discover {
  std::string dns;       // "app.internal:3000", or "_http._tcp.app.internal"; empty = not used
  std::string resolver;  // with its port; empty = the system's
  Milliseconds min_ttl = 1s;
  std::string file;  // a path; empty = not used

  bool dns_is_service() const { return dns.starts_with('_'); }
  bool operator==(const Discover&) const = default;
};

struct Upstream {
  std::string name;
  Balance balance = Balance::round_robin;
  HashKey hash_key;
  double hash_load_factor = 0.0;
  std::vector<Server> servers;  // may be empty where there is something to discover
  std::optional<Discover> discover;
  std::string host_header = "preserve";  // preserve | upstream | a literal
  Protocol protocol = Protocol::http1;
  int proxy_protocol = 0;        // the version to send; 0 = none
  unsigned max_connections = 0;  // requests at once for each server; 0 = unlimited
  std::uint64_t queue = 1024;
  Milliseconds queue_timeout = 5s;
  UpstreamTimeout timeout;
  Keepalive keepalive;
  std::optional<Health> health;
  Outlier outlier;
  Retry retry;
  std::optional<UpstreamTls> tls;

  bool operator==(const Upstream&) const = default;
};

struct Config {
  std::string source;  // the file's name, or what stands for it ("command line", "demo")
  Process process;
  Log log;
  AccessLog access_log;
  std::optional<Admin> admin;
  std::vector<Listener> listeners;
  std::vector<Route> routes;
  std::vector<Upstream> upstreams;

  bool operator==(const Config&) const = default;
};

}  // namespace azulb::config
