// From TOML to a Config, or everything that is wrong with it, each with its place.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "azulb/base/result.hpp"
#include "azulb/config/config.hpp"

namespace azulb::config {

/// One thing that is wrong in a configuration, and where.
struct Diagnostic {
  std::string source;        // the file's name as it was given
  std::uint32_t line = 0;    // from 1; 0 where the file as a whole is meant (it cannot be read)
  std::uint32_t column = 0;  // from 1, in characters, not bytes; 0 as for line
  std::string
      key;  // dotted: "upstream.app.servers[1].weight", list members counted from 1; empty for a syntax error
  std::string message;
  std::string line_text;   // the line as it is written, without its end
  std::string suggestion;  // the nearest known word; empty = none is near
  std::string hint;        // what to do about it; empty = the message says it all

  bool operator==(const Diagnostic&) const = default;
};

/// One diagnostic as text, ending with a line feed:
///
///     conf/azulb.toml:7:1: error: unknown key "adress"
///         adress = "0.0.0.0:8080"
///         ^
///     did you mean "address"?
///
/// Control characters of the configuration are shown escaped, so hostile text cannot steer a terminal.
std::string render(const Diagnostic& diagnostic);
/// All of them, and a last line that counts them.
std::string render(const std::vector<Diagnostic>& diagnostics);

/// The value of an environment variable, or nothing where it is not set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
/// A whole file's contents. Errors name the reason (not the path).
using FileReader = std::function<base::Result<std::string>(const std::string& path)>;
/// Told of every key a table knows, written or not: its dotted name and whether it is supported.
using KeyObserver = std::function<void(const std::string& key, bool supported)>;

/// Reads an environment variable of this process. Not to be called while another thread changes the
/// environment.
std::optional<std::string> process_environment(const std::string& name);
/// Reads a regular file, pipe or device of at most 4 MiB.
base::Result<std::string> read_small_file(const std::string& path);
/// How many CPUs this process may run on (sched_getaffinity), at least 1.
unsigned available_cpus();

/// What only a TLS library can judge; the errors name the file and the reason. What is not set is not judged.
struct TlsChecks {
  /// Whether a certificate and its private key can be read and belong together.
  std::function<base::Result<void>(const std::string& cert, const std::string& key)> certificate;
  /// Whether a file is a response to staple.
  std::function<base::Result<void>(const std::string& path)> ocsp;
  /// Whether a file is a bundle of CA certificates.
  std::function<base::Result<void>(const std::string& path)> bundle;
  /// Whether a list of ciphers for TLS 1.2 names only such.
  std::function<base::Result<void>(const std::string& ciphers)> ciphers;
};

/// Whether this machine has an account; the errors say what to do. What is not set is not judged.
struct AccountChecks {
  std::function<base::Result<void>(const std::string& user, bool has_group)> user;
  std::function<base::Result<void>(const std::string& group)> group;
};

/// What the loader takes from outside the text.
struct LoadOptions {
  Environment environment = process_environment;
  FileReader read_file = read_small_file;  // for admin.token_file, and for the file of load_file
  unsigned cpus = 0;                       // what workers = "auto" means; 0 = available_cpus()
  TlsChecks tls = {};
  AccountChecks account = {};
  KeyObserver key_observer = nullptr;
};

using LoadResult = tl::expected<Config, std::vector<Diagnostic>>;

/// Loads a file. Blocking; for start-up and reload, on the main thread. Host names are not resolved here.
LoadResult load_file(const std::string& path, const LoadOptions& options = {});
/// Loads TOML text; `source_name` stands for the file in diagnostics and in Config::source. Either a Config
/// whose every value is in range and whose every name leads somewhere, or at least one diagnostic, in file
/// order. A syntax error hides what comes after it. Safe on any thread.
LoadResult load_text(std::string_view text, const std::string& source_name, const LoadOptions& options = {});

/// Reads the list of servers that upstream.discover.file holds: TOML with `servers` as in an upstream where
/// the name ends in ".toml", else JSON: a list of the same strings and tables, or an object with `servers`.
/// The list may be empty. `upstream` is the one it is for, whose settings the servers must fit. JSON has no
/// places: but for its syntax, its diagnostics are about the file as a whole. Variables are not replaced.
using ServersResult = tl::expected<std::vector<Server>, std::vector<Diagnostic>>;
ServersResult load_servers(std::string_view text, const std::string& source_name, const Upstream& upstream);

/// The names an access log template may use in braces; the keys of its JSON form.
const std::vector<std::string_view>& access_log_fields();

}  // namespace azulb::config
