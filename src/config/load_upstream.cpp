// [upstream.NAME], but for its servers, health checks and retries
#include <algorithm>
#include <array>

#include "azulb/config/nearest.hpp"
#include "tables.hpp"

namespace azulb::config {
namespace {

constexpr std::int64_t kMostCount = 1'000'000'000;

struct HashKeyWord {
  std::string_view word;  // those with a colon are followed by a name
  HashKeyKind kind;
};

constexpr std::array<HashKeyWord, 6> kHashKeys{{{"client_ip", HashKeyKind::client_ip},
                                                {"path", HashKeyKind::path},
                                                {"host", HashKeyKind::host},
                                                {"header:", HashKeyKind::header},
                                                {"cookie:", HashKeyKind::cookie},
                                                {"query:", HashKeyKind::query}}};

/// "headr:X" is near "header:X".
std::string nearest_hash_key(std::string_view value) {
  const std::size_t colon = value.find(':');
  std::vector<std::string_view> words;
  words.reserve(kHashKeys.size());
  for (const HashKeyWord& known : kHashKeys)
    words.push_back(known.word);
  const bool has_name = colon != std::string_view::npos;
  std::string word = nearest(has_name ? value.substr(0, colon + 1) : value, words);
  if (word.ends_with(':')) word += has_name ? value.substr(colon + 1) : "NAME";
  return word;
}

}  // namespace

void read_hash_key(TableReader& table, std::string_view key, HashKey& hash_key) {
  const std::optional<Text> text = table.text(key);
  if (!text) return;
  for (const auto& [word, kind] : kHashKeys) {
    const bool has_name = word.ends_with(':');
    if (has_name ? !text->value.starts_with(word) : text->value != word) continue;
    const std::string name = text->value.substr(word.size());
    const bool is_free = kind == HashKeyKind::query && !name.empty() && !has_control_character(name);
    if (has_name && !is_free && !is_token(name)) {
      return table.context().report(*text,
                                    {quote(word) + " must be followed by a valid name, not " + quote(name)});
    }
    hash_key = {kind, name};
    return;
  }
  table.context().report(
      *text, {quote(key) + " must be client_ip, path, host, header:NAME, cookie:NAME or query:NAME; not " +
                  quote(text->value),
              nearest_hash_key(text->value)});
}

namespace {

/// 0, or at least 1: no server can take less than the mean if all requests are to be served.
void read_hash_load_factor(TableReader& table, double& factor) {
  double value = factor;
  if (!table.number("hash_load_factor", value, {0.0, 100.0})) return;
  if (value > 0.0 && value < 1.0) {
    return table.report("hash_load_factor",
                        {"\"hash_load_factor\" must be 0 (unbounded) or at least 1, such as 1.25"});
  }
  factor = value;
}

void read_timeout(TableReader& table, UpstreamTimeout& timeout) {
  table.duration("connect", timeout.connect);
  table.duration("response", timeout.response);
  table.duration("idle", timeout.idle);
  table.duration("tunnel", timeout.tunnel);
  table.duration("drain", timeout.drain, {0ms, kLongestTimeout});
}

void read_keepalive(TableReader& table, Keepalive& keepalive) {
  table.integer("connections", keepalive.connections, {0, 1'000'000});
  table.duration("idle", keepalive.idle);
  table.integer("requests", keepalive.requests, {0, kMostCount});
}

}  // namespace

void read_upstream(TableReader& table, Upstream& upstream) {
  table.choice<Balance>("balance", upstream.balance,
                        {{"round_robin", Balance::round_robin},
                         {"least_connections", Balance::least_connections},
                         {"random_two", Balance::random_two},
                         {"least_time", Balance::least_time},
                         {"hash", Balance::hash}});
  read_hash_key(table, "hash_key", upstream.hash_key);
  read_hash_load_factor(table, upstream.hash_load_factor);
  table.table("discover", [&](TableReader& inner) {
    read_discover(inner, upstream.discover.emplace(), table.has("servers"));
  });
  read_servers(table, upstream.servers, upstream.discover.has_value());
  table.choice<Protocol>("protocol", upstream.protocol,
                         {{"http1", Protocol::http1}, {"http2", Protocol::http2}});
  table.text("host_header", upstream.host_header, check_host_header);
  table.integer("proxy_protocol", upstream.proxy_protocol, {0, 2});
  table.integer("max_connections", upstream.max_connections, {0, kMostServerRequests});
  table.integer("queue", upstream.queue, {0, kMostCount});
  table.duration("queue_timeout", upstream.queue_timeout);
  table.table("timeout", [&](TableReader& inner) { read_timeout(inner, upstream.timeout); });
  table.table("keepalive", [&](TableReader& inner) { read_keepalive(inner, upstream.keepalive); });
  table.table("health", [&](TableReader& inner) { read_health(inner, upstream.health.emplace()); });
  table.table("outlier", [&](TableReader& inner) { read_outlier(inner, upstream.outlier); });
  table.table("retry", [&](TableReader& inner) { read_retry(inner, upstream.retry); });
  table.table("tls", [&](TableReader& inner) { read_upstream_tls(inner, upstream.tls.emplace()); });
  check_servers(table, upstream.servers, upstream);
  table.unsupported({"slow_start", "panic_threshold", "region", "failover_threshold", "sticky"});
}

}  // namespace azulb::config
