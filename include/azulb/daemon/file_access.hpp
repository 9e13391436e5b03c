// Files of a process that changes its user on the way.
#pragma once

#include "azulb/config/config.hpp"
#include "azulb/daemon/account.hpp"

namespace azulb::daemon {

/// Before logs are opened: log files that do not exist are created and given to the account, so that it can
/// open them again. Those that cannot be created are left to be reported by who opens them.
void create_log_files(const config::Config& config, const Account& account);

/// As the account: warns of every file that a reload or SIGUSR1 will want to open and cannot.
void warn_of_files_out_of_reach(const config::Config& config, const Account& account);

}  // namespace azulb::daemon
