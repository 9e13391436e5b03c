#include "azulb/proxy/access_log.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <time.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "allocation_counter.hpp"

using azulb::base::Random;
using azulb::proxy::AccessLog;
using azulb::proxy::AccessLogFormat;
using azulb::proxy::AccessLogSampler;
using azulb::proxy::AccessRecord;
using azulb::proxy::ErrorWord;

namespace {

AccessRecord full_record() {
  AccessRecord record;
  record.time_ns = 1'795'426'429'123'456'789;  // 2026-11-23T09:33:49.123Z
  record.client_ip = "192.0.2.7";
  record.client_port = 51234;
  record.listener = "http";
  record.host = "api.example.com";
  record.method = "POST";
  record.target = "/api/users?page=2";
  record.version = "HTTP/1.1";
  record.status = 502;
  record.route = "users";
  record.upstream = "app";
  record.server = "127.0.0.1:3001";
  record.attempts = 3;
  record.request_id = "0af7651916cd43dd8448eb211c80319c";
  record.bytes_received = 1234;
  record.bytes_sent = 567890123456;
  record.body_bytes_sent = 567890123456;
  record.duration_ns = 12'345'678;
  record.time_to_first_byte_ns = 999;
  record.upstream_time_ns = 11'000'000;
  record.queue_time_ns = 0;
  record.error = ErrorWord::upstream_reset;
  record.user_agent = "curl/7.88.1";
  record.referer = "https://example.com/";
  record.tunnel = false;
  return record;
}

std::string line_of(std::string_view format, const AccessRecord& record) {
  auto compiled = AccessLogFormat::compile(format);
  REQUIRE(compiled);
  const std::size_t capacity = compiled->max_line_bytes();
  REQUIRE(capacity <= AccessLogFormat::line_limit_bytes);
  std::string line(capacity + 16, '#');
  const std::size_t length = compiled->format(record, line.data(), capacity);
  REQUIRE(length > 0);
  REQUIRE(length <= capacity);
  CHECK(line.substr(capacity) == "################");
  line.resize(length);
  CHECK(line.find('\n') == length - 1);  // one line, ended
  line.pop_back();
  return line;
}

/// Every text field set to the same bytes.
AccessRecord record_of(std::string_view text) {
  AccessRecord record;
  for (auto field : {&AccessRecord::client_ip, &AccessRecord::listener, &AccessRecord::host,
                     &AccessRecord::method, &AccessRecord::target, &AccessRecord::version,
                     &AccessRecord::route, &AccessRecord::upstream, &AccessRecord::server,
                     &AccessRecord::request_id, &AccessRecord::user_agent, &AccessRecord::referer}) {
    record.*field = text;
  }
  return record;
}

/// Local time is UTC while this lives.
class InUtc {
 public:
  InUtc() {
    setenv("TZ", "UTC", 1);
    tzset();
  }
  ~InUtc() {
    unsetenv("TZ");
    tzset();
  }
};

}  // namespace

