// Tells when a file has become another one, however it was replaced.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "azulb/net/loop.hpp"
#include "azulb/net/timers.hpp"
#include "azulb/net/watcher.hpp"

namespace azulb::discovery {

/// Watches the directories that lead to a file (inotify), so that renames onto it, and symbolic links that
/// are swapped above it as Kubernetes does with a ConfigMap, are seen; and looks every few seconds all the
/// same, as some file systems send no events, and a directory may come only later. The loop's thread only.
class FileWatch {
 public:
  /// Called when the file has changed, come or gone, a moment after that.
  using Observer = std::function<void()>;

  FileWatch(net::Loop& loop, std::string path, Observer observer);
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;
  /// Not within the loop's calls for sockets (see net::Watcher).
  ~FileWatch();

  const std::string& path() const { return path_; }

 private:
  /// What tells one state of a file from another.
  struct Identity {
    dev_t device = 0;
    ino_t number = 0;
    off_t size = 0;
    std::int64_t modified_ns = 0;
    std::int64_t changed_ns = 0;

    bool operator==(const Identity&) const = default;
  };
  class Events final : public net::Watcher {
   public:
    explicit Events(FileWatch& owner) : owner_(owner) {}

   private:
    void on_events(std::uint32_t events) override;
    FileWatch& owner_;
  };

  Identity identity() const;
  void watch_directories();
  void on_settled();
  void on_poll();
  void look();

  net::Loop& loop_;
  const std::string path_;
  const Observer observer_;
  Events events_{*this};
  int inotify_ = -1;
  std::vector<std::string> directories_;  // that are watched
  Identity seen_;
  net::MemberTimer<FileWatch, &FileWatch::on_settled> settled_{*this};
  net::MemberTimer<FileWatch, &FileWatch::on_poll> poll_{*this};
};

}  // namespace azulb::discovery
