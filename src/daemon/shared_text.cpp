#include "azulb/daemon/shared_text.hpp"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

namespace azulb::daemon {
namespace {

// What the most changes that azulb takes come to is less.
constexpr off_t most_bytes = off_t{64} * 1024 * 1024;

}  // namespace

SharedText::~SharedText() {
  if (descriptor_ >= 0) close(descriptor_);
}

base::Result<void> SharedText::write(const std::string& text) {
  if (descriptor_ < 0) descriptor_ = memfd_create("azulb", MFD_CLOEXEC);
  if (descriptor_ < 0 || ftruncate(descriptor_, 0) != 0)
    return base::system_failure("cannot make a text for another process", errno);
  for (std::size_t written = 0; written < text.size();) {
    const ssize_t count =
        pwrite(descriptor_, text.data() + written, text.size() - written, static_cast<off_t>(written));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return base::system_failure("cannot write a text for another process", errno);
    written += static_cast<std::size_t>(count);
  }
  return {};
}

base::Result<std::string> SharedText::read(int descriptor) {
  struct stat status {};
  if (fstat(descriptor, &status) != 0)
    return base::system_failure("cannot look at another process's text", errno);
  if (status.st_size > most_bytes) return base::failure("another process's text is too long");
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  for (std::size_t got = 0; got < text.size();) {
    const ssize_t count = pread(descriptor, text.data() + got, text.size() - got, static_cast<off_t>(got));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return base::system_failure("cannot read another process's text", errno);
    if (count == 0) return base::failure("another process's text has become shorter");
    got += static_cast<std::size_t>(count);
  }
  return text;
}

}  // namespace azulb::daemon
