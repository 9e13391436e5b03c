#include "azulb/base/output_file.hpp"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace azulb::base {
namespace {

std::string remedy(int system_error) {
  switch (system_error) {
    case ENOENT:
      return "create its directory first";
    case EACCES:
    case EPERM:
      return "give the user azulb runs as the right to write there";
    case EISDIR:
      return "name a file in that directory";
    case ENXIO:
      return "nothing reads this pipe: start its reader first";
    case EROFS:
      return "choose a place on a writable file system";
    default:
      return "choose another output";
  }
}

}  // namespace

OutputFile::~OutputFile() {
  close();
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      owns_descriptor_(std::exchange(other.owns_descriptor_, false)),
      owns_path_(std::exchange(other.owns_path_, false)),
      kind_(other.kind_) {}

OutputFile& OutputFile::operator=(OutputFile&& other) noexcept {
  if (this != &other) {
    close();
    descriptor_ = std::exchange(other.descriptor_, -1);
    owns_descriptor_ = std::exchange(other.owns_descriptor_, false);
    owns_path_ = std::exchange(other.owns_path_, false);
    kind_ = other.kind_;
  }
  return *this;
}

void OutputFile::close() {
  if (owns_descriptor_ && descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

Result<OutputFile> OutputFile::open(const std::string& output) {
  OutputFile file;
  struct stat status {};
  if (output == "stdout" || output == "stderr") {
    file.descriptor_ = output == "stdout" ? STDOUT_FILENO : STDERR_FILENO;
    if (fstat(file.descriptor_, &status) != 0) {
      return failure("cannot log to " + output + ": it is closed; redirect it to a file or /dev/null", errno);
    }
    if (S_ISREG(status.st_mode)) return file;
    if (S_ISSOCK(status.st_mode)) {
      file.kind_ = Kind::socket;
      return file;
    }
    // O_NONBLOCK belongs to the open file description, which other processes share: open one of our own.
    const std::string self = "/proc/self/fd/" + std::to_string(file.descriptor_);
    const int own = ::open(self.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    file.kind_ = own >= 0 ? Kind::nonblocking : Kind::blocking;
    if (own >= 0) {
      file.descriptor_ = own;
      file.owns_descriptor_ = true;
    }
    return file;
  }
  file.descriptor_ =
      ::open(output.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0640);
  if (file.descriptor_ < 0) {
    const int system_error = errno;
    return system_failure("cannot open log file \"" + output + "\" (" + remedy(system_error) + ")",
                          system_error);
  }
  file.owns_descriptor_ = true;
  file.owns_path_ = true;
  const bool is_regular = fstat(file.descriptor_, &status) == 0 && S_ISREG(status.st_mode);
  file.kind_ = is_regular ? Kind::regular : Kind::nonblocking;
  return file;
}

Result<std::size_t> OutputFile::write_some(std::string_view bytes) {
  std::size_t size = bytes.size();
  if (kind_ == Kind::blocking) {
    // A pipe that polls writable takes PIPE_BUF bytes without blocking, and no more is sure.
    if (!wait_writable(std::chrono::milliseconds{0})) return system_failure("write", EAGAIN);
    size = std::min<std::size_t>(size, PIPE_BUF);
  }
  while (true) {
    const ssize_t written = kind_ == Kind::socket
                                ? ::send(descriptor_, bytes.data(), size, MSG_DONTWAIT | MSG_NOSIGNAL)
                                : ::write(descriptor_, bytes.data(), size);
    if (written > 0) return static_cast<std::size_t>(written);
    if (written == 0) return system_failure("write", EIO);
    if (errno == EINTR) continue;
    return system_failure("write", errno == EWOULDBLOCK ? EAGAIN : errno);
  }
}

bool OutputFile::wait_writable(std::chrono::milliseconds timeout) const {
  pollfd watched{descriptor_, POLLOUT, 0};
  // A signal ends the wait early: the caller asks again.
  return poll(&watched, 1, static_cast<int>(timeout.count())) > 0;
}

}  // namespace azulb::base
