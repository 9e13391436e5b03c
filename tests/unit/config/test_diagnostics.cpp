// Everything that can be wrong, with its place.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "support.hpp"

using namespace azulb::config;
using namespace azulb::config::test;

namespace {

struct Case {
  const char* text;   // stands behind kLeast, so its first line is line 3
  const char* fault;  // all of it
};

void check_cases(const std::vector<Case>& cases) {
  for (const Case& wrong : cases) {
    CAPTURE(wrong.text);
    CHECK(only_fault(std::string(kLeast) + wrong.text) == wrong.fault);
  }
}

}  // namespace

TEST_CASE("an unknown key is shown with the nearest known one") {
  check_cases(
      {{"[proces]", "3:2 proces: unknown key \"proces\" [process]"},
       {"[process]\nworker = 1", "4:1 process.worker: unknown key \"worker\" [workers]"},
       {"[process]\nmax_conn = 1", "4:1 process.max_conn: unknown key \"max_conn\" [max_connections]"},
       {"[log]\nzzz = 1", "4:1 log.zzz: unknown key \"zzz\""},
       {"[listener.b]\nadress = ':1'", "4:1 listener.b.adress: unknown key \"adress\" [address]"},
       {"[[routes]]", "3:3 routes: unknown key \"routes\" [route]"},
       {"upstream.app.health = { patj = 1 }", "3:25 upstream.app.health.patj: unknown key \"patj\" [path]"}});
}

TEST_CASE("a wrong type says which one is expected") {
  check_cases(
      {{"process.workers = true",
        "3:19 process.workers: \"workers\" must be a number or \"auto\", not a boolean"},
       {"process.max_connections = '1'",
        "3:27 process.max_connections: \"max_connections\" must be an integer, not a string"},
       {"process.drain_timeout = 30",
        "3:25 process.drain_timeout: \"drain_timeout\" must be a duration in quotes, not an integer"},
       {"process.max_memory = 1",
        "3:22 process.max_memory: \"max_memory\" must be a size in quotes, not an integer"},
       {"process.pid_file = 1", "3:20 process.pid_file: \"pid_file\" must be a string, not an integer"},
       {"access_log.sample = '1'", "3:21 access_log.sample: \"sample\" must be a number, not a string"},
       {"listener.http.proxy_protocol = 1",
        "3:32 listener.http.proxy_protocol: \"proxy_protocol\" must be true or false, not an integer"},
       {"log = []", "3:7 log: \"log\" must be a table, not a list"},
       {"[route]", "3:2 route: \"route\" must be a list of tables"},
       {"[[route]]\nhost = [1]\nrespond = {}",
        "4:9 route[1].host[1]: \"host[1]\" must be a string, not an integer"},
       {"upstream.b.servers = 'a:1'\nroute = [{ respond = {} }]",
        "3:22 upstream.b.servers: \"servers\" must be a list of servers, not a string"},
       {"upstream.b.servers = [1]\nroute = [{ respond = {} }]",
        "3:23 upstream.b.servers[1]: \"servers[1]\" must be a string or a table, not an integer"}});
  CHECK(only_fault("[listener]\naddress = ':1'\n[upstream.a]\nservers = ['a:1']") ==
        "1:1 listener: there is no listener: azulb would accept nothing\n"
        "2:1 listener.address: \"address\" stands where a name is expected");
}

TEST_CASE("a value out of range says what the range is") {
  check_cases(
      {{"process.workers = 0", "3:19 process.workers: \"workers\" must be between 1 and 1024, not 0"},
       {"process.drain_timeout = '9000h'",
        "3:25 process.drain_timeout: \"drain_timeout\" must be between 0s and 8760h, not 9000h"},
       {"access_log.sample = 1.5", "3:21 access_log.sample: \"sample\" must be between 0 and 1, not 1.5"},
       {"access_log.sample = nan", "3:21 access_log.sample: \"sample\" must be between 0 and 1, not nan"},
       {"listener.http.backlog = -1",
        "3:25 listener.http.backlog: \"backlog\" must be between 1 and 1048576, not -1"},
       {"listener.http.limit.request_line = '2MiB'",
        "3:36 listener.http.limit.request_line: \"request_line\" must be between 64 and 1MiB, not 2MiB"},
       {"upstream.app.proxy_protocol = 3",
        "3:31 upstream.app.proxy_protocol: \"proxy_protocol\" must be between 0 and 2, not 3"},
       {"upstream.app.retry.attempts = 0",
        "3:31 upstream.app.retry.attempts: \"attempts\" must be between 1 and 100, not 0"},
       {"upstream.app.hash_load_factor = 0.5",
        "3:14 upstream.app.hash_load_factor: \"hash_load_factor\" must be 0 (unbounded) or at least 1, such "
        "as 1.25"}});
}

