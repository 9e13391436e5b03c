// What the loader takes from the operating system.
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <system_error>

#include "azulb/config/load.hpp"

namespace azulb::config {
namespace {

constexpr std::size_t kLargestFile = 4 * 1024 * 1024;

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
  int descriptor_;
};

tl::unexpected<base::Error> last_system_error() {
  const int number = errno;
  return base::failure(std::generic_category().message(number), number);
}

}  // namespace

std::optional<std::string> process_environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe): said in the header
  if (value == nullptr) return {};
  return std::string(value);
}

base::Result<std::string> read_small_file(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return last_system_error();
  std::string contents;
  std::array<char, 16 * 1024> chunk{};
  while (true) {
    const ssize_t count = read(file.get(), chunk.data(), chunk.size());
    if (count == 0) return contents;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return last_system_error();
    contents.append(chunk.data(), static_cast<std::size_t>(count));
    if (contents.size() > kLargestFile) return base::failure("it is larger than 4 MiB");
  }
}

unsigned available_cpus() {
  // The kernel's mask may be larger than cpu_set_t; a call with too small a set fails with EINVAL.
  for (int cpus = CPU_SETSIZE; cpus <= 1 << 20; cpus *= 2) {
    const std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)> set(CPU_ALLOC(static_cast<std::size_t>(cpus)),
                                                               [](cpu_set_t* freed) { CPU_FREE(freed); });
    if (!set) break;
    const std::size_t size_bytes = CPU_ALLOC_SIZE(static_cast<std::size_t>(cpus));
    if (sched_getaffinity(0, size_bytes, set.get()) == 0) {
      return static_cast<unsigned>(std::max(1, CPU_COUNT_S(size_bytes, set.get())));
    }
    if (errno != EINVAL) break;
  }
  return 1;
}

}  // namespace azulb::config
