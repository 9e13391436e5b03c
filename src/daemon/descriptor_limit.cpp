#include "azulb/daemon/descriptor_limit.hpp"

#include <sys/resource.h>

#include <algorithm>

#include "azulb/base/log.hpp"

namespace azulb::daemon {

void raise_descriptor_limit(std::uint64_t max_connections) {
  // Each client connection may need one to a server; logs, listeners and libuv need a few.
  const rlim_t wanted = 2 * max_connections + 256;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return;
  if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < wanted) {
    const rlimit raised{wanted, wanted};  // takes CAP_SYS_RESOURCE, and fs.nr_open bounds it
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) return;
  }
  limit.rlim_cur = std::min(wanted, limit.rlim_max);  // RLIM_INFINITY is the largest number
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < wanted) {
    base::log_warn(
        "the limit on open files is {}, enough for about {} client connections, not for "
        "process.max_connections = {}: raise it (`ulimit -n`, LimitNOFILE=) or lower the key",
        limit.rlim_cur, limit.rlim_cur / 2, max_connections);
  }
}

}  // namespace azulb::daemon