TEST_CASE("a JSON line has every key once, in order") {
  CHECK(
      line_of("json", full_record()) ==
      R"({"time":"2026-11-23T09:33:49.123Z","client_ip":"192.0.2.7","client_port":51234,"listener":"http",)"
      R"("host":"api.example.com","method":"POST","target":"/api/users?page=2","version":"HTTP/1.1","status":502,)"
      R"("route":"users","upstream":"app","server":"127.0.0.1:3001","attempts":3,)"
      R"("request_id":"0af7651916cd43dd8448eb211c80319c","bytes_received":1234,"bytes_sent":567890123456,)"
      R"("duration_ms":12.345,"time_to_first_byte_ms":0.000,"upstream_ms":11.000,"queue_ms":0.000,)"
      R"("error":"upstream_reset","user_agent":"curl/7.88.1","referer":"https://example.com/","tunnel":false})");
}

TEST_CASE("what is not known is null in JSON") {
  const auto line = nlohmann::json::parse(line_of("json", AccessRecord{}));
  const std::set<std::string> always = {"time", "attempts", "bytes_received", "bytes_sent", "tunnel"};
  CHECK(line.size() == 24);
  for (const auto& [key, value] : line.items())
    CHECK(value.is_null() == !always.contains(key));
}

TEST_CASE("a combined line reads as nginx writes it") {
  const InUtc utc;
  CHECK(line_of("combined", full_record()) ==
        R"(192.0.2.7 - - [23/Nov/2026:09:33:49 +0000] "POST /api/users?page=2 HTTP/1.1" 502 567890123456 )"
        R"("https://example.com/" "curl/7.88.1")");
  CHECK(line_of("combined", AccessRecord{}) == R"(- - - [01/Jan/1970:00:00:00 +0000] "-" - 0 "-" "-")");
}

TEST_CASE("hostile bytes in a combined line become backslash x and hexadecimal digits") {
  AccessRecord record = full_record();
  record.user_agent = "a\"b\\c\n\x1b\x7f\xc3\xa9";
  const std::string line = line_of("combined", record);
  CHECK(line.find(R"("a\x22b\x5Cc\x0A\x1B\x7F\xC3\xA9")") != std::string::npos);
}

TEST_CASE("a template writes its text and fields, and a dash for what is absent") {
  CHECK(line_of("{client_ip} {method} {target} {status} {duration_ms}", full_record()) ==
        "192.0.2.7 POST /api/users?page=2 502 12.345");
  CHECK(line_of("{{{status}}} ua=\"{user_agent}\" {tunnel}!", AccessRecord{}) == "{-} ua=\"-\" false!");
  CHECK(line_of("{time}", full_record()) == "2026-11-23T09:33:49.123Z");
}

TEST_CASE("a template with a mistake is an error that says which") {
  const auto message = [](std::string_view format) {
    const auto compiled = AccessLogFormat::compile(format);
    return compiled ? std::string() : compiled.error().message;
  };
  CHECK(message("{clientip}").find("\"clientip\"; fields are time, client_ip,") != std::string::npos);
  CHECK(message("{status").find("not closed") != std::string::npos);
  CHECK(message("{status}}").find("closes nothing") != std::string::npos);
  CHECK(message("{status}\n{host}").find("line break") != std::string::npos);
  CHECK(message("JSON").find("neither") != std::string::npos);
  CHECK(message("{target} {target}").find("could pass 16384 bytes") != std::string::npos);
}

TEST_CASE("a line does not fit: nothing is written") {
  auto format = AccessLogFormat::compile("json");
  char out[64] = "untouched";
  CHECK(format->format(full_record(), out, sizeof out) == 0);
  CHECK(std::string(out) == "untouched");
}

TEST_CASE("whatever bytes a client sends, a JSON line is valid JSON in valid UTF-8") {
  Random random(7);
  for (int round = 0; round < 3000; ++round) {
    std::string text(random.below(60), '\0');
    for (char& byte : text) {
      byte = random.below(3) == 0 ? "\"\\\n\xC3\xE2\x82\xF0\xED\xA0"[random.below(9)]
                                  : static_cast<char>(random.below(256));
    }
    const auto line = nlohmann::json::parse(line_of("json", record_of(text)), nullptr, false);
    REQUIRE_FALSE(line.is_discarded());
    REQUIRE(line.size() == 24);
  }
}

TEST_CASE("overlong values are cut and marked, and the line stays within its limit and valid") {
  for (const char* unit : {"a", "\"", "\x01", "\xff", "é", "€", "😀"}) {
    std::string text;
    while (text.size() < 70'000)
      text += unit;
    const auto line = nlohmann::json::parse(line_of("json", record_of(text)), nullptr, false);
    REQUIRE_FALSE(line.is_discarded());
    const auto target = line["target"].get<std::string>();
    CHECK(target.substr(target.size() - 3) == "…");
    CHECK(line_of("combined", record_of(text)).find("...\" \"") != std::string::npos);
    CHECK(line_of("{target}", record_of(text)).size() <= 8192);
  }
}

TEST_CASE("a target within 8 KiB is whole in the log") {
  const std::string target(8000, 't');
  AccessRecord record;
  record.target = target;
  CHECK(nlohmann::json::parse(line_of("json", record))["target"] == target);
}

TEST_CASE("numbers at their largest fit") {
  const std::string text(100'000, '\1');
  AccessRecord record = record_of(text);
  record.client_port = 65535;
  record.status = -2'147'483'647;
  record.attempts = UINT32_MAX;
  record.bytes_received = record.bytes_sent = UINT64_MAX;
  record.duration_ns = record.time_to_first_byte_ns = record.upstream_time_ns = record.queue_time_ns =
      INT64_MAX;
  record.error = ErrorWord::too_many_connections;
  CHECK_FALSE(nlohmann::json::parse(line_of("json", record), nullptr, false).is_discarded());
}

TEST_CASE("the time follows when the second changes, and when it goes back") {
  auto format = AccessLogFormat::compile("{time}");
  const std::pair<std::int64_t, std::string> times[] = {
      {1'795'426'429'999'999'999, "2026-11-23T09:33:49.999Z\n"},
      {1'795'426'430'000'000'000, "2026-11-23T09:33:50.000Z\n"},
      {1'795'426'429'001'000'000, "2026-11-23T09:33:49.001Z\n"},
  };
  for (const auto& [time_ns, wanted] : times) {
    AccessRecord record;
    record.time_ns = time_ns;
    char out[64];
    CHECK(std::string(out, format->format(record, out, sizeof out)) == wanted);
  }
}

TEST_CASE("sampling keeps its share of good lines and every bad, retried or marked one") {
  AccessLogSampler sampler(0.25, Random(1));
  AccessRecord good;
  good.status = 200;
  good.attempts = 1;
  int kept = 0;
  for (int i = 0; i < 100'000; ++i)
    kept += sampler.keep(good) ? 1 : 0;
  CHECK(kept > 24'000);
  CHECK(kept < 26'000);

  AccessLogSampler none(0.0, Random(1));
  CHECK_FALSE(none.keep(good));
  for (const int status : {0, 101, 400, 404, 499, 500, 503}) {
    AccessRecord bad = good;
    bad.status = status;
    CHECK(none.keep(bad));
  }
  AccessRecord retried = good;
  retried.attempts = 2;
  CHECK(none.keep(retried));
  AccessRecord broken = good;
  broken.error = ErrorWord::client_closed;
  CHECK(none.keep(broken));

  AccessLogSampler all(1.0, Random(1));
  bool every = true;
  for (int i = 0; i < 1000; ++i)
    every = every && all.keep(good);
  CHECK(every);
}

TEST_CASE("the same random numbers keep the same lines") {
  AccessLogSampler one(0.5, Random(9));
  AccessLogSampler other(0.5, Random(9));
  AccessRecord good;
  good.status = 304;
  for (int i = 0; i < 1000; ++i)
    REQUIRE(one.keep(good) == other.keep(good));
}

TEST_CASE("a worker's access log writes to the sink and allocates nothing") {
  char pattern[] = "/tmp/azulb-access-log-XXXXXX";
  REQUIRE(mkdtemp(pattern) != nullptr);
  const std::string path = std::string(pattern) + "/access.log";
  std::uint64_t allocated = 0;
  {
    auto sink = azulb::base::LineSink::open(path);
    REQUIRE(sink);
    for (const char* format : {"json", "combined", "{status} {target}"}) {
      AccessLog log(*AccessLogFormat::compile(format), AccessLogSampler(1.0, Random(1)),
                    &(*sink)->add_producer());
      CHECK(log.enabled());
      AccessRecord record = full_record();
      log.write(record);  // the C library may load the time zone
      const std::uint64_t before = azulb::test::allocation_count();
      for (int i = 0; i < 9; ++i) {
        record.time_ns += 1'000'000'000;
        log.write(record);
      }
      allocated += azulb::test::allocation_count() - before;
    }
    CHECK((*sink)->dropped_lines() == 0);
  }
  CHECK(allocated == 0);
  std::ifstream file(path);
  int lines = 0;
  for (std::string line; std::getline(file, line);)
    ++lines;
  CHECK(lines == 30);
  std::filesystem::remove_all(pattern);
}

TEST_CASE("an access log without a producer is off") {
  AccessLog log(*AccessLogFormat::compile("json"), AccessLogSampler(1.0, Random(1)), nullptr);
  CHECK_FALSE(log.enabled());
  log.write(full_record());
}

TEST_CASE("every error word has a name of its own and a fitting status") {
  std::set<std::string_view> names;
  for (const auto& entry : azulb::proxy::error_word_table) {
    names.insert(entry.name);
    CHECK((entry.status == 0 || (entry.status >= 400 && entry.status <= 504)));
  }
  CHECK(names.size() == azulb::proxy::error_word_table.size());
  CHECK(error_name(ErrorWord::queue_timeout) == "queue_timeout");
  CHECK(default_status(ErrorWord::upstream_timeout) == 504);
  CHECK(error_name(ErrorWord::internal) == "internal");
}
