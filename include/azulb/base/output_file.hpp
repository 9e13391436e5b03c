// Where lines go: standard output, standard error or a file, written without ever blocking on a slow reader.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "azulb/base/result.hpp"

namespace azulb::base {

/// An open descriptor for appending. Not thread-safe: its user serialises.
class OutputFile {
 public:
  OutputFile() = default;
  ~OutputFile();
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&& other) noexcept;
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  /// `output` is "stdout", "stderr" or a path, which is created (mode 0640) and appended to. The error names
  /// the path and the remedy.
  static Result<OutputFile> open(const std::string& output);

  bool is_open() const { return descriptor_ >= 0; }
  bool is_path() const { return owns_path_; }

  /// Writes what the output takes now, at least one byte, at most all. Error EAGAIN (in system_error) when it
  /// takes nothing: wait with wait_writable(). Never blocks on pipes, terminals and sockets; a regular file
  /// is as fast as its file system. Raises no SIGPIPE only if the caller's thread blocks or ignores it.
  Result<std::size_t> write_some(std::string_view bytes);

  /// Waits until the output takes bytes, or reports an error, or the time is over. False when the time was
  /// over.
  bool wait_writable(std::chrono::milliseconds timeout) const;

 private:
  enum class Kind { regular, nonblocking, socket, blocking };

  void close();

  int descriptor_ = -1;
  bool owns_descriptor_ = false;
  bool owns_path_ = false;
  Kind kind_ = Kind::regular;
};

}  // namespace azulb::base
