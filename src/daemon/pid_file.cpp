#include "azulb/daemon/pid_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace azulb::daemon {
namespace {

constexpr mode_t mode = 0644;

bool is_file_at(int descriptor, const std::string& path) {
  struct stat open {};
  struct stat there {};
  return fstat(descriptor, &open) == 0 && stat(path.c_str(), &there) == 0 && open.st_dev == there.st_dev &&
         open.st_ino == there.st_ino;
}

tl::unexpected<base::Error> cannot_write(const std::string& path, int system_error) {
  return base::system_failure(
      "cannot write process.pid_file " + path + " (create its directory, or make it writable)", system_error);
}

}  // namespace

PidFile::~PidFile() {
  if (descriptor_ < 0) return;
  if (owned_) unlink(path_.c_str());
  close(descriptor_);
}

base::Result<void> PidFile::open(const std::string& path, int inherited) {
  if (inherited >= 0 && !path.empty() && is_file_at(inherited, path)) {
    fcntl(inherited, F_SETFD, FD_CLOEXEC);
    path_ = path;
    descriptor_ = inherited;
    inherited_ = true;
    return {};
  }
  if (inherited >= 0) close(inherited);
  if (path.empty()) return {};
  descriptor_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  owned_ = descriptor_ >= 0;
  if (!owned_ && errno == EEXIST) descriptor_ = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (descriptor_ < 0) return cannot_write(path, errno);
  path_ = path;
  return {};
}

base::Result<void> PidFile::write() {
  if (descriptor_ < 0) return {};
  const std::string text = fmt::format("{}\n", getpid());
  if (ftruncate(descriptor_, 0) != 0 ||
      pwrite(descriptor_, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    return cannot_write(path_, errno);
  }
  owned_ = true;
  return {};
}

}  // namespace azulb::daemon