TEST_CASE("a zero is refused where it would mean no limit and that makes no sense") {
  for (const char* key :
       {"listener.http.timeout.header", "listener.http.timeout.body", "listener.http.timeout.send",
        "listener.http.timeout.keepalive", "upstream.app.queue_timeout", "upstream.app.timeout.connect",
        "upstream.app.timeout.response", "upstream.app.timeout.idle", "upstream.app.timeout.tunnel",
        "upstream.app.keepalive.idle", "upstream.app.health.timeout", "upstream.app.health.interval",
        "upstream.app.health.fast_interval", "upstream.app.outlier.ejection"}) {
    CAPTURE(key);
    CHECK(only_fault(kLeast + std::string(key) + " = '0s'").find("must be between 1") != std::string::npos);
  }
}

TEST_CASE("malformed durations, sizes and choices are refused") {
  check_cases(
      {{"listener.http.http2 = 'yes'",
        "3:23 listener.http.http2: \"http2\" must be true or false, not a string"},
       {"listener.http.limit.http2_streams = 0",
        "3:37 listener.http.limit.http2_streams: \"http2_streams\" must be between 1 and 10000, not 0"},
       {"process.drain_timeout = '30'", "3:25 process.drain_timeout: \"30\" lacks a unit: h, m, s or ms"},
       {"process.max_memory = '1KB'",
        "3:22 process.max_memory: \"1KB\" is not a size, such as \"512\", \"16KiB\", \"4MiB\" or \"1GiB\""},
       {"log.level = 'warning'",
        "3:13 log.level: \"level\" must be one of debug, info, warn, error; not \"warning\""},
       {"log.level = 'inof'",
        "3:13 log.level: \"level\" must be one of debug, info, warn, error; not \"inof\" [info]"},
       {"log.output = 'stderrr'",
        "3:14 log.output: \"output\" must be stderr, stdout, syslog, or a path; not \"stderrr\" [stderr]"},
       {"process.workers = 'four'",
        "3:19 process.workers: \"workers\" must be a number or \"auto\", not \"four\""}});
}

TEST_CASE("what is agreed but not built is refused even at its default") {
  check_cases(
      {{"[[route]]\nupstream = 'app'\nmirror = ''", "5:1 route[1].mirror: \"mirror\" is not supported yet"},
       {"[[route]]\nupstream = 'app'\nrate_limit = {}",
        "5:1 route[1].rate_limit: \"rate_limit\" is not supported yet"},
       {"upstream.app.sticky = {}", "3:14 upstream.app.sticky: \"sticky\" is not supported yet"},
       {"route = [{ respond = {} }]\nupstream.b.servers = [{ address = 'a:1', backup = false }]",
        "4:42 upstream.b.servers[1].backup: \"backup\" is not supported yet"}});
}

TEST_CASE("the environment's faults are shown at the variable") {
  check_cases({{"process.pid_file = 'é/${PID}'",
                "3:23 process.pid_file: the environment variable \"PID\" is not set"},
               {"process.pid_file = '${'", "3:21 process.pid_file: \"${\" has no closing \"}\""},
               {"process.pid_file = '${1}'",
                "3:21 process.pid_file: \"${1}\" is not a variable: expected ${NAME} or ${NAME:-default}"}});
}

