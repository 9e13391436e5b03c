// conf/reference.toml is a contract: these tests hold it and the loader to each other.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "support.hpp"

using namespace azulb::config;
using namespace azulb::config::test;

namespace {

constexpr std::string_view kMark = "# not supported yet: ";

std::string shipped(const std::string& name) {
  return read_small_file(std::string(AZULB_SOURCE_DIR) + "/conf/" + name).value();
}

/// With what is a comment only for want of the files it names.
std::string reference() {
  std::string text = shipped("reference.toml");
  constexpr std::string_view mark = "#| ";
  for (std::size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at))
    text.erase(at, mark.size());
  return text;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);)
    lines.push_back(line);
  return lines;
}

std::string join(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines)
    text += line + "\n";
  return text;
}

/// The key of a "key = value" line; empty for any other line.
std::string key_of(const std::string& line) {
  const std::size_t end = line.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_");
  const bool is_pair = end != std::string::npos && end > 0 && line.substr(end).starts_with(" = ");
  return is_pair ? line.substr(0, end) : "";
}

/// Keys whose value in the reference is an example, for there is no default.
bool is_example(const std::string& line) {
  static const std::set<std::string> examples{"name",     "host",    "path_prefix", "upstream",
                                              "redirect", "respond", "servers",     "certificates"};
  const std::string key = key_of(line);
  const bool is_listener_address =
      key == "address" && (line.find("8080") != std::string::npos || line.find("8443") != std::string::npos);
  const bool is_health_host = key == "host" && line.find("\"\"") != std::string::npos;
  const bool is_exact_path = key == "path" && line.find("/ping") != std::string::npos;
  return is_listener_address || is_exact_path || (examples.contains(key) && !is_health_host);
}

/// "upstream.app.servers[2].weight" becomes "weight".
std::string last_part(const std::string& path) {
  return path.substr(path.rfind('.') + 1);
}

}  // namespace

TEST_CASE("the shipped configurations are valid") {
  const Config start = loaded(shipped("azulb.toml"));
  REQUIRE(start.upstreams.size() == 1);
  CHECK(start.upstreams[0].servers.size() == 5);
  CHECK(start.upstreams[0].servers[4].address.text() == "127.0.0.1:3005");
  REQUIRE(start.upstreams[0].health.has_value());
  CHECK(start.upstreams[0].health->path == "/health");
  CHECK(start.admin == Admin{});
  CHECK(start.routes[0].name == "default");
  CHECK(loaded(shipped("reference.toml")).routes.size() == 3);
}

TEST_CASE("what the reference shows as a default is the default") {
  const std::vector<std::string> lines = lines_of(reference());
  const Config whole = loaded(join(lines));
  std::size_t compared = 0;
  for (std::size_t index = 0; index < lines.size(); ++index) {
    if (key_of(lines[index]).empty() || is_example(lines[index])) continue;
    CAPTURE(lines[index]);
    std::vector<std::string> without = lines;
    without[index].clear();
    CHECK(loaded(join(without)) == whole);
    ++compared;
  }
  CHECK(compared > 60);
}

TEST_CASE("every key of the reference is read: misspelled, it is unknown and the right one is proposed") {
  const std::vector<std::string> lines = lines_of(reference());
  for (std::size_t index = 0; index < lines.size(); ++index) {
    const std::string key = key_of(lines[index]);
    if (key.empty()) continue;
    CAPTURE(lines[index]);
    std::vector<std::string> misspelled = lines;
    misspelled[index] = key + "x" + lines[index].substr(key.size());
    const std::vector<std::string> found = faults(join(misspelled));
    const std::string expected = ": unknown key \"" + key + "x\" [" + key + "]";
    CHECK(std::count_if(found.begin(), found.end(), [&](const std::string& fault) {
            return fault.starts_with(std::to_string(index + 1) + ":1 ") && fault.ends_with(expected);
          }) == 1);
  }
}

TEST_CASE("every key that the reference marks as not supported yet is refused with these words") {
  const std::vector<std::string> lines = lines_of(reference());
  std::size_t marked = 0;
  for (std::size_t index = 0; index < lines.size(); ++index) {
    if (!lines[index].starts_with(kMark)) continue;
    CAPTURE(lines[index]);
    ++marked;
    std::vector<std::string> written = lines;
    written[index] = lines[index].substr(kMark.size());
    // A list of servers can only be written once, and a table only at the end of the one before it.
    const bool is_servers = written[index].starts_with("servers");
    if (is_servers) {
      written = lines_of("listener.http.address = ':1'\n[upstream.app]\n" + written[index] + "\n");
    }
    const std::vector<std::string> found = faults(join(written));
    const std::string line = std::to_string(is_servers ? 3 : index + 1) + ":";
    CHECK(std::count_if(found.begin(), found.end(), [&](const std::string& fault) {
            return fault.starts_with(line) && fault.ends_with("is not supported yet");
          }) == 1);
  }
  CHECK(marked > 0);
}

TEST_CASE("every key that the loader knows is in the reference") {
  std::vector<std::pair<std::string, bool>> known;
  LoadOptions options = world();
  options.key_observer = [&](const std::string& key, bool supported) { known.emplace_back(key, supported); };
  const std::string text = reference();
  REQUIRE(load_text(text, "reference.toml", options).has_value());
  const std::vector<std::string> lines = lines_of(text);
  for (const auto& [path, supported] : known) {
    CAPTURE(path);
    const std::string key = last_part(path);
    const bool is_there = std::any_of(lines.begin(), lines.end(), [&](const std::string& line) {
      const bool is_marked = line.find(kMark) != std::string::npos;
      const bool names_it = line.find(key + " = ") != std::string::npos ||
                            line.find("." + key + "]") != std::string::npos ||
                            line.find("[" + key) != std::string::npos;
      // A key that is not built must stand behind the mark and one that is must not.
      return names_it && (is_marked != supported);
    });
    // [listener.NAME] and [upstream.NAME] have no line of their own.
    CHECK((is_there || path == "listener" || path == "upstream" || path == "route[1].path" ||
           path == "route[1].redirect"));
  }
  CHECK(known.size() > 100);
}
