// The dashboard's page; its parts are in src/admin/dashboard/, put together by embed.py there.
#pragma once

#include <string_view>

namespace azulb::admin {

extern const std::string_view dashboard_page;
/// Its Content-Security-Policy.
extern const std::string_view dashboard_policy;

}  // namespace azulb::admin