TEST_CASE("the access log's template knows its fields") {
  check_cases({{"access_log.format = '{time} {stats}'",
                "3:29 access_log.format: the access log has no field \"stats\" [status]"},
               {"access_log.format = '{time'", "3:22 access_log.format: \"{\" has no closing \"}\""},
               {"access_log.format = '{time}}'", "3:27 access_log.format: \"}\" without a \"{\" before it"},
               {"access_log.format = 'jsn'",
                "3:21 access_log.format: \"format\" must be json, combined or a template with {names}; not "
                "\"jsn\" [json]"}});
  for (const std::string_view field : access_log_fields()) {
    CHECK(faults(std::string(kLeast) + "access_log.format = '{" + std::string(field) + "}'").empty());
  }
  CHECK(faults(std::string(kLeast) + "access_log.format = '{{ {time} {tunnel} }}'").empty());
  check_cases({{"access_log.format = '{{time}'", "3:28 access_log.format: \"}\" without a \"{\" before it"}});
}

TEST_CASE("the admin interface is not left open") {
  check_cases({{"[admin]\naddress = ':9900'",
                "4:1 admin.address: an admin address that others can reach needs a token"},
               {"[admin]\naddress = '0.0.0.0:8080'\ntoken = 'x'",
                "4:11 admin.address: address \"0.0.0.0:8080\" occurs twice, first in line 1"},
               {"[admin]\ntoken_file = 'none'",
                "4:14 admin.token_file: cannot read token_file \"none\": No such file or directory"},
               {"[admin]\ntoken = 'x'\ntoken_file = 'y'",
                "5:1 admin.token_file: \"token\" and \"token_file\" exclude each other"},
               {"[admin]\ntoken = 'a b'",
                "4:9 admin.token: a token must not contain spaces, control characters or non-ASCII ones"}});
}

TEST_CASE("listeners have addresses, each once, and networks to trust") {
  check_cases(
      {{"[listener.b]", "3:11 listener.b.address: the listener \"b\" has no address"},
       {"listener.b.address = []", "3:12 listener.b.address: \"address\" must name at least one address"},
       {"listener.b.address = '0.0.0.0:8080'",
        "3:22 listener.b.address: address \"0.0.0.0:8080\" occurs twice, first in line 1"},
       {"listener.b.address = ['[::1]:1', '[0:0::1]:1']",
        "3:34 listener.b.address[2]: address \"[0:0::1]:1\" occurs twice, first in line 3"},
       {"listener.b.address = '8081'", "3:22 listener.b.address: \"8081\" has no port: expected HOST:PORT"},
       {"listener.http.trusted_proxies = ['10.0.0.0/33']",
        "3:34 listener.http.trusted_proxies[1]: \"10.0.0.0/33\": the prefix length must be 0 to 32"},
       {"listener.http.trusted_proxies = ['app']",
        "3:34 listener.http.trusted_proxies[1]: \"app\" is not a network such as 10.0.0.0/8 or "
        "2001:db8::/32"}});
}

TEST_CASE("a listener that expects PROXY headers must know from whom") {
  check_cases(
      {{"listener.http.proxy_protocol = true",
        "3:15 listener.http.proxy_protocol: \"proxy_protocol\" takes connections from trusted_proxies "
        "only, and there are none"},
       {"[listener.b]\naddress = [':1', 'unix:/b']\nproxy_protocol = true\ntrusted_proxies = []",
        "5:1 listener.b.proxy_protocol: \"proxy_protocol\" takes connections from trusted_proxies "
        "only, and there are none"},
       {"listener.http.proxy_protocol = true\nlistener.http.trusted_proxies = ['app']",
        "4:34 listener.http.trusted_proxies[1]: \"app\" is not a network such as 10.0.0.0/8 or "
        "2001:db8::/32"}});
}

