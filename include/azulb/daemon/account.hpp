// The user that azulb becomes, as the system knows it.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "azulb/base/result.hpp"
#include "azulb/config/load.hpp"

namespace azulb::daemon {

struct Account {
  std::string name;  // as configured
  uid_t user = 0;
  gid_t group = 0;
  std::vector<gid_t> groups;  // all that it is a member of, `group` included
};

/// The account that `process.user` and `process.group` name; nothing where azulb stays who it is. Blocking:
/// asks the system's databases. Errors say what to do.
base::Result<std::optional<Account>> find_account(const config::Process& process);

/// The same questions one by one, for the loader, which knows where the words stand.
config::AccountChecks account_checks();

}  // namespace azulb::daemon
