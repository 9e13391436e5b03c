#include "azulb/base/line_sink.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <syslog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "azulb/base/assert.hpp"
#include "azulb/base/clock.hpp"
#include "azulb/base/log.hpp"

namespace azulb::base {
namespace {

/// The most that one write takes from a ring before its room is given back.
constexpr std::size_t block_bytes = std::size_t{256} << 10;

/// Signals are main's: while this lives, threads that are started block them all (SIGPIPE of a lost reader
/// included).
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &previous_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &previous_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t previous_{};
};

std::uint64_t count_lines(std::string_view lines) {
  return static_cast<std::uint64_t>(std::count(lines.begin(), lines.end(), '\n'));
}

}  // namespace

Result<std::unique_ptr<LineSink>> LineSink::open(const std::string& output) {
  if (output == "off") return std::unique_ptr<LineSink>(new LineSink(Mode::off, output, OutputFile{}, -1));
  OutputFile file;
  const Mode mode = output == "syslog" ? Mode::syslog : Mode::file;
  if (mode == Mode::syslog) {
    openlog("azulb", LOG_PID, LOG_DAEMON);
  } else {
    auto opened = OutputFile::open(output);
    if (!opened) return tl::unexpected<Error>(opened.error());
    file = std::move(*opened);
  }
  const int wake_descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (wake_descriptor < 0) return system_failure("cannot start the access log: eventfd", errno);
  std::unique_ptr<LineSink> sink(new LineSink(mode, output, std::move(file), wake_descriptor));
  const SignalsBlocked blocked;
  sink->thread_ = std::thread([raw = sink.get()] { raw->run(); });
  return sink;
}

LineSink::LineSink(Mode mode, std::string output, OutputFile file, int wake_descriptor)
    : mode_(mode), output_(std::move(output)), wake_descriptor_(wake_descriptor), file_(std::move(file)) {}

LineSink::~LineSink() {
  stop();
  if (wake_descriptor_ >= 0) ::close(wake_descriptor_);
}

LineProducer& LineSink::add_producer(std::size_t ring_bytes) {
  AZULB_ASSERT(enabled());
  const std::lock_guard lock(producers_mutex_);
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
  const std::lock_guard lock(producers_mutex_);
  std::uint64_t sum = 0;
  for (const auto& producer : producers_)
    sum += producer->dropped();
  return sum;
}

void LineSink::wake() {
  if (wake_descriptor_ < 0) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_descriptor_, &one, sizeof one);
}

void LineSink::run() {
  while (true) {
    const bool stopping = stop_requested_.load(std::memory_order_acquire);
    drain();
    if (reopen_requested_.exchange(false, std::memory_order_acq_rel)) reopen_file();
    if (stopping) return;
    wait_for_work();
  }
}

/// One pass over all rings: at most what a ring holds is taken from each, so that none starves the others.
void LineSink::drain() {
  std::vector<LineProducer*> producers;
  {
    const std::lock_guard lock(producers_mutex_);
    for (const auto& producer : producers_)
      producers.push_back(producer.get());
  }
  for (LineProducer* producer : producers) {
    producer->wake_requested_.store(false, std::memory_order_relaxed);
    std::size_t taken = 0;
    while (taken < producer->capacity_) {
      std::string_view lines = producer->peek();
      if (lines.empty()) break;
      if (lines.size() > block_bytes) lines = lines.substr(0, lines.rfind('\n', block_bytes - 1) + 1);
      if (mode_ == Mode::syslog) {
        write_syslog(lines);
      } else {
        write_file(lines);
      }
      producer->release(lines.size());
      taken += lines.size();
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
    if (failing_) log_info("access log: \"{}\" takes lines again", output_);
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
    const auto result = file_.write_some(bytes);
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
    file_.wait_writable(flush_interval);
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
    log_error("access log: \"{}\" refuses lines, they are lost until it takes them again: {}", output_,
              last_error_);
  }
  failing_ = true;
}

void LineSink::reopen_file() {
  if (mode_ != Mode::file || !file_.is_path()) return;
  auto opened = OutputFile::open(output_);
  if (!opened) {
    log_error("access log: still writing to the old file: {}", opened.error().message);
    return;
  }
  file_ = std::move(*opened);
  ends_in_broken_line_ = false;
}

void LineSink::wait_for_work() {
  pollfd watched{wake_descriptor_, POLLIN, 0};
  if (poll(&watched, 1, static_cast<int>(flush_interval.count())) > 0) {
    std::uint64_t wakes = 0;
    [[maybe_unused]] const ssize_t taken = ::read(wake_descriptor_, &wakes, sizeof wakes);
  }
}

}  // namespace azulb::base