TEST_CASE("a route leads to one place that exists") {
  check_cases(
      {{"[[route]]\nupstream = 'ap'", "4:12 route[1].upstream: there is no upstream \"ap\" [app]"},
       {"[[route]]\nlistener = ['htp']\nrespond = {}",
        "4:13 route[1].listener[1]: there is no listener \"htp\" [http]"},
       {"[[route]]\nname = 'n'",
        "3:1 route[1].upstream: the route \"n\" leads nowhere: it needs upstream, split, redirect or "
        "respond"},
       {"[[route]]\nrespond = {}\nupstream = 'app'",
        "5:1 route[1].upstream: a route leads to one of upstream, split, redirect and respond; this one has "
        "\"respond\" already"},
       {"[[route]]\npath_prefix = '/'\npath = '/'\nrespond = {}",
        "5:1 route[1].path: a route has at most one of path, path_prefix and path_regex"},
       {"[[route]]\nname = 'n'\nrespond = {}\n[[route]]\nname = 'n'\nrespond = {}",
        "7:8 route[2].name: route \"n\" occurs twice, first in line 4"},
       {"[[route]]\nredirect = {}", "4:1 route[1].redirect.to: a redirect needs \"to\""},
       {"[[route]]\nredirect = { to = '/', status = 304 }",
        "4:24 route[1].redirect.status: the status of a redirect must be 301, 302, 303, 307 or 308, not 304"},
       {"[[route]]\nrespond = { status = 101 }",
        "4:22 route[1].respond.status: \"status\" must be between 200 and 599, not 101"},
       {"[[route]]\nrespond = { status = 204, body = 'x' }",
        "4:27 route[1].respond.body: a response with status 204 has no body"}});
}

TEST_CASE("a route's match is one that can match") {
  const auto in_route = [](const std::string& line) {
    return only_fault(std::string(kLeast) + "[[route]]\nrespond = {}\n" + line);
  };
  CHECK(in_route("path = 'x'") == "5:8 route[1].path: a path begins with \"/\", not as \"x\"");
  CHECK(in_route("path = '/a b'").find("must not contain spaces") != std::string::npos);
  CHECK(in_route("path = '/é'").find("must not contain spaces") != std::string::npos);
  CHECK(in_route("path_prefix = '/a?b'").find("without its query") != std::string::npos);
  CHECK(in_route("path = '/100%'").find("encodes nothing") != std::string::npos);
  CHECK(in_route("path_prefix = '/%zz'").find("encodes nothing") != std::string::npos);
  CHECK(in_route("path = '/a%00'").find("with 400") != std::string::npos);
  CHECK(in_route("path = '/%2f%25'").empty());
  CHECK(in_route("methods = ['get']") ==
        "5:12 route[1].methods[1]: methods are in capitals, not \"get\" [GET]");
  CHECK(in_route("methods = 'A B'") == "5:11 route[1].methods: \"A B\" is not a method");
  CHECK(in_route("methods = ['CONNECT']") ==
        "5:12 route[1].methods[1]: azulb answers CONNECT with 405 and never forwards it");
  for (const char* host : {"*", "a.com:80", "a.*.com", "*a.com", "a..com", ".a", "a.", "", "a/b", "[::1",
                           "[a]", "[::1]:80", "é.com"}) {
    CAPTURE(host);
    CHECK(in_route("host = '" + std::string(host) + "'").starts_with("5:8 route[1].host: "));
  }
  for (const char* host : {"a", "*.a.b", "127.0.0.1", "[::1]", "my_app"}) {
    CHECK(in_route("host = '" + std::string(host) + "'").empty());
  }
}

TEST_CASE("servers are addresses to connect to, each once") {
  const auto with_servers = [](const std::string& servers) {
    return only_fault("listener.a.address = ':1'\nupstream.a.servers = [" + servers + "]");
  };
  CHECK(with_servers("") == "2:12 upstream.a.servers: an upstream needs at least one server");
  CHECK(with_servers("':1'") ==
        "2:23 upstream.a.servers[1]: \":1\" is nothing to connect to: a server has a host, and a port from 1 "
        "to 65535");
  CHECK(with_servers("'a:0'").find("nothing to connect to") != std::string::npos);
  CHECK(with_servers("'a:1', 'A:1'") ==
        "2:30 upstream.a.servers[2]: server \"A:1\" occurs twice, first in line 2");
  CHECK(with_servers("'a:1', { address = 'b:1', name = 'a:1' }") ==
        "2:56 upstream.a.servers[2].name: server name \"a:1\" occurs twice, first in line 2");
  CHECK(with_servers("{ weight = 1 }") == "2:23 upstream.a.servers[1].address: a server needs an address");
  CHECK(with_servers("{ address = 'a:1', weight = 65536 }") ==
        "2:51 upstream.a.servers[1].weight: \"weight\" must be between 1 and 65535, not 65536");
  CHECK(only_fault("listener.a.address = ':1'\n[upstream.a]") ==
        "2:11 upstream.a.servers: an upstream needs servers");
}

