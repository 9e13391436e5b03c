#include "azulb/daemon/account.hpp"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

namespace azulb::daemon {
namespace {

constexpr std::size_t largest_entry_bytes = std::size_t{1} << 20;  // a group may have thousands of members

struct User {
  uid_t number = 0;
  std::optional<gid_t> group;  // unknown for a number without an entry
  std::string name;            // of the entry; empty without one
};

std::optional<std::uint32_t> as_number(const std::string& text) {
  std::uint32_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  // The largest one is no user's: system calls take it for "unchanged".
  if (error != std::errc{} || stop != end || number == ~std::uint32_t{0}) return {};
  return number;
}

/// Calls one of the getXXnam_r family, with as much room as it needs; an entry, null, or an error. What the
/// entry points to stands in `room`.
template <typename Entry, typename Call>
base::Result<Entry*> look_up(Entry& entry, std::vector<char>& room, Call call) {
  for (room.resize(1024); room.size() <= largest_entry_bytes; room.resize(room.size() * 4)) {
    Entry* found = nullptr;
    const int system_error = call(&entry, room.data(), room.size(), &found);
    if (system_error == 0) return found;
    if (system_error == EINTR) continue;
    // Some databases have these for "there is none" (getpwnam(3)).
    if (system_error == ENOENT || system_error == ESRCH) return nullptr;
    if (system_error != ERANGE) return base::system_failure("cannot look it up", system_error);
  }
  return base::failure("its entry is larger than 1 MiB", ERANGE);
}

base::Result<User> find_user(const std::string& text) {
  passwd entry{};
  std::vector<char> room;
  auto found = look_up(entry, room, [&text](passwd* into, char* data, std::size_t size, passwd** result) {
    return getpwnam_r(text.c_str(), into, data, size, result);
  });
  const std::optional<uid_t> number = as_number(text);
  if (found && *found == nullptr && number) {
    found = look_up(entry, room, [&number](passwd* into, char* data, std::size_t size, passwd** result) {
      return getpwuid_r(*number, into, data, size, result);
    });
  }
  if (!found)
    return base::failure("user \"" + text + "\": " + found.error().message, found.error().system_error);
  if (*found != nullptr) return User{entry.pw_uid, entry.pw_gid, entry.pw_name};
  if (number) return User{*number, {}, {}};
  return base::failure("there is no user \"" + text + "\": create it (adduser --system --group " + text +
                       "), or name one of /etc/passwd");
}

base::Result<gid_t> find_group(const std::string& text) {
  group entry{};
  std::vector<char> room;
  const auto found = look_up(entry, room, [&text](group* into, char* data, std::size_t size, group** result) {
    return getgrnam_r(text.c_str(), into, data, size, result);
  });
  if (!found)
    return base::failure("group \"" + text + "\": " + found.error().message, found.error().system_error);
  if (*found != nullptr) return entry.gr_gid;
  if (const auto number = as_number(text)) return *number;
  return base::failure("there is no group \"" + text + "\": create it (addgroup --system " + text +
                       "), or name one of /etc/group");
}

tl::unexpected<base::Error> no_group_known(const std::string& user) {
  return base::failure("user " + user +
                       " has no entry in /etc/passwd that says its group: set process.group");
}

std::vector<gid_t> groups_of(const std::string& name, gid_t group) {
  int count = 64;
  std::vector<gid_t> groups(static_cast<std::size_t>(count));
  while (getgrouplist(name.c_str(), group, groups.data(), &count) < 0)
    groups.resize(static_cast<std::size_t>(count));
  groups.resize(static_cast<std::size_t>(count));
  return groups;
}

}  // namespace

base::Result<std::optional<Account>> find_account(const config::Process& process) {
  if (process.user.empty()) return std::optional<Account>{};
  const auto user = find_user(process.user);
  if (!user) return tl::unexpected<base::Error>(user.error());
  Account account{process.user, user->number, user->group.value_or(0), {}};
  if (!process.group.empty()) {
    const auto group = find_group(process.group);
    if (!group) return tl::unexpected<base::Error>(group.error());
    account.group = *group;
  } else if (!user->group) {
    return no_group_known(process.user);
  }
  account.groups =
      user->name.empty() ? std::vector<gid_t>{account.group} : groups_of(user->name, account.group);
  return std::optional<Account>(std::move(account));
}

config::AccountChecks account_checks() {
  config::AccountChecks checks;
  checks.user = [](const std::string& text, bool has_group) -> base::Result<void> {
    const auto user = find_user(text);
    if (!user) return tl::unexpected<base::Error>(user.error());
    if (!user->group && !has_group) return no_group_known(text);
    return {};
  };
  checks.group = [](const std::string& text) -> base::Result<void> {
    const auto group = find_group(text);
    if (!group) return tl::unexpected<base::Error>(group.error());
    return {};
  };
  return checks;
}

}  // namespace azulb::daemon
