// What the kernel lets azulb do, and how it gives that up.
//
// One process, no helper that stays root: what needs root (low ports, log files, private keys) is done first,
// then the process becomes process.user for good. If one of its ports is below 1024, CAP_NET_BIND_SERVICE
// stays permitted but not effective: a reload may have to bind such a port, and raises it for just that
// (LowPortsAllowed), and so may the azulb that takes this one's place (LowPortsInherited). Nothing else
// stays. The kernel makes a process that has changed its user undumpable, and azulb leaves it so: no core
// file and no debugger of that user gets at the private keys in its memory.
#pragma once

#include "azulb/base/result.hpp"
#include "azulb/config/config.hpp"
#include "azulb/daemon/account.hpp"

namespace azulb::daemon {

/// No program that this process starts gets more than it has (PR_SET_NO_NEW_PRIVS). Before other threads are
/// started: it is a thread's, and they inherit it.
void forbid_new_privileges();

/// Whether a configured address, of a listener or the admin pages, has a port that only the privileged bind.
bool needs_low_ports(const config::Config& config);

/// Whether `become` can be expected to; else the error says how to start azulb instead.
base::Result<void> may_become(const Account& account);

/// Becomes `account`, in all threads, and checks that it took. The calling thread keeps `keep_low_ports`, as
/// said above; it is the one that binds. A process that is this account already only gives up capabilities.
/// On an error nothing must be served.
base::Result<void> become(const Account& account, bool keep_low_ports);

/// While it lives, a program that this thread starts may do with low ports what this one may, and not less
/// (capabilities(7), ambient set). Main only.
class LowPortsInherited {
 public:
  LowPortsInherited();
  LowPortsInherited(const LowPortsInherited&) = delete;
  LowPortsInherited& operator=(const LowPortsInherited&) = delete;
  ~LowPortsInherited();

 private:
  bool raised_ = false;
};

/// While it lives, this thread may bind low ports, if it ever may. Main only.
class LowPortsAllowed {
 public:
  LowPortsAllowed();
  LowPortsAllowed(const LowPortsAllowed&) = delete;
  LowPortsAllowed& operator=(const LowPortsAllowed&) = delete;
  ~LowPortsAllowed();

 private:
  bool raised_ = false;
};

}  // namespace azulb::daemon