TEST_CASE("an upstream's words are understood or refused") {
  check_cases(
      {{"upstream.app.balance = 'round-robin'",
        "3:24 upstream.app.balance: \"balance\" must be one of round_robin, least_connections, random_two, "
        "least_time, hash; not "
        "\"round-robin\" [round_robin]"},
       {"upstream.app.hash_key = 'headr:x'",
        "3:25 upstream.app.hash_key: \"hash_key\" must be client_ip, path, host, header:NAME, cookie:NAME or "
        "query:NAME; not "
        "\"headr:x\" [header:x]"},
       {"upstream.app.hash_key = 'header:'",
        "3:25 upstream.app.hash_key: \"header:\" must be followed by a valid name, not \"\""},
       {"upstream.app.host_header = 'preserved'",
        "3:28 upstream.app.host_header: \"preserved\" is neither preserve nor upstream, and hardly a host "
        "[preserve]"},
       {"upstream.app.host_header = 'a b'",
        "3:28 upstream.app.host_header: \"a b\" cannot stand in a Host field: expected HOST or HOST:PORT"},
       {"upstream.app.retry.on = ['eror']",
        "3:26 upstream.app.retry.on[1]: \"eror\" is not a condition to retry on [error]"},
       {"upstream.app.retry.on = ['off', 'error']",
        "3:26 upstream.app.retry.on[1]: \"off\" stands alone: it contradicts the other conditions"},
       {"upstream.app.retry.on = ['error', 'error']",
        "3:35 upstream.app.retry.on[2]: condition \"error\" occurs twice, first in line 3"},
       {"upstream.app.retry.on = []",
        "3:20 upstream.app.retry.on: \"on\" is empty: to never retry, write on = [\"off\"]"},
       {"upstream.app.health.expect_status = '2xx'",
        "3:37 upstream.app.health.expect_status: \"2xx\" is not a status from 100 to 599 or a range of them: "
        "expected \"200\", "
        "\"200,204\" or \"200-399\""},
       {"upstream.app.health.headers = { 'a b' = 'c' }",
        "3:33 upstream.app.health.headers.a b: \"a b\" is not a header's name"},
       {"upstream.app.health.headers = { Host = 'c' }",
        "3:33 upstream.app.health.headers.Host: the Host of a health check is set with health.host"},
       {"upstream.app.health.headers = { a = '1', A = '2' }",
        "3:42 upstream.app.health.headers.A: header \"A\" occurs twice, first in line 3"},
       {"upstream.app.health.headers = { a = \"\\n\" }",
        "3:37 upstream.app.health.headers.a: a header's value must not contain control characters or "
        "non-ASCII ones"}});
  CHECK(
      only_fault("listener.a.address = ':1'\nupstream.a.servers = ['unix:/a']\nupstream.a.health.port = 1") ==
      "3:12 upstream.a.health: \"health.port\" has no meaning for a server on a unix socket");
}

TEST_CASE("a configuration accepts and leads somewhere") {
  CHECK(only_fault("") ==
        "1:1 listener: there is no listener: azulb would accept nothing\n"
        "1:1 upstream: there is no upstream and no route: requests would lead nowhere");
  CHECK(only_fault("[listener]\n[upstream]").find("1:1 upstream: there is no upstream") != std::string::npos);
  check_cases({{"upstream.b.servers = ['a:1']",
                "3:10 upstream.b: with several upstreams there must be routes to choose between them"},
               {"route = [{ respond = {} }]\n[listener.\"\"]\naddress = ':1'",
                "4:11 listener.: a name must not be empty"}});
}

