#include "azulb/base/line_sink.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <syslog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "azulb/base/assert.hpp"
#include "azulb/base/clock.hpp"
#include "azulb/base/log.hpp"
#include "azulb/base/signals_blocked.hpp"

namespace azulb::base {
namespace {

/// The most that one write takes from a ring before its room is given back.
constexpr std::size_t block_bytes = std::size_t{256} << 10;

std::uint64_t count_lines(std::string_view lines) {
  return static_cast<std::uint64_t>(std::count(lines.begin(), lines.end(), '\n'));
}

}  // namespace

Result<LineOutput> LineOutput::open(const std::string& name) {
  LineOutput output{.mode = Mode::off, .name = name, .file = {}};
  if (name == "off") return output;
  output.mode = name == "syslog" ? Mode::syslog : Mode::file;
  if (output.mode == Mode::syslog) {
    openlog("azulb", LOG_PID, LOG_DAEMON);
    return output;
  }
  auto opened = OutputFile::open(name);
  if (!opened) return tl::unexpected<Error>(opened.error());
  output.file = std::move(*opened);
  return output;
}

Result<std::unique_ptr<LineSink>> LineSink::open(const std::string& output) {
  auto opened = LineOutput::open(output);
  if (!opened) return tl::unexpected<Error>(opened.error());
  const int wake_descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (wake_descriptor < 0) return system_failure("cannot start the access log: eventfd", errno);
  std::unique_ptr<LineSink> sink(new LineSink(std::move(*opened), wake_descriptor));
  if (sink->enabled()) sink->start_thread();
  return sink;
}

LineSink::LineSink(LineOutput output, int wake_descriptor)
    : wake_descriptor_(wake_descriptor),
      enabled_(output.mode != LineOutput::Mode::off),
      output_name_(output.name),
      output_(std::move(output)) {}

void LineSink::start_thread() {
  const SignalsBlocked blocked;
  thread_ = std::thread([this] { run(); });
}

void LineSink::redirect(LineOutput output) {
  enabled_ = output.mode != LineOutput::Mode::off;
  output_name_ = output.name;
  {
    const std::lock_guard lock(mutex_);
    redirections_.push_back({std::move(output), borders()});
  }
  if (thread_.joinable()) return wake();
  if (enabled_) start_thread();
}

LineSink::~LineSink() {
  stop();
  ::close(wake_descriptor_);
}

LineProducer& LineSink::add_producer(std::size_t ring_bytes) {
  const std::lock_guard lock(mutex_);
  producers_.push_back(std::make_unique<LineProducer>(ring_bytes, wake_descriptor_));
  return *producers_.back();
}

void LineSink::reopen() {
  reopen_requested_.store(true, std::memory_order_release);
  wake();
}

void LineSink::stop() {
  if (!thread_.joinable()) return;
  stop_requested_.store(true, std::memory_order_release);
  wake();
  thread_.join();
}

std::uint64_t LineSink::dropped_lines() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t sum = 0;
  for (const auto& producer : producers_)
    sum += producer->dropped();
  return sum;
}

void LineSink::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_descriptor_, &one, sizeof one);
}

void LineSink::run() {
  while (true) {
    const bool stopping = stop_requested_.load(std::memory_order_acquire);
    write_pending();
    if (reopen_requested_.exchange(false, std::memory_order_acq_rel)) reopen_file();
    if (stopping) return;
    wait_for_work();
  }
}

/// What each producer has committed so far. Under the mutex.
std::vector<std::uint64_t> LineSink::borders() const {
  std::vector<std::uint64_t> positions;
  for (const auto& producer : producers_)
    positions.push_back(producer->write_position_.load(std::memory_order_acquire));
  return positions;
}

/// Writes what has been committed by now, each line to the output that it was meant for. What comes later is
/// left: it may come after a redirection that is not known here yet.
void LineSink::write_pending() {
  std::vector<Redirection> redirections;
  std::vector<std::uint64_t> now;
  {
    const std::lock_guard lock(mutex_);
    redirections.swap(redirections_);
    // Before their positions are read, so that what is committed after that wakes the sink again.
    for (const auto& producer : producers_)
      producer->wake_requested_.store(false, std::memory_order_relaxed);
    now = borders();
  }
  for (Redirection& next : redirections) {
    drain(next.borders);
    output_ = std::move(next.output);
    failing_ = ends_in_broken_line_ = given_up_ = false;
  }
  drain(now);
}

