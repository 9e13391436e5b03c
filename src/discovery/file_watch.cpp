#include "azulb/discovery/file_watch.hpp"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <utility>

namespace azulb::discovery {
namespace {

using namespace std::chrono_literals;

// Replacing a file takes several steps: it is looked at so long after the first.
constexpr auto settle_time = 50ms;
constexpr auto poll_interval = 2s;
constexpr std::uint32_t watched_events =
    IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB;

/// The directories whose entries decide what `path` is: its own, and those of every symbolic link's target
/// that it leads through.
std::vector<std::string> directories_towards(const std::filesystem::path& path) {
  std::vector<std::string> directories;
  std::error_code error;
  std::filesystem::path at = path;
  constexpr int links_limit = 40;  // as many as the kernel follows
  for (int count = 0; count < links_limit; ++count) {
    const std::filesystem::path directory = at.has_parent_path() ? at.parent_path() : ".";
    if (std::find(directories.begin(), directories.end(), directory) == directories.end())
      directories.push_back(directory);
    const std::filesystem::path target = std::filesystem::read_symlink(at, error);
    if (error) break;
    at = target.is_absolute() ? target : directory / target;
  }
  // Links among the directories themselves, such as ConfigMap's "..data".
  const std::filesystem::path resolved = std::filesystem::canonical(path, error);
  if (!error &&
      std::find(directories.begin(), directories.end(), resolved.parent_path()) == directories.end())
    directories.push_back(resolved.parent_path());
  return directories;
}

std::int64_t nanoseconds(const timespec& time) {
  return time.tv_sec * std::int64_t{1'000'000'000} + time.tv_nsec;
}

}  // namespace

FileWatch::FileWatch(net::Loop& loop, std::string path, Observer observer)
    : loop_(loop), path_(std::move(path)), observer_(std::move(observer)), seen_(identity()) {
  watch_directories();
  loop_.timers().list(poll_interval).start(poll_);
}

FileWatch::~FileWatch() {
  if (inotify_ < 0) return;
  loop_.unwatch(inotify_);
  close(inotify_);
}

FileWatch::Identity FileWatch::identity() const {
  struct stat status {};
  if (stat(path_.c_str(), &status) != 0) return {};
  return {status.st_dev, status.st_ino, status.st_size, nanoseconds(status.st_mtim),
          nanoseconds(status.st_ctim)};
}

/// Anew from the beginning, if they are others than before. Where inotify fails (its limits, say), looking
/// now and then has to do.
void FileWatch::watch_directories() {
  std::vector<std::string> directories = directories_towards(path_);
  if (inotify_ >= 0 && directories == directories_) return;
  if (inotify_ < 0) {
    inotify_ = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (inotify_ < 0) return;
    if (!loop_.watch_level(inotify_, events_, false)) {
      close(std::exchange(inotify_, -1));
      return;
    }
  }
  // Adding a directory that is watched already changes nothing. One that is watched for no reason any more
  // costs a look now and then.
  bool complete = true;
  for (const std::string& directory : directories)
    complete = inotify_add_watch(inotify_, directory.c_str(), watched_events) >= 0 && complete;
  if (complete) directories_ = std::move(directories);
}

void FileWatch::Events::on_events(std::uint32_t /*events*/) {
  alignas(inotify_event) std::array<char, 4096> events;
  while (read(owner_.inotify_, events.data(), events.size()) > 0) {
  }
  // Not anew with each event: in a busy directory it would never be due.
  if (!owner_.settled_.running()) owner_.loop_.timers().list(settle_time).start(owner_.settled_);
}

void FileWatch::on_settled() {
  look();
}

void FileWatch::on_poll() {
  loop_.timers().list(poll_interval).start(poll_);
  if (!settled_.running()) look();
}

void FileWatch::look() {
  watch_directories();
  const Identity now = identity();
  if (now == std::exchange(seen_, now)) return;
  observer_();
}

}  // namespace azulb::discovery