TEST_CASE("a syntax error has a place and a hint") {
  const auto hint = [](const std::string& text) {
    const LoadResult result = load_text(text, "t", world());
    REQUIRE_FALSE(result.has_value());
    REQUIRE(result.error().size() == 1);
    const Diagnostic& diagnostic = result.error().front();
    CHECK(diagnostic.message.starts_with("not valid TOML: "));
    return std::to_string(diagnostic.line) + ":" + std::to_string(diagnostic.column) + " " + diagnostic.hint;
  };
  CHECK(hint("\nlisten 80;") ==
        "2:8 this looks like nginx's configuration; azulb reads TOML: key = value, tables as [name]");
  CHECK(hint("a = 30s") == "1:7 text, durations, sizes and addresses stand in quotes: \"30s\"");
  CHECK(hint("a: 1") == "1:2 a line is key = value");
  CHECK(hint("a = 1\na = 2") == "2:5 a key is written once in its table");
  CHECK(hint("[a]\n[a]") == "2:1 a table is written once; put all its keys under one header");
  CHECK(hint("a = 'x") == "1:7 the string has no closing quote on its line");
  CHECK(hint("a = [1,") == "1:8 the list has no closing \"]\", or a comma is missing");
  CHECK(hint("a = \"\\q\"") == "1:7 in double quotes a backslash is written \\\\; or use single quotes");
  CHECK(hint("[=]").starts_with("1:"));
  CHECK(hint("\"ü\" = 1\n'é' \xc4\xa1 = 1") == "2:5 ");
  CHECK(hint("a = 0\"\xc3\xbc\"").starts_with("1:"));
}

TEST_CASE("a key with a thousand parts is refused and not walked") {
  std::string key = "a";
  for (int part = 0; part < 1000; ++part)
    key += ".a";
  CHECK(only_fault(key + " = 1") == "1:64 : not valid TOML: a key has at most 32 parts");
  CHECK(only_fault("# " + key + "\n'" + key + "' = 1").find("1 parts") == std::string::npos);
}

TEST_CASE("all faults come at once, in file order") {
  const std::vector<std::string> all = faults(
      "[upstream.app]\nservers = []\n[listener.a]\naddress = '*:1'\n[process]\nworkers = 0\npid_file "
      "= 1\n[zzz]\n[[route]]\nupstream = 'x'");
  REQUIRE(all.size() == 6);
  const std::vector<std::string> places{"2:1 ", "4:11 ", "6:11 ", "7:12 ", "8:2 ", "10:12 "};
  for (std::size_t index = 0; index < places.size(); ++index)
    CHECK(all[index].starts_with(places[index]));
}

TEST_CASE("an account is judged where it is written, and a group goes with a user") {
  LoadOptions options = world();
  options.account.user = [](const std::string& user, bool has_group) -> azulb::base::Result<void> {
    if (user == "known" || (user == "42" && has_group)) return {};
    return azulb::base::failure("no user " + user);
  };
  options.account.group = [](const std::string& group) -> azulb::base::Result<void> {
    if (group == "known") return {};
    return azulb::base::failure("no group " + group);
  };
  const std::string least(kLeast);
  CHECK(faults(least + "process.user = 'x'\nprocess.group = 'y'", options) ==
        std::vector<std::string>{"3:16 process.user: no user x", "4:17 process.group: no group y"});
  CHECK(faults(least + "process.user = '42'", options).size() == 1);
  CHECK(faults(least + "process.user = '42'\nprocess.group = 'known'", options).empty());
  const std::string alone = "process.group: \"group\" goes with \"user\", and there is none";
  CHECK(faults(least + "process.group = 'known'", options) == std::vector<std::string>{"3:9 " + alone});
  CHECK(faults(least + "process.user = ''\nprocess.group = 'known'", options) ==
        std::vector<std::string>{"4:9 " + alone});
  CHECK(faults(least + "process.user = 1\nprocess.group = 'known'", options).size() == 1);
  const Config config = loaded(least + "process.user = 'known'\nprocess.group = ''", options);
  CHECK(config.process.user == "known");
  CHECK(config.process.group.empty());
}

TEST_CASE("a diagnostic is rendered with its line, a caret and a guess") {
  const LoadResult result = load_text("[listener.http]\n\té = 1\n\tadress = ':80'", "conf/a.toml", world());
  REQUIRE_FALSE(result.has_value());
  const std::string text = render(result.error());
  CHECK(text.find("error: this") == std::string::npos);
  Diagnostic diagnostic{"conf/a.toml",    7,         4,        "k", "unknown key \"adress\"",
                        "\té adress = 1", "address", "do this"};
  CHECK(render(diagnostic) ==
        "conf/a.toml:7:4: error: unknown key \"adress\"\n    \té adress = 1\n    \t  ^\ndid you mean "
        "\"address\"?\ndo this\n");
  diagnostic.line_text = "a\x1b[31m";
  diagnostic.message = "\n\x7f";
  CHECK(render(diagnostic) ==
        "conf/a.toml:7:4: error: \\x0a\\x7f\n    a\\x1b[31m\n          ^\ndid you mean \"address\"?\ndo "
        "this\n");
  CHECK(render(std::vector<Diagnostic>(2)).ends_with("2 errors\n"));
  CHECK(render(std::vector<Diagnostic>(1)).ends_with("1 error\n"));
}

