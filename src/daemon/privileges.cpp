#include "azulb/daemon/privileges.hpp"

#include <cap-ng.h>
#include <fmt/format.h>
#include <grp.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "azulb/base/assert.hpp"

namespace azulb::daemon {
namespace {

bool is_low_port(const base::HostPort& address) {
  return !address.is_unix && address.port != 0 && address.port < IPPORT_RESERVED;
}

tl::unexpected<base::Error> cannot_become(const Account& account, const char* call, int system_error) {
  return base::system_failure(fmt::format("process.user: cannot become \"{}\" (user {}, group {}): {}",
                                          account.name, account.user, account.group, call),
                              system_error);
}

bool is_account(const Account& account) {
  uid_t user = 0, effective_user = 0, saved_user = 0;
  gid_t group = 0, effective_group = 0, saved_group = 0;
  if (getresuid(&user, &effective_user, &saved_user) != 0 ||
      getresgid(&group, &effective_group, &saved_group) != 0) {
    return false;
  }
  return user == account.user && effective_user == account.user && saved_user == account.user &&
         group == account.group && effective_group == account.group && saved_group == account.group;
}

bool has_groups_of(const Account& account) {
  const int count = getgroups(0, nullptr);
  if (count < 0) return false;
  std::vector<gid_t> now(static_cast<std::size_t>(count));
  if (getgroups(count, now.data()) != count) return false;
  std::vector<gid_t> wanted = account.groups;
  for (auto* groups : {&now, &wanted}) {
    std::sort(groups->begin(), groups->end());
    groups->erase(std::unique(groups->begin(), groups->end()), groups->end());
  }
  return now == wanted;
}

/// glibc changes these in all threads (nptl(7)).
base::Result<void> change_ids(const Account& account) {
  // Across the change of user only this keeps what is permitted; the kernel takes it back with the next exec.
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return cannot_become(account, "PR_SET_KEEPCAPS", errno);
  if (setgroups(account.groups.size(), account.groups.data()) != 0)
    return cannot_become(account, "setgroups", errno);
  if (setresgid(account.group, account.group, account.group) != 0)
    return cannot_become(account, "setresgid", errno);
  if (setresuid(account.user, account.user, account.user) != 0)
    return cannot_become(account, "setresuid", errno);
  if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) != 0) return cannot_become(account, "PR_SET_KEEPCAPS", errno);
  return {};
}

bool has_only(bool low_ports) {
  if (capng_get_caps_process() != 0) return false;
  for (int capability = 0; capability <= CAP_LAST_CAP; ++capability) {
    const auto number = static_cast<unsigned>(capability);
    if (capng_have_capability(CAPNG_EFFECTIVE, number) != 0) return false;
    const bool permitted = capng_have_capability(CAPNG_PERMITTED, number) != 0;
    if (permitted != (low_ports && capability == CAP_NET_BIND_SERVICE)) return false;
  }
  return true;
}

bool may_bind_low_ports(capng_type_t set) {
  return capng_get_caps_process() == 0 && capng_have_capability(set, CAP_NET_BIND_SERVICE) != 0;
}

bool change_set(capng_act_t action, capng_type_t set) {
  return capng_update(action, set, CAP_NET_BIND_SERVICE) == 0 && capng_apply(CAPNG_SELECT_CAPS) == 0;
}

}  // namespace

void forbid_new_privileges() {
  const int status = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  AZULB_ASSERT(status == 0);  // every kernel since 3.5 has it, and it needs no right
}

bool needs_low_ports(const config::Config& config) {
  if (config.admin && is_low_port(config.admin->address)) return true;
  return std::any_of(config.listeners.begin(), config.listeners.end(), [](const config::Listener& listener) {
    return std::any_of(listener.address.begin(), listener.address.end(), is_low_port);
  });
}

base::Result<void> may_become(const Account& account) {
  if (is_account(account)) return {};
  const bool may = capng_get_caps_process() == 0 && capng_have_capability(CAPNG_EFFECTIVE, CAP_SETUID) != 0 &&
                   capng_have_capability(CAPNG_EFFECTIVE, CAP_SETGID) != 0;
  if (may) return {};
  return base::failure(
      fmt::format("process.user: azulb was started as user {} and cannot become \"{}\": start it as "
                  "root, or as that user, or leave process.user out",
                  geteuid(), account.name),
      EPERM);
}

base::Result<void> become(const Account& account, bool keep_low_ports) {
  // Who may not bind them now cannot keep it.
  const bool low_ports = keep_low_ports && may_bind_low_ports(CAPNG_PERMITTED);
  capng_clear(CAPNG_SELECT_ALL);
  if (low_ports) {
    capng_update(CAPNG_ADD, static_cast<capng_type_t>(CAPNG_PERMITTED | CAPNG_BOUNDING_SET),
                 CAP_NET_BIND_SERVICE);
  }
  // Needs CAP_SETPCAP, which a container may lack. Not being able to is no defect: the bounding set limits
  // what an exec may gain, and that is nothing already.
  capng_apply(CAPNG_SELECT_BOUNDS);
  if (!is_account(account)) {
    if (auto changed = change_ids(account); !changed) return changed;
    if (!is_account(account) || !has_groups_of(account))
      return base::failure("process.user: the system did not make azulb \"" + account.name + "\"");
  }
  if (capng_apply(CAPNG_SELECT_CAPS) != 0 || !has_only(low_ports))
    return base::failure("process.user: capabilities could not be given up");
  return {};
}

// (Started as root, or with the capability in the ambient set, a program has it anyway.)
LowPortsInherited::LowPortsInherited() {
  if (geteuid() == 0 || !may_bind_low_ports(CAPNG_PERMITTED) || may_bind_low_ports(CAPNG_INHERITABLE)) return;
  raised_ = change_set(CAPNG_ADD, CAPNG_INHERITABLE) &&
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0) == 0;
}

LowPortsInherited::~LowPortsInherited() {
  if (!raised_) return;
  // What may not be inherited leaves the ambient set, too.
  const bool lowered = may_bind_low_ports(CAPNG_INHERITABLE) && change_set(CAPNG_DROP, CAPNG_INHERITABLE);
  AZULB_ASSERT(lowered);  // giving up a capability never fails
}

LowPortsAllowed::LowPortsAllowed() {
  if (may_bind_low_ports(CAPNG_EFFECTIVE) || !may_bind_low_ports(CAPNG_PERMITTED)) return;
  raised_ = change_set(CAPNG_ADD, CAPNG_EFFECTIVE);
}

LowPortsAllowed::~LowPortsAllowed() {
  if (!raised_) return;
  const bool lowered = may_bind_low_ports(CAPNG_EFFECTIVE) && change_set(CAPNG_DROP, CAPNG_EFFECTIVE);
  AZULB_ASSERT(lowered);  // giving up a capability never fails
}

}  // namespace azulb::daemon
