// The way of access log lines out of the process: a bounded ring per worker, one thread that writes them.
// A worker makes no system call for a line (one write to an eventfd when its ring passes half full), takes no
// lock and allocates nothing. When the output is slower than the workers, lines are dropped and counted;
// traffic goes on.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "azulb/base/counter.hpp"
#include "azulb/base/output_file.hpp"
#include "azulb/base/result.hpp"

namespace azulb::base {

class LineSink;

/// One worker's end: a ring of bytes with one producer (the worker) and one consumer (the sink's thread).
/// Made by LineSink::add_producer() and owned by the sink.
class LineProducer {
 public:
  LineProducer(std::size_t capacity_bytes, int wake_descriptor);

  /// Room for a line of at most `size_bytes`, contiguous, valid until commit() or the next reserve(). Null
  /// when the ring is too full: the line is then counted as dropped. Worker's thread only.
  char* reserve(std::size_t size_bytes);

  /// Hands over the first `used_bytes` (at most what was reserved) of the reserved room: whole lines, the
  /// newline included. Zero hands over nothing. Worker's thread only.
  void commit(std::size_t used_bytes);

  /// Lines that found no room. Any thread.
  std::uint64_t dropped() const { return dropped_.value(); }

 private:
  friend class LineSink;

  /// The oldest contiguous bytes not yet released; empty when there are none. Sink's thread only.
  std::string_view peek();
  void release(std::size_t size_bytes);
  void request_wake();

  const std::size_t capacity_;
  const int wake_descriptor_;
  const std::unique_ptr<char[]> ring_;

  // Positions count bytes from the start and never wrap (2^64 bytes are centuries); the place in the ring is
  // the position modulo the capacity. A line that would cross the ring's end starts at its beginning instead:
  // pad_position_ is where the bytes skipped so begin. There is at most one such gap between the two
  // positions.
  alignas(64) std::atomic<std::uint64_t> write_position_{0};
  std::atomic<std::uint64_t> pad_position_{UINT64_MAX};
  std::uint64_t read_seen_ =
      0;  // the producer's copy of read_position_, refreshed only when it says "too full"
  std::uint64_t reserved_at_ = 0;
  std::size_t reserved_size_ = 0;
  Counter dropped_;
  alignas(64) std::atomic<std::uint64_t> read_position_{0};
  std::atomic<bool> wake_requested_{false};
};

/// An output that has been opened, for LineSink::redirect.
struct LineOutput {
  enum class Mode { off, file, syslog };
  Mode mode = Mode::off;
  std::string name;
  OutputFile file;

  /// `name`: "off" | "stdout" | "stderr" | "syslog" | a path. The error names it and the remedy.
  static Result<LineOutput> open(const std::string& name);
};

/// One per process: owns the output, the producers and the writing thread.
class LineSink {
 public:
  static constexpr std::size_t default_ring_bytes = std::size_t{1} << 20;
  /// The longest that a committed line waits before it is written while the output takes bytes.
  static constexpr std::chrono::milliseconds flush_interval{100};
  /// How long stop() goes on trying while the output takes nothing at all.
  static constexpr std::chrono::milliseconds stop_patience{1000};

  /// `output` as for LineOutput::open. Starts the thread (none for "off").
  static Result<std::unique_ptr<LineSink>> open(const std::string& output);
  /// Lines go there from now on; those that were committed before still go where they went, or nowhere if
  /// that was "off". Main thread.
  void redirect(LineOutput output);

  /// stop()s.
  ~LineSink();
  LineSink(const LineSink&) = delete;
  LineSink& operator=(const LineSink&) = delete;

  /// False for "off": then there is nothing to format lines for. Main thread.
  bool enabled() const { return enabled_; }
  /// As it was opened or redirected last. Main thread.
  const std::string& output() const { return output_name_; }

  /// What a producer needs to wake the sink, if its thread has a descriptor table of its own.
  int wake_descriptor() const { return wake_descriptor_; }

  /// A ring of its own for one more worker, freed with the sink. Any thread; at start, not per request.
  LineProducer& add_producer(std::size_t ring_bytes = default_ring_bytes);

  /// Opens the file anew, if the output is a file; done by the writing thread soon after. Takes no lock and
  /// allocates nothing: a signal handler may call it. A file that cannot be opened is logged, and the old one
  /// stays in use.
  void reopen();

  /// Writes everything that was committed before the call, then ends the thread. Producers drop lines from
  /// then on are never written: stop the workers first. May be called again.
  void stop();

  /// Lines that found no room in their ring, all producers together. Any thread.
  std::uint64_t dropped_lines() const;
  /// Lines that the output refused (disk full, reader gone). Any thread.
  std::uint64_t lost_lines() const { return lost_lines_.value(); }

 private:
  /// `borders`: what each producer had committed when it was asked for.
  struct Redirection {
    LineOutput output;
    std::vector<std::uint64_t> borders;
  };

  LineSink(LineOutput output, int wake_descriptor);

  void start_thread();
  void run();
  std::vector<std::uint64_t> borders() const;
  void write_pending();
  void drain(const std::vector<std::uint64_t>& borders);
  void write_file(std::string_view lines);
  bool write_whole(std::string_view bytes, std::size_t* written = nullptr);
  static void write_syslog(std::string_view lines);
  void note_failure(std::string_view unwritten);
  void reopen_file();
  void wait_for_work();
  void wake();

  const int wake_descriptor_;
  bool enabled_;             // main's
  std::string output_name_;  // main's
  // The writing thread's, once it runs:
  LineOutput output_;
  std::string last_error_;
  bool ends_in_broken_line_ = false;  // the rest of the file's last line was refused
  bool failing_ = false;              // the last write was refused; logged once
  bool given_up_ = false;             // stopping, and the output took nothing for stop_patience
  Counter lost_lines_;
  std::atomic<bool> reopen_requested_{false};
  std::atomic<bool> stop_requested_{false};
  mutable std::mutex mutex_;  // of the two that follow, not of the rings; workers never take it
  std::vector<std::unique_ptr<LineProducer>> producers_;
  std::vector<Redirection> redirections_;
  std::thread thread_;
};

}  // namespace azulb::base