TEST_CASE("a route's rules are ones that can be kept") {
  const auto in_route = [](const std::string& line) {
    return only_fault(std::string(kLeast) + "[[route]]\nupstream = 'app'\n" + line);
  };
  CHECK(in_route("path_regex = '^/a('").find("is no regular expression: missing ): ^/a(") !=
        std::string::npos);
  CHECK(in_route("path_regex = '^/a'\npath = '/a'") ==
        "6:1 route[1].path: a route has at most one of path, path_prefix and path_regex");
  for (const char* name : {"Host", "Connection", "X-Forwarded-Proto", "x_real_ip", "content-length"}) {
    CAPTURE(name);
    CHECK_FALSE(in_route("match_headers = { '" + std::string(name) + "' = 'x' }").empty());
    CHECK_FALSE(in_route("request_headers = { set = { '" + std::string(name) + "' = 'x' } }").empty());
    CHECK_FALSE(in_route("request_headers = { remove = ['" + std::string(name) + "'] }").empty());
  }
  CHECK(in_route("match_headers = { 'a b' = 'x' }").find("is not a header's name") != std::string::npos);
  CHECK(in_route("response_headers = { add = { Transfer-Encoding = 'x' } }").find("is azulb's to set") !=
        std::string::npos);
  CHECK(in_route("response_headers = { set = { A = '{statu}' } }").find("there is no variable {statu}") !=
        std::string::npos);
  CHECK(in_route("request_headers = { set = { A = '{status}' } }").find("there is no variable {status}") !=
        std::string::npos);
  CHECK(in_route("response_headers = { set = { A = \"a\\r\\nb\" } }").find("control characters") !=
        std::string::npos);
  CHECK(in_route("split_cookie = 'a'").find("only for a route with split") != std::string::npos);
  const auto in_split = [](const std::string& line) {
    return only_fault(std::string(kLeast) + "[[route]]\n" + line);
  };
  CHECK(in_split("split = []").find("a split needs an upstream with a weight") != std::string::npos);
  CHECK(in_split("split = [{ upstream = 'app', weight = 0 }]").find("with a weight") != std::string::npos);
  CHECK(in_split("split = [{ upstream = 'ap' }]").find("there is no upstream \"ap\"") != std::string::npos);
  CHECK(in_split("split = [{ weight = 1 }]").find("needs an upstream") != std::string::npos);
  CHECK(in_split("split = [{ upstream = 'app' }, { upstream = 'app' }]").find("occurs twice") !=
        std::string::npos);
  CHECK(in_split("split = [{ upstream = 'app' }]\nsplit_key = 'host:x'").find("\"split_key\" must be") !=
        std::string::npos);
  CHECK(in_split("split = [{ upstream = 'app' }]\nsplit_cookie = 'a b'").find("is not a cookie's name") !=
        std::string::npos);
  CHECK(in_split("split = [{ upstream = 'app' }]\nupstream = 'app'").find("leads to one of") !=
        std::string::npos);
  CHECK(in_route("strip_prefix = 'api'").find("begins with") != std::string::npos);
  CHECK(in_route("retry = { budget = 1.0 }").find("is the upstream's") != std::string::npos);
  CHECK(in_route("retry = { attempts = 0 }").find("between 1 and 100") != std::string::npos);
  CHECK(in_route("timeout = '-1s'").find("timeout") != std::string::npos);
  CHECK(only_fault(std::string(kLeast) + "[[route]]\nrespond = {}\nstrip_prefix = '/a'") ==
        "5:1 route[1].strip_prefix: \"strip_prefix\" is only for routes that lead to an upstream");
}
