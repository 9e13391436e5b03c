// Who may ask the admin interface for what.
#pragma once

#include <cstdint>
#include <optional>

#include "azulb/admin/handler.hpp"

namespace azulb::admin {

enum class Access : std::uint8_t {
  probe,   // tells nothing that needs guarding, and is asked for by names of all kinds
  read,    // not by pages of other sites
  ask,     // as read, and as JSON: a question too long for a URL
  change,  // as read; with the token if there is one; and only as JSON
};

/// The refusal, if there is one. `method` decides too: whatever is not GET or HEAD needs the token, but what
/// is known to be a question.
///
/// A browser on this machine reaches a loopback address for any page it shows. Such a page is told by its
/// Origin (or Sec-Fetch-Site), and where its own name was made to resolve to the loopback address (DNS
/// rebinding) by a Host that is no name of this machine. On other addresses names vary, and the token guards
/// changes. No answer ever carries CORS fields, and what changes state must be application/json, which no
/// page can send to another origin without asking first.
std::optional<AdminReply> refusal(const AdminRequest& request, const AdminSources& sources, Access access);

}  // namespace azulb::admin