/// Writes what stands before the borders, ring by ring. Producers that have none came later and are left out.
void LineSink::drain(const std::vector<std::uint64_t>& borders) {
  std::vector<LineProducer*> producers;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& producer : producers_)
      producers.push_back(producer.get());
  }
  for (std::size_t index = 0; index < borders.size(); ++index) {
    LineProducer* const producer = producers[index];
    while (true) {
      std::string_view lines = producer->peek();
      const std::uint64_t begin = producer->read_position_.load(std::memory_order_relaxed);
      if (lines.empty() || begin >= borders[index]) break;
      lines = lines.substr(0, std::min<std::uint64_t>(lines.size(), borders[index] - begin));
      if (lines.size() > block_bytes) lines = lines.substr(0, lines.rfind('\n', block_bytes - 1) + 1);
      if (output_.mode == LineOutput::Mode::syslog) {
        write_syslog(lines);
      } else if (output_.mode == LineOutput::Mode::file) {
        write_file(lines);
      }
      producer->release(lines.size());
    }
  }
}

void LineSink::write_file(std::string_view lines) {
  if (given_up_) return note_failure(lines);
  if (ends_in_broken_line_) {
    if (!write_whole("\n")) return note_failure(lines);
    ends_in_broken_line_ = false;
  }
  std::size_t written = 0;
  const bool complete = write_whole(lines, &written);
  if (complete) {
    if (failing_) log_info("access log: \"{}\" takes lines again", output_.name);
    failing_ = false;
    return;
  }
  ends_in_broken_line_ = written > 0 && lines[written - 1] != '\n';
  note_failure(lines.substr(written));
}

/// Goes on while the output is merely slow, except at the end of stop_patience when stopping. False: the rest
/// was refused.
bool LineSink::write_whole(std::string_view bytes, std::size_t* written) {
  std::int64_t patience_ends_ms = -1;
  while (!bytes.empty()) {
    const auto result = output_.file.write_some(bytes);
    if (result) {
      bytes.remove_prefix(*result);
      if (written != nullptr) *written += *result;
      patience_ends_ms = -1;
      continue;
    }
    if (result.error().system_error != EAGAIN) {
      last_error_ = result.error().message;
      return false;
    }
    if (stop_requested_.load(std::memory_order_acquire)) {
      const std::int64_t now_ms = monotonic_ms();
      if (patience_ends_ms < 0) patience_ends_ms = now_ms + stop_patience.count();
      if (given_up_ || now_ms >= patience_ends_ms) {
        given_up_ = true;
        last_error_ = "nobody reads it";
        return false;
      }
    }
    output_.file.wait_writable(flush_interval);
  }
  return true;
}

void LineSink::write_syslog(std::string_view lines) {
  while (!lines.empty()) {
    const std::size_t length = lines.find('\n');
    ::syslog(LOG_INFO, "%.*s", static_cast<int>(length), lines.data());
    lines.remove_prefix(length + 1);
  }
}

void LineSink::note_failure(std::string_view unwritten) {
  lost_lines_.add(count_lines(unwritten));
  if (!failing_) {
    log_error("access log: \"{}\" refuses lines, they are lost until it takes them again: {}", output_.name,
              last_error_);
  }
  failing_ = true;
}

void LineSink::reopen_file() {
  if (output_.mode != LineOutput::Mode::file || !output_.file.is_path()) return;
  auto opened = OutputFile::open(output_.name);
  if (!opened) {
    log_error("access log: still writing to the old file: {}", opened.error().message);
    return;
  }
  output_.file = std::move(*opened);
  ends_in_broken_line_ = false;
}

void LineSink::wait_for_work() {
  pollfd watched{wake_descriptor_, POLLIN, 0};
  const bool off = output_.mode == LineOutput::Mode::off;
  if (poll(&watched, 1, off ? -1 : static_cast<int>(flush_interval.count())) > 0) {
    std::uint64_t wakes = 0;
    [[maybe_unused]] const ssize_t taken = ::read(wake_descriptor_, &wakes, sizeof wakes);
  }
}

}  // namespace azulb::base
