#include "azulb/daemon/state_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <utility>

#include "azulb/base/log.hpp"
#include "azulb/config/load.hpp"

namespace azulb::daemon {
namespace {

/// Closes a descriptor when it goes.
class Descriptor {
 public:
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  int get() const { return descriptor_; }

 private:
  const int descriptor_;
};

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// Write, fsync, rename, fsync of the directory: after a crash there is one text or the other, and once this
/// has returned it is the new one.
base::Result<void> replace(const std::string& path, const std::string& text) {
  const std::string temporary = path + ".new";
  {
    const Descriptor file(
        open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640));
    if (file.get() < 0) return base::system_failure("cannot write " + temporary, errno);
    for (std::size_t written = 0; written < text.size();) {
      const ssize_t count = ::write(file.get(), text.data() + written, text.size() - written);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return base::system_failure("cannot write " + temporary, errno);
      written += static_cast<std::size_t>(count);
    }
    if (fsync(file.get()) != 0) return base::system_failure("cannot write " + temporary, errno);
  }
  if (rename(temporary.c_str(), path.c_str()) != 0)
    return base::system_failure("cannot replace " + path, errno);
  const Descriptor directory(open(directory_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0 || fsync(directory.get()) != 0)
    return base::system_failure("cannot make sure of " + path, errno);
  return {};
}

}  // namespace

/// Texts are numbered, so that one whose thread was late does not replace a later one.
struct StateFile::Shared {
  std::mutex mutex;  // held while a file is written; main takes it at the end only
  std::uint64_t written = 0;

  base::Result<void> write(const std::string& path, const std::string& text, std::uint64_t number) {
    const std::lock_guard lock(mutex);
    if (number <= written) return {};
    auto result = replace(path, text);
    if (result) written = number;
    return result;
  }
};

StateFile::StateFile(Background& background) : background_(background), shared_(std::make_shared<Shared>()) {}

base::Result<std::optional<std::string>> StateFile::read(const std::string& path) {
  if (access(path.c_str(), F_OK) != 0 && errno == ENOENT) return std::optional<std::string>();
  auto text = config::read_small_file(path);
  if (!text) return tl::unexpected<base::Error>(text.error());
  return std::optional<std::string>(std::move(*text));
}

base::Result<void> StateFile::set_aside(const std::string& path) {
  const std::string aside = path + ".bad";
  if (rename(path.c_str(), aside.c_str()) != 0)
    return base::system_failure("cannot rename it to " + aside, errno);
  return {};
}

void StateFile::set_path(const std::string& path) {
  if (path == path_) return;
  path_ = path;
  text_.clear();  // which is in the other file
  waiting_ = false;
}

void StateFile::write(std::string text) {
  if (path_.empty() || text == text_) return;
  text_ = std::move(text);
  ++number_;
  waiting_ = writing_;
  if (!writing_) begin();
}

void StateFile::begin() {
  writing_ = true;
  background_.run(
      [this, shared = shared_, path = path_, text = text_, number = number_]() -> Background::Follow {
        // (`this` is for main alone, which is there if anything follows.)
        auto result = std::make_shared<base::Result<void>>(shared->write(path, text, number));
        return [this, result] { ended(*result); };
      });
}

void StateFile::ended(const base::Result<void>& result) {
  writing_ = false;
  tell(result);
  if (std::exchange(waiting_, false)) begin();
}

void StateFile::tell(const base::Result<void>& result) {
  const bool failed = !result;
  if (failed) {
    base::log_error(
        "state file: {}; what was changed of servers by the API is lost when azulb restarts: let the user "
        "azulb runs as "
        "write to that directory",
        result.error().message);
  } else if (failing_) {
    base::log_info("state file: {} is written again", path_);
  }
  failing_ = failed;
}

void StateFile::finish() {
  if (number_ > 0 && !path_.empty()) tell(shared_->write(path_, text_, number_));
}

}  // namespace azulb::daemon
