#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "azulb/discovery/server_file.hpp"
#include "fake_dns.hpp"

using namespace azulb;
using namespace azulb::discovery;
using azulb::discovery::test::turn_until;

namespace {

namespace fs = std::filesystem;

/// A directory of its own, and a server file in it.
struct Fixture {
  net::Loop loop;
  fs::path directory;
  config::Upstream upstream;
  int reads = 0;
  std::unique_ptr<ServerFile> file;

  Fixture() {
    std::string pattern = (fs::temp_directory_path() / "azulb-test-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    directory = pattern;
    upstream.name = "app";
    upstream.discover.emplace();
  }
  ~Fixture() {
    file.reset();
    fs::remove_all(directory);
  }

  static void write(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }
  void start(const std::string& name) {
    upstream.discover->file = (directory / name).string();
    file = std::make_unique<ServerFile>(loop, upstream, [this] { ++reads; });
  }
  std::string servers() const {
    std::string text;
    for (const config::Server& server : file->servers())
      text += server.name + "*" + std::to_string(server.weight) + " ";
    return text;
  }
  void await(const std::string& expected) {
    turn_until(loop, [&] { return servers() == expected; });
  }
};

}  // namespace

TEST_CASE("a file is followed through a write in place, a rename onto it, and its removal") {
  Fixture test;
  test.write(test.directory / "servers.json", R"(["127.0.0.1:1"])");
  test.start("servers.json");
  CHECK(test.servers() == "127.0.0.1:1*1 ");
  test.write(test.directory / "servers.json", R"({"servers": [{"address": "127.0.0.1:2", "weight": 4}]})");
  test.await("127.0.0.1:2*4 ");
  test.write(test.directory / "new", R"(["127.0.0.1:3"])");
  fs::rename(test.directory / "new", test.directory / "servers.json");
  test.await("127.0.0.1:3*1 ");
  const int reads = test.reads;
  fs::remove(test.directory / "servers.json");
  turn_until(test.loop, [&] { return test.reads > reads; });
  CHECK(test.servers() == "127.0.0.1:3*1 ");
  CHECK(test.file->health().error == "No such file or directory");
  test.write(test.directory / "servers.json", "[]");
  test.await("");
}

TEST_CASE("a swap of the links above a file is seen, as Kubernetes does it with a ConfigMap") {
  Fixture test;
  fs::create_directory(test.directory / "..1");
  fs::create_directory(test.directory / "..2");
  test.write(test.directory / "..1/servers.toml", "servers = ['127.0.0.1:1']");
  test.write(test.directory / "..2/servers.toml", "servers = ['127.0.0.1:2']");
  fs::create_symlink("..1", test.directory / "..data");
  fs::create_symlink("..data/servers.toml", test.directory / "servers.toml");
  test.start("servers.toml");
  CHECK(test.servers() == "127.0.0.1:1*1 ");
  fs::create_symlink("..2", test.directory / "..data_tmp");
  fs::rename(test.directory / "..data_tmp", test.directory / "..data");
  fs::remove_all(test.directory / "..1");
  test.await("127.0.0.1:2*1 ");
}

TEST_CASE("a broken file leaves the last good list, and counts") {
  Fixture test;
  test.write(test.directory / "servers.json", R"(["127.0.0.1:1"])");
  test.start("servers.json");
  test.write(test.directory / "servers.json", R"(["127.0.0.1:2", ])");
  turn_until(test.loop, [&] { return test.file->health().failures == 1; });
  CHECK(test.servers() == "127.0.0.1:1*1 ");
  CHECK(test.file->health().error.starts_with("1:17: this is not JSON: "));
  test.write(test.directory / "servers.json", R"(["127.0.0.1:2"])");
  test.await("127.0.0.1:2*1 ");
  CHECK(test.file->health().error.empty());
}

TEST_CASE("a file that comes later, in a directory that comes later, is found") {
  Fixture test;
  test.start("later/servers.json");
  CHECK(test.servers().empty());
  CHECK(test.file->health().failures == 1);
  fs::create_directory(test.directory / "later");
  test.write(test.directory / "later/servers.json", R"(["127.0.0.1:1"])");
  test.await("127.0.0.1:1*1 ");
}
